"""One order: what was bought, how it was paid, why it is in its state, and giving money back."""

import secrets
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from api import order_actions
from api import orders as api_orders
from api.bodies import NewRefund, decode
from api.dashboard import formats
from api.dashboard.guarding import AnyRequest, allows, call
from api.dashboard.orders import names
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.problems import Problem
from api.security import Forbidden
from api.wiring import Services
from gateway.errors import GatewayError, InvalidAmount
from gateway.resources import OrderResource


async def _find(services: Services, viewer: Viewer, order_id: str) -> OrderResource:
    found: OrderResource = await call(
        viewer, api_orders.read, order_id=order_id, services=services, client_token=None
    )
    return found


@get("/orders/{order_id:str}")
async def order(
    order_id: FromPath[str],
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """The order."""
    found = await _find(services, viewer, order_id)
    story = await call(viewer, api_orders.timeline, order_id=order_id, services=services)
    return view.page(
        "order.html",
        order=found,
        entries=story.data,
        names=names(services),
        may_refund=allows(viewer, order_actions.refund),
        may_confirm=allows(viewer, order_actions.confirm) and bool(found.payments),
        wrong="",
        amount="",
        reason="",
    )


@post("/orders/{order_id:str}/confirm")
async def confirm(
    order_id: FromPath[str],
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
) -> Redirect:
    """Ask the provider now what became of the payment. Safe to repeat."""
    async with desk.noted(viewer, "asked the provider", order_id):
        await call(
            viewer,
            order_actions.confirm,
            order_id=order_id,
            services=services,
            client_token=None,
        )
    return onward(f"/dashboard/orders/{order_id}", "asked")


@get("/orders/{order_id:str}/refund")
async def ask(
    order_id: FromPath[str],
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    amount: FromQuery[str] = "",
    reason: FromQuery[str] = "",
) -> Response[str]:
    """Say what would be given back, and have the amount typed once more."""
    if not allows(viewer, order_actions.refund):
        raise Forbidden("your role does not allow refunds")
    found = await _find(services, viewer, order_id)
    units, wrong = _units(view, found, amount)
    return view.page(
        "refund.html",
        200 if not wrong else 400,
        order=found,
        units=units,
        reason=reason.strip()[:250],
        wrong=wrong,
        mistyped="",
        token=secrets.token_urlsafe(18),
    )


def _units(view: View, order: OrderResource, amount: str) -> tuple[int, str]:
    """What is to be refunded, all that is left where nothing was typed; or what is wrong."""
    left = order.amount_refundable
    if left == 0:
        return 0, "Nothing of this order can be refunded now."
    if not amount.strip():
        return left, ""
    most = formats.money(left, order.currency, view.locale)
    try:
        units = formats.minor_units(amount, order.currency, view.locale)
    except InvalidAmount as error:
        return left, f"{error.detail}."
    return (units, "") if 0 < units <= left else (left, f"Give an amount up to {most}.")


@post("/orders/{order_id:str}/refund")
async def refund(
    order_id: FromPath[str],
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str] | Redirect:
    """Refund, if the amount was typed as it was asked for. Sent twice, it is done once.

    The page's token is the Idempotency-Key of the API's own refund; whether so much is left is
    judged there.
    """
    if not allows(viewer, order_actions.refund):
        raise Forbidden("your role does not allow refunds")
    form = await request.form()
    found = await _find(services, viewer, order_id)
    text, reason = str(form.get("units", "")), str(form.get("reason", "")).strip()
    units = int(text) if text.isascii() and text.isdigit() and len(text) < 15 else 0
    token = str(form.get("token", ""))[:100]
    if _typed(form.get("typed"), found, view) != units or not units or not token:
        return view.page(
            "refund.html",
            400,
            order=found,
            units=units or found.amount_refundable,
            reason=reason[:250],
            wrong="",
            mistyped="This is not the amount above. Nothing was refunded.",
            token=token,
        )
    asked: dict[str, Any] = {"amount": units} | ({"reason": reason} if reason else {})
    data = decode(msgspec.json.encode(asked), NewRefund)
    detail = formats.money(units, found.currency, formats.locale_of(""))
    async with desk.noted(viewer, "refunded", order_id, f"{detail} {reason}".strip()):
        answer = await call(
            viewer,
            order_actions.refund,
            order_id=order_id,
            request=request,
            services=services,
            data=data,
            idempotency_key=f"dashboard-{token}",
        )
        raise_if_refused(answer)
    return onward(f"/dashboard/orders/{order_id}", "refunded")


def _typed(value: Any, order: OrderResource, view: View) -> int | None:
    try:
        return formats.minor_units(str(value or ""), order.currency, view.locale)
    except InvalidAmount:
        return None


def raise_if_refused(answer: Response[bytes]) -> None:
    """What the API answered with, as the error that it was. Raises GatewayError."""
    if (answer.status_code or 200) >= 400:
        problem = msgspec.json.decode(answer.content, type=Problem)
        raise GatewayError(problem.detail, code=problem.code)


HANDLERS = [order, confirm, ask, refund]
