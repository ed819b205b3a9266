"""A file as the answer to a request, written while it is sent."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from datetime import datetime
from typing import Any

from litestar import Request
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.types import Message, Receive, Scope, Send

from api.exporting.files import check_format, written
from api.logs import log
from api.metrics import Metrics
from gateway.columns import RecordKind
from gateway.errors import GatewayError, RefusedByRule
from gateway.exports import MEDIA_TYPES, MOST_ROWS_AT_ONCE, Format, file_name
from gateway.ports import Clock
from gateway.zones import time_zone
from storage.engine import Database
from storage.filters import Wanted
from storage.flat import Batch, Flat

#: Exports that are answers, at one time: in this process, and of one merchant.
_MOST, _MOST_OF_ONE = 8, 3

#: Seconds in which a client takes nothing; after them it is gone, whatever its connection says.
STALLED = 60

Span = tuple[datetime | None, datetime | None]


class _Sending(ASGIResponse):
    """Ends the file as soon as its client has gone, or takes no more of it: Litestar would leave
    that to the garbage collector."""

    def __init__(self, response: ASGIResponse, file: AsyncGenerator[bytes, None]) -> None:
        super().__init__()
        self._response, self._file = response, file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def patiently(message: Message) -> None:
            async with asyncio.timeout(STALLED):
                await send(message)

        async with aclosing(self._file):
            try:
                await self._response(scope, receive, patiently)
            except* TimeoutError:
                log.warning("the client of an export takes no more of it")


class StreamedFile(Stream):
    """A file of unknown length: that it is not whole shows by the end of its chunks missing."""

    def __init__(self, file: AsyncGenerator[bytes, None], **options: Any) -> None:
        super().__init__(file, **options)
        self._file = file

    def to_asgi_response(
        self, app: Any, request: Request[Any, Any, Any], **options: Any
    ) -> ASGIResponse:
        """Raises RefusedByRule for HTTP/1.0, which has no chunks: every end looks proper there."""
        if request.scope["http_version"] == "1.0":
            raise RefusedByRule(
                "with HTTP/1.0 nobody could tell half a file from a whole one: use HTTP/1.1 (in "
                "nginx `proxy_http_version 1.1`), or have a job make the file"
            )
        return _Sending(super().to_asgi_response(app, request, **options), self._file)


class DirectExports:
    """The exports that this process is answering with."""

    def __init__(self, database: Database, clock: Clock, metrics: Metrics) -> None:
        self._flat = Flat(database)
        self._clock = clock
        self._metrics = metrics
        self._merchants: Counter[str] = Counter()

    async def answer(
        self,
        merchant_id: str,
        livemode: bool,
        kind: RecordKind,
        wanted: Wanted,
        span: Span = (None, None),
        *,
        format: Format,
        tz: str,
    ) -> Stream:
        """The records that are wanted, as a file. `span`: the time they are of, for its name.

        What can be known before the first byte is raised: InvalidRequest for a zone or format,
        GatewayError `too_many_requests`, RefusedByRule `export_too_large`, StoreUnavailable. What
        goes wrong later breaks the connection off, so that nobody takes half a file for a whole
        one. A client that hangs up ends the work.
        """
        zone = time_zone(tz)
        check_format(format)
        self._check_room(merchant_id)
        if format == "xlsx":
            await self._check_size(kind, merchant_id, livemode, wanted)
        batches = self._flat.batches(kind, merchant_id, livemode, wanted)
        all_batches = _all(await anext(batches), batches)
        rows = Counter[str]()
        data = written(kind, format, zone, all_batches, lambda more: rows.update(rows=more))
        name = file_name(kind, format, zone, *span, self._clock.now())
        return StreamedFile(
            self._sent(merchant_id, kind, format, data, rows),
            media_type=MEDIA_TYPES[format],
            headers=file_headers(name),
        )

    def _check_room(self, merchant_id: str) -> None:
        if self._merchants.total() >= _MOST or self._merchants[merchant_id] >= _MOST_OF_ONE:
            raise GatewayError(
                "too many exports are being sent: wait for one, or have a job make it",
                code="too_many_requests",
            )

    async def _check_size(
        self, kind: RecordKind, merchant_id: str, livemode: bool, wanted: Wanted
    ) -> None:
        """An XLSX is only sent when it is made as a whole: nobody waits for a long one."""
        most = MOST_ROWS_AT_ONCE + 1
        if await self._flat.count(kind, merchant_id, livemode, wanted, most) == most:
            raise RefusedByRule(
                f"these are more than {MOST_ROWS_AT_ONCE} rows: have a job make the XLSX",
                code="export_too_large",
            )

    async def _sent(
        self,
        merchant_id: str,
        kind: RecordKind,
        format: Format,
        data: AsyncGenerator[bytes, None],
        rows: Counter[str],
    ) -> AsyncGenerator[bytes, None]:
        outcome, started = "broken_off", time.perf_counter()
        with self._one(merchant_id):
            try:
                async with aclosing(data):
                    async for some in data:
                        yield some
                outcome = "sent"
            except Exception:
                outcome = "failed"
                raise
            finally:
                seconds = time.perf_counter() - started
                self._metrics.exported(format, outcome, rows["rows"], seconds)
                log.info(
                    "export",
                    kind=kind,
                    format=format,
                    outcome=outcome,
                    rows=rows["rows"],
                    milliseconds=round(seconds * 1000),
                )

    @contextmanager
    def _one(self, merchant_id: str) -> Iterator[None]:
        self._merchants[merchant_id] += 1
        try:
            yield
        finally:
            self._merchants[merchant_id] -= 1


async def _all(first: Batch, others: AsyncIterator[Batch]) -> AsyncIterator[Batch]:
    yield first
    async for batch in others:
        yield batch


def file_headers(name: str) -> dict[str, str]:
    """A file to keep, not a page to show, and nothing for a cache."""
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
