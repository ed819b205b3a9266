"""/v1/orders: create, read, list, and everything that is done with an order."""

import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, Parameter

from api.bodies import (
    CancelBody,
    CaptureBody,
    NewItem,
    NewOrderBody,
    NewPayment,
    NewRefund,
    StrictBody,
    known_currency,
)
from api.idempotency import KeyHeader, idempotently
from api.paging import Cursor, Limit, Page, known_filter
from api.paging import decode as decode_cursor
from api.paging import encode as encode_cursor
from api.security import Caller, Forbidden, authenticated, needs
from api.wiring import Services
from gateway.capture import capture_order
from gateway.checkout import NewOrder, change_provider, create_order
from gateway.closing import cancel_order
from gateway.confirm import confirm_order
from gateway.errors import InvalidRequest, NotFound, Unavailable
from gateway.money import MAX_AMOUNT
from gateway.order import OrderState, OrderStatus
from gateway.records import Answer, OrderItem, OrderRecord, TimelineEntry
from gateway.refunds import refund_order
from gateway.resources import OrderResource, RefundResource, order_resource, refund_resource
from storage.queries import OrderFilter

ClientToken = Annotated[
    str | None,
    Parameter(description="The order's token; with a publishable key only"),
]
AmountFilter = Annotated[int | None, Parameter(ge=0, le=MAX_AMOUNT, description="Minor units")]
_METADATA = re.compile(r"metadata\[(.{1,40})\]")
AnyRequest = Request[Any, Any, Any]


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
    """Create an order and open its checkout; send the buyer to `checkout_url`."""

    async def run(idempotent: Any) -> Answer:
        new = NewOrder(
            merchant_id=caller.merchant_id,
            livemode=caller.livemode,
            provider=data.provider,
            currency=data.currency,
            items=await _priced(services, caller, data),
            success_url=data.success_url,
            cancel_url=data.cancel_url,
            expires_in=timedelta(seconds=data.expires_in),
            capture=data.capture,
            reference=data.reference,
            customer_email=data.customer_email,
            metadata=data.metadata,
        )
        return await create_order(services.ctx, new, idempotent)

    return await _idempotently(services, caller, request, idempotency_key, data, 201, run)


async def _priced(services: Services, caller: Caller, data: NewOrderBody) -> tuple[OrderItem, ...]:
    """The order's lines with the server's prices. Raises InvalidRequest, Forbidden."""
    known_currency(data.currency, "currency")
    for position, item in enumerate(data.items):
        _check_item(position, item, caller)
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


@get("/", guards=[needs("orders:read")], summary="List orders", operation_id="listOrders")
async def list_orders(
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    status: FromQuery[list[OrderStatus] | None] = None,
    provider: FromQuery[str | None] = None,
    currency: FromQuery[str | None] = None,
    reference: FromQuery[str | None] = None,
    customer_email: FromQuery[str | None] = None,
    provider_id: FromQuery[str | None] = None,
    created_from: FromQuery[datetime | None] = None,
    created_to: FromQuery[datetime | None] = None,
    paid_from: FromQuery[datetime | None] = None,
    paid_to: FromQuery[datetime | None] = None,
    amount_min: AmountFilter = None,
    amount_max: AmountFilter = None,
    attention: FromQuery[bool | None] = None,
) -> Page[OrderResource]:
    """Orders, newest first. Filters are combined; `metadata[key]=value` filters by metadata."""
    wanted = OrderFilter(
        status=tuple(status) if status else None,
        provider=provider,
        currency=currency,
        reference=reference,
        customer_email=customer_email,
        provider_id=provider_id,
        metadata=_filters(request),
        created_from=_aware("created_from", created_from),
        created_to=_aware("created_to", created_to),
        paid_from=_aware("paid_from", paid_from),
        paid_to=_aware("paid_to", paid_to),
        amount_min=amount_min,
        amount_max=amount_max,
        attention=attention,
    )
    orders, last = await services.queries.orders(
        caller.merchant_id, caller.livemode, wanted, decode_cursor(cursor), limit
    )
    return Page(orders, encode_cursor(last))


_PARAMETERS = frozenset(OrderFilter.__struct_fields__) - {"metadata"} | {"limit", "cursor"}


def _filters(request: AnyRequest) -> dict[str, str]:
    """The metadata filters. Raises InvalidRequest for a parameter that does not exist."""
    metadata = {}
    for name, value in request.query_params.multi_items():
        if match := _METADATA.fullmatch(name):
            metadata[match[1]] = str(value)
        else:
            known_filter(name, _PARAMETERS)
    return metadata


def _aware(name: str, value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise InvalidRequest("give the time zone, as in 2026-01-31T00:00:00Z", path=name)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest("this is before the year 1 or after 9999 in UTC", path=name) from None


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
    return await _order(services, caller, order_id, client_token)


@post(
    "/{order_id:str}/confirm",
    guards=[needs("orders:write", publishable=True)],
    status_code=200,
    summary="Ask the provider for the truth now",
    operation_id="confirmOrder",
)
async def confirm(
    order_id: FromPath[str],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    client_token: ClientToken = None,
) -> OrderResource:
    """Ask the provider, capture what the buyer has approved, return the order. Safe to repeat."""
    await _order(services, caller, order_id, client_token)
    settlement = await confirm_order(services.ctx, caller.merchant_id, order_id)
    if settlement is not None and isinstance(settlement.error, Unavailable):
        raise settlement.error
    return await _order(services, caller, order_id, client_token)


@post(
    "/{order_id:str}/payments",
    guards=[needs("orders:write")],
    dto=StrictBody[NewPayment],
    return_dto=None,
    summary="Pay with another provider",
    operation_id="createPayment",
)
async def pay_otherwise(
    order_id: FromPath[str],
    data: JSONBody[NewPayment],
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    idempotency_key: KeyHeader = None,
) -> Response[OrderResource]:
    """Close the earlier attempt at its provider, then open a new one with `provider`."""
    await _order(services, caller, order_id)

    async def run(idempotent: Any) -> Answer:
        return await change_provider(
            services.ctx, caller.merchant_id, order_id, data.provider, idempotent
        )

    return await _idempotently(services, caller, request, idempotency_key, data, 201, run)


@post(
    "/{order_id:str}/capture",
    guards=[needs("orders:write")],
    dto=StrictBody[CaptureBody],
    return_dto=None,
    status_code=200,
    summary="Capture an authorized order",
    operation_id="captureOrder",
)
async def capture(
    order_id: FromPath[str],
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[CaptureBody] = CaptureBody(),  # noqa: B008 (frozen)
    idempotency_key: KeyHeader = None,
) -> Response[OrderResource]:
    """Capture the authorization, `{"amount": …}` of it or all; what is not captured is released."""
    await _order(services, caller, order_id)

    async def run(idempotent: Any) -> Answer:
        return await capture_order(
            services.ctx, caller.merchant_id, order_id, data.amount, idempotent
        )

    return await _idempotently(services, caller, request, idempotency_key, data, 200, run)


@post(
    "/{order_id:str}/cancel",
    guards=[needs("orders:write")],
    dto=StrictBody[CancelBody],
    return_dto=None,
    status_code=200,
    summary="Cancel an unpaid order",
    operation_id="cancelOrder",
)
async def cancel(
    order_id: FromPath[str],
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[CancelBody] = CancelBody(),  # noqa: B008 (frozen)
    idempotency_key: KeyHeader = None,
) -> Response[OrderResource]:
    """Close the order's checkout, or void its authorization. A paid order is 409."""
    await _order(services, caller, order_id)

    async def run(idempotent: Any) -> Answer:
        return await cancel_order(services.ctx, caller.merchant_id, order_id, idempotent)

    return await _idempotently(services, caller, request, idempotency_key, data, 200, run)


@post(
    "/{order_id:str}/refunds",
    guards=[needs("refunds:write")],
    dto=StrictBody[NewRefund],
    return_dto=None,
    summary="Refund an order",
    operation_id="createRefund",
)
async def refund(
    order_id: FromPath[str],
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    data: JSONBody[NewRefund] = NewRefund(),  # noqa: B008 (frozen)
    idempotency_key: KeyHeader = None,
) -> Response[RefundResource]:
    """Refund `{"amount": …, "reason": …}`, or all that is refundable."""
    await _order(services, caller, order_id)

    def render(order: OrderRecord, state: OrderState, refund_id: str) -> Answer:
        resource = refund_resource(order, state, state.refund(refund_id))
        return Answer(201, msgspec.json.encode(resource))

    async def run(idempotent: Any) -> Answer:
        return await refund_order(
            services.ctx,
            caller.merchant_id,
            order_id,
            data.amount,
            data.reason,
            data.metadata,
            idempotent,
        )

    return await idempotently(services, caller, request, idempotency_key, data, render, run)  # type: ignore[return-value]


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
    order = await _order(services, caller, order_id)
    entries = await services.queries.timeline(caller.merchant_id, order_id)
    return Timeline(order_id, order.status, entries)


async def _order(
    services: Services, caller: Caller, order_id: str, client_token: str | None = None
) -> OrderResource:
    """The caller's order. Raises NotFound, also for another's, and for a wrong client token."""
    order = await services.queries.order(caller.merchant_id, caller.livemode, order_id)
    if order is None or (
        caller.kind == "publishable"
        and not hmac.compare_digest(order.client_token.encode(), (client_token or "").encode())
    ):
        raise NotFound(f"there is no order {order_id}")
    return order


async def _idempotently(
    services: Services,
    caller: Caller,
    request: AnyRequest,
    key: str | None,
    payload: Any,
    status: int,
    run: Any,
) -> Response[OrderResource]:
    """Answer with the order."""

    def render(order: OrderRecord, state: OrderState, _: str) -> Answer:
        ctx = services.ctx
        resource = order_resource(
            order, state, client_token=ctx.client_token(order.id), updated_at=ctx.now()
        )
        return Answer(status, msgspec.json.encode(resource))

    return await idempotently(services, caller, request, key, payload, render, run)  # type: ignore[return-value]


router = Router(
    "/v1/orders",
    guards=[authenticated],
    tags=["Orders"],
    route_handlers=[
        create,
        list_orders,
        read,
        confirm,
        pay_otherwise,
        capture,
        cancel,
        refund,
        timeline,
    ],
)
