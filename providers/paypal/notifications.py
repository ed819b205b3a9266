"""PayPal's notifications API, which the SDK does not know: past events, and the app's webhooks.

https://developer.paypal.com/docs/api/webhooks/v1/
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from gateway.errors import Unavailable, WebhookInvalid
from gateway.http_date import http_date
from gateway.provider import ListedEvent, RegisteredWebhook
from providers.paypal.events import READERS, read_event
from providers.paypal.resources import EventPage, Webhook, Webhooks
from providers.paypal.sdk import Sdk

PATH = "/v1/notifications/webhooks-events"
WEBHOOKS_PATH = "/v1/notifications/webhooks"
#: The most that PayPal puts on one page.
PAGE_SIZE = 300
_NARROWEST = timedelta(seconds=1)


class Notifications:
    """Reads. All raise Unavailable, and nothing else."""

    def __init__(self, http: httpx.AsyncClient, sdk: Sdk, base: str, webhook_id: str) -> None:
        self._http = http
        self._sdk = sdk
        self._base = base
        self._webhook_id = webhook_id

    async def events(self, since: datetime, until: datetime) -> AsyncIterator[ListedEvent]:
        """All events, from `since` to `until`, that our webhook was told, or should have been.

        A page that is full may not hold all, and PayPal does not say in which order they come: its
        time is then listed in two halves.
        """
        periods = [(since, until)]
        while periods:
            start, end = periods.pop()
            events = await self._page(start, end)
            if len(events) >= PAGE_SIZE and end - start > _NARROWEST:
                middle = start + (end - start) / 2
                periods += [(start, middle), (middle, end)]
                continue
            for raw in events:
                yield _listed(bytes(raw))

    async def webhooks(self) -> tuple[Sequence[RegisteredWebhook], datetime | None]:
        """The app's webhooks, and PayPal's own time."""
        response = await self._read(WEBHOOKS_PATH, {}, "list of webhooks")
        try:
            listed = msgspec.json.decode(response.content, type=Webhooks).webhooks
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise Unavailable("PayPal's list of webhooks cannot be read") from None
        told_at = http_date(response.headers.get("date"))
        return [self._registered(webhook) for webhook in listed], told_at

    def _registered(self, webhook: Webhook) -> RegisteredWebhook:
        sent = {kind.name for kind in webhook.event_types}
        ours = webhook.id == self._webhook_id
        return RegisteredWebhook(
            id=webhook.id,
            url=webhook.url,
            missing=() if "*" in sent else tuple(sorted(READERS.keys() - sent)),
            trouble="" if ours else f"PAYPAL_WEBHOOK_ID must be {webhook.id}",
        )

    async def _page(self, start: datetime, end: datetime) -> tuple[msgspec.Raw, ...]:
        query = {"start_time": _text(start), "end_time": _text(end), "page_size": str(PAGE_SIZE)}
        response = await self._read(PATH, query, "list of events")
        try:
            return msgspec.json.decode(response.content, type=EventPage).events
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise Unavailable("PayPal's list of events cannot be read") from None

    async def _read(self, path: str, query: Mapping[str, str], what: str) -> httpx.Response:
        """With a token, and once more with a new one."""
        response = await self._get(path, query, await self._sdk.bearer(), what)
        if response.status_code == 401:
            await self._sdk.refuse(response.request.headers["authorization"])
            response = await self._get(path, query, await self._sdk.bearer(), what)
        if response.status_code != 200:
            raise Unavailable(f"PayPal's {what} answered {response.status_code}")
        return response

    async def _get(
        self, path: str, query: Mapping[str, str], bearer: str, what: str
    ) -> httpx.Response:
        try:
            return await self._http.get(
                self._base + path, params=query, headers={"authorization": bearer}
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"PayPal's {what}: {type(error).__name__}") from error


def _listed(body: bytes) -> ListedEvent:
    try:
        event = read_event(body)
    except WebhookInvalid:
        raise Unavailable("PayPal lists something that is no event") from None
    return ListedEvent(id=event.id, type=event.type, at=event.at, body=body)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
