"""/webhooks/{provider}: deliveries from providers. Verified, durably stored, then acknowledged."""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import Method

from api.logs import log
from api.wiring import Services
from gateway import inbox
from gateway.errors import GatewayError, NotFound, WebhookInvalid

MAX_BODY = 256 * 1024


def _operation_id(_: HTTPRouteHandler, __: Method | HttpMethod, path: list[Any]) -> str:
    return "receiveWebhookOfAccount" if len(path) > 2 else "receiveWebhook"


@post(
    ["/webhooks/{provider:str}", "/webhooks/{provider:str}/{account:str}"],
    status_code=200,
    request_max_body_size=MAX_BODY,
    tags=["Webhooks in"],
    summary="For providers only",
    operation_id=_operation_id,
)
async def receive(
    provider: FromPath[str],
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    account: FromPath[str] = inbox.DEFAULT_ACCOUNT,
) -> dict[str, bool]:
    """Take a delivery. What is forged, stale or malformed is 400 and leaves only a counter."""
    if account != inbox.DEFAULT_ACCOUNT:
        raise NotFound(f"there is no account {account[:64]}")
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        event_id = await inbox.receive(services.ctx, provider, headers, body)
    except WebhookInvalid as error:
        services.metrics.webhook(provider, "refused")
        log.warning("webhook refused", provider=provider, reason=error.detail)
        raise
    except NotFound:
        raise
    except GatewayError as error:
        services.metrics.webhook(provider, "unavailable")
        log.warning("webhook not stored", provider=provider, code=error.code)
        raise
    services.metrics.webhook(provider, "accepted")
    log.info("webhook stored", provider=provider, event_id=event_id)
    return {"received": True}
