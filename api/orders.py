"""/v1/orders: create, read, list, and why they are in their state."""

from datetime import timedelta

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from api import order_actions
from api.bodies import NewItem, NewOrderBody, StrictBody, known_currency, usable_url
from api.filtering import Amount, Moment, Search, Word, metadata_filters, moment
from api.idempotency import KeyHeader
from api.order_answers import AnyRequest, ClientToken, answer_with_order, find_order, wish
from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, Forbidden, authenticated, needs
from api.wiring import Services
from gateway.checkout import NewOrder, create_order
from gateway.errors import InvalidRequest
from gateway.idempotency import IdempotentRequest
from gateway.order import OrderStatus
from gateway.records import Answer, OrderItem, TimelineEntry
from gateway.resources import OrderResource
from storage.filters import OrderFilter


class Timeline(msgspec.Struct, frozen=True):
    """Why the order is in its state: everything that happened, in order."""

    order: str
    status: OrderStatus
    data: list[TimelineEntry]


@post(
    "/",
    guards=[needs("orders:write", publishable=True)],
    dto=StrictBody[NewOrderBody],
    return_dto=None,
    summary="Create an order",
    operation_id="createOrder",
)
async def create(
    data: JSONBody[NewOrderBody],
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    idempotency_key: KeyHeader = None,
) -> Response[OrderResource]:
    """Create an order and open its checkout; send the buyer to `checkout_url`.

    With the provider `auto`, the routing policy chooses one. If that one certainly opens no
    checkout, the next one is asked, as a further payment of the same order.
    """

    async def run(idempotent: IdempotentRequest) -> Answer:
        new = NewOrder(
            merchant_id=caller.merchant_id,
            livemode=caller.livemode,
            provider=await wish(services, caller, data.provider, data.country),
            currency=data.currency,
            items=() if idempotent.reserved_before else await _priced(services, caller, data),
            success_url=data.success_url,
            cancel_url=data.cancel_url,
            expires_in=timedelta(seconds=data.expires_in),
            capture=data.capture,
            reference=data.reference,
            customer_email=data.customer_email,
            metadata=data.metadata,
        )
        return await create_order(services.ctx, new, idempotent)

    return await answer_with_order(services, caller, request, idempotency_key, data, 201, run)


async def _priced(services: Services, caller: Caller, data: NewOrderBody) -> tuple[OrderItem, ...]:
    """The order's lines with the server's prices. Raises InvalidRequest, Forbidden."""
    _check(data, caller)
    products = sorted({item.product for item in data.items if item.product is not None})
    quoted = await services.catalogue.quote(
        caller.merchant_id, caller.livemode, data.currency, products
    )
    items = []
    for item in data.items:
        if item.product is not None:
            name, unit_amount = quoted[item.product]
        else:
            name, unit_amount = item.name or "", item.unit_amount or 0
        items.append(OrderItem(item.product, name, unit_amount, item.quantity))
    return tuple(items)


def _check(data: NewOrderBody, caller: Caller) -> None:
    """What the body's types cannot say. Raises InvalidRequest, Forbidden."""
    known_currency(data.currency, "currency")
    usable_url(data.success_url, "success_url")
    usable_url(data.cancel_url, "cancel_url")
    for position, item in enumerate(data.items):
        _check_item(position, item, caller)


def _check_item(position: int, item: NewItem, caller: Caller) -> None:
    ad_hoc = item.name is not None or item.unit_amount is not None
    if item.product is not None and ad_hoc:
        raise InvalidRequest(
            "a product's name and price are the catalogue's: leave out name and unit_amount",
            path=f"items[{position}]",
        )
    if item.product is None and (item.name is None or item.unit_amount is None):
        raise InvalidRequest(
            "name a product, or give name and unit_amount", path=f"items[{position}]"
        )
    if ad_hoc and caller.kind != "secret":
        raise Forbidden(f"a {caller.kind} key can order products of the catalogue only")


@get(
    "/",
    guards=[
        needs("orders:read"),
        only_filters(*OrderFilter.__struct_fields__, several=("status",), metadata=True),
    ],
    summary="List orders",
    operation_id="listOrders",
)
async def list_orders(
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    status: FromQuery[list[OrderStatus] | None] = None,
    provider: Word = None,
    currency: Word = None,
    reference: Word = None,
    customer_email: Word = None,
    provider_id: Word = None,
    created_from: Moment = None,
    created_to: Moment = None,
    paid_from: Moment = None,
    paid_to: Moment = None,
    amount_min: Amount = None,
    amount_max: Amount = None,
    attention: FromQuery[bool | None] = None,
    search: Search = None,
) -> Page[OrderResource]:
    """Orders, newest first. Filters are combined; `metadata[key]=value` filters by metadata."""
    wanted = OrderFilter(
        status=tuple(status) if status else None,
        provider=provider,
        currency=currency,
        reference=reference,
        customer_email=customer_email,
        provider_id=provider_id,
        metadata=metadata_filters(request),
        created_from=moment("created_from", created_from),
        created_to=moment("created_to", created_to),
        paid_from=moment("paid_from", paid_from),
        paid_to=moment("paid_to", paid_to),
        amount_min=amount_min,
        amount_max=amount_max,
        attention=attention,
        search=search,
    )
    orders, last = await services.queries.orders(
        caller.merchant_id, caller.livemode, wanted, decode(cursor), limit
    )
    return Page(orders, encode(last))


@get(
    "/{order_id:str}",
    guards=[needs("orders:read", publishable=True)],
    summary="Read an order",
    operation_id="readOrder",
)
async def read(
    order_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    client_token: ClientToken = None,
) -> OrderResource:
    """One order."""
    return await find_order(services, caller, order_id, client_token)


@get(
    "/{order_id:str}/timeline",
    guards=[needs("orders:read")],
    summary="Why the order is in its state",
    operation_id="readTimeline",
)
async def timeline(
    order_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> Timeline:
    """Every call, answer, webhook and change of state, in order, with the rule that applied."""
    order = await find_order(services, caller, order_id)
    entries = await services.queries.timeline(caller.merchant_id, order_id)
    return Timeline(order_id, order.status, entries)


router = Router(
    "/v1/orders",
    guards=[authenticated],
    tags=["Orders"],
    route_handlers=[
        create,
        list_orders,
        read,
        order_actions.confirm,
        order_actions.pay_otherwise,
        order_actions.capture,
        order_actions.cancel,
        order_actions.refund,
        timeline,
    ],
)
