"""PayPal's own list of the events that it has told, or tried to tell, our webhook.

https://developer.paypal.com/docs/api/webhooks/v1/#webhooks-events_list
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import msgspec

from gateway.errors import Unavailable, WebhookInvalid
from gateway.provider import ListedEvent
from providers.paypal.events import read_event
from providers.paypal.resources import EventPage
from providers.paypal.sdk import Sdk

PATH = "/v1/notifications/webhooks-events"
#: The most that PayPal puts on one page.
PAGE_SIZE = 300
_NARROWEST = timedelta(seconds=1)


class Notifications:
    """Reads the list, which the SDK does not know."""

    def __init__(self, http: httpx.AsyncClient, sdk: Sdk, base: str) -> None:
        self._http = http
        self._sdk = sdk
        self._url = base + PATH

    async def events(self, since: datetime, until: datetime) -> AsyncIterator[ListedEvent]:
        """All events from `since` to `until`. Raises Unavailable.

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

    async def _page(self, start: datetime, end: datetime) -> tuple[msgspec.Raw, ...]:
        query = {"start_time": _text(start), "end_time": _text(end), "page_size": str(PAGE_SIZE)}
        response = await self._get(query, await self._sdk.bearer())
        if response.status_code == 401:
            await self._sdk.refuse(response.request.headers["authorization"])
            response = await self._get(query, await self._sdk.bearer())
        try:
            if response.status_code != 200:
                raise ValueError
            return msgspec.json.decode(response.content, type=EventPage).events
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise Unavailable(f"PayPal's list of events answered {response.status_code}") from None

    async def _get(self, query: dict[str, str], bearer: str) -> httpx.Response:
        try:
            return await self._http.get(self._url, params=query, headers={"authorization": bearer})
        except httpx.HTTPError as error:
            raise Unavailable(f"PayPal's list of events: {type(error).__name__}") from error


def _listed(body: bytes) -> ListedEvent:
    try:
        event = read_event(body)
    except WebhookInvalid:
        raise Unavailable("PayPal lists something that is no event") from None
    return ListedEvent(id=event.id, type=event.type, at=event.at, body=body)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
