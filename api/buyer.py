"""Where a provider sends the buyer back to. The redirect proves nothing: we ask the provider."""

from urllib.parse import urlsplit, urlunsplit

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from api.logs import log
from api.wiring import Services
from gateway.confirm import confirm_order
from gateway.errors import GatewayError, NotFound
from storage.queries import Found


@get("/{order_id:str}/return", status_code=303, summary="The buyer returns")
async def returned(order_id: FromPath[str], services: NamedDependency[Services]) -> Redirect:
    """Confirm server-side, then send the buyer on to the merchant's success_url."""
    found = await _found(services, order_id)
    await _confirm(services, found)
    return _redirect(found.record.success_url, order_id)


@get("/{order_id:str}/cancel", status_code=303, summary="The buyer gave up")
async def gave_up(order_id: FromPath[str], services: NamedDependency[Services]) -> Redirect:
    """Send the buyer on to the merchant's cancel_url. The order stays as the provider knows it."""
    found = await _found(services, order_id)
    return _redirect(found.record.cancel_url, order_id)


async def _found(services: Services, order_id: str) -> Found:
    found = await services.queries.any_order(order_id)
    if found is None:
        raise NotFound(f"there is no order {order_id[:64]}")
    return found


async def _confirm(services: Services, found: Found) -> None:
    """A buyer must get on, whatever the provider does: the worker finds out what we could not."""
    try:
        await confirm_order(services.ctx, found.record.merchant_id, found.record.id)
    except GatewayError as error:
        log.warning("confirm on return failed", order=found.record.id, code=error.code)


def _redirect(url: str, order_id: str) -> Redirect:
    return Redirect(with_order(url, order_id), status_code=303)


def with_order(url: str, order_id: str) -> str:
    """`url` with `order={order_id}` in its query; what is there already stays as it is spelt."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] != "order"]
    return urlunsplit(parts._replace(query="&".join([*kept, f"order={order_id}"])))


router = Router(
    "/checkout", tags=["Buyer"], include_in_schema=False, route_handlers=[returned, gave_up]
)
