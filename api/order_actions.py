"""/v1/orders/{id}/…: everything that is done with an order."""

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.bodies import CancelBody, CaptureBody, NewPayment, NewRefund, StrictBody
from api.idempotency import KeyHeader, idempotently
from api.order_answers import AnyRequest, ClientToken, answer_with_order, find_order, wish
from api.security import Caller, needs
from api.wiring import Services
from gateway.capture import capture_order
from gateway.checkout import change_provider
from gateway.closing import cancel_order
from gateway.confirm import confirm_order
from gateway.errors import Unavailable
from gateway.idempotency import IdempotentRequest
from gateway.order import OrderState
from gateway.records import Answer, OrderRecord
from gateway.refunds import refund_order
from gateway.resources import OrderResource, RefundResource, refund_resource


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
    await find_order(services, caller, order_id, client_token)
    settlement = await confirm_order(services.ctx, caller.merchant_id, order_id)
    if settlement is not None and isinstance(settlement.error, Unavailable):
        raise settlement.error
    return await find_order(services, caller, order_id, client_token)


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
    """Close the earlier attempt at its provider, then open a new one with `provider`.

    `auto` is the best that has not failed for this order, by your routing policy.
    """
    await find_order(services, caller, order_id)

    async def run(idempotent: IdempotentRequest) -> Answer:
        return await change_provider(
            services.ctx,
            caller.merchant_id,
            order_id,
            await wish(services, caller, data.provider, data.country),
            idempotent,
        )

    return await answer_with_order(services, caller, request, idempotency_key, data, 201, run)


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
    await find_order(services, caller, order_id)

    async def run(idempotent: IdempotentRequest) -> Answer:
        return await capture_order(
            services.ctx, caller.merchant_id, order_id, data.amount, idempotent
        )

    return await answer_with_order(services, caller, request, idempotency_key, data, 200, run)


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
    await find_order(services, caller, order_id)

    async def run(idempotent: IdempotentRequest) -> Answer:
        return await cancel_order(services.ctx, caller.merchant_id, order_id, idempotent)

    return await answer_with_order(services, caller, request, idempotency_key, data, 200, run)


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
    await find_order(services, caller, order_id)

    def render(order: OrderRecord, state: OrderState, refund_id: str) -> Answer:
        resource = refund_resource(order, state, state.refund(refund_id))
        return Answer(201, msgspec.json.encode(resource))

    async def run(idempotent: IdempotentRequest) -> Answer:
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
