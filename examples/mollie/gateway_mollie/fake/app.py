"""A fake of Mollie's Payments API over HTTP.

It keeps books (books.py), has a pay page at the address that a payment's `checkout` link names,
calls webhooks as Mollie does, and keeps Idempotency-Keys for an hour. Nothing in it moves money,
and everything is in memory.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from gateway_mollie.fake import hal
from gateway_mollie.fake.books import Books, Entry, Payment, Refused, amount_json

API_KEY = "test_" + "FakeOfMollie" * 3
KEYS_ARE_KEPT = timedelta(hours=1)
#: Mollie calls ten times in 26 hours; the fake's patience is shorter.
TRIES, PAUSE = 10, 2.0
#: What the buyer can do, by the names that the sandbox of the gateway uses too.
ACTIONS = ("pay", "decline", "cancel", "expire", "pay_later", "clear", "bounce")

_log = logging.getLogger("gateway_mollie.fake")
Answer = tuple[int, dict[str, Any] | None]


class Fake:
    """One account of Mollie's, and the buyer. `url` is known once it serves.

    `refund_seconds`: how long a refund is pending, None for until `turn_refund`. `sent`: all
    webhooks as they were sent, headers and body.
    """

    def __init__(self, *, refund_seconds: float | None = 0.0, tries: int = TRIES) -> None:
        self.books = Books()
        self.url = ""
        self.refund_seconds = refund_seconds
        self.holds_refund_of: frozenset[int] = frozenset()
        self.sent: list[tuple[dict[str, str], bytes]] = []
        self._tries = tries
        self._answers: dict[str, tuple[str, bytes, Answer, datetime]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: ClientSession | None = None

    # --- the buyer, and time ----------------------------------------------------------------------

    def act(self, payment_id: str, action: str, method: str = "creditcard") -> Payment:
        """What the buyer does on the page, or what becomes of it. Raises Refused."""
        payment = self.books.payment(payment_id)
        late = action in ("clear", "bounce")
        if payment.status != ("pending" if late else "open") or action not in ACTIONS:
            raise Refused(422, f"The payment is {payment.status}")
        if action in ("pay", "clear"):
            self.books.pay(payment, payment.method or method)
        elif action == "pay_later":
            self.books.become(payment, "pending", "paypal")
            return payment  # of this Mollie does not tell
        else:
            status = {"cancel": "canceled", "expire": "expired"}.get(action, "failed")
            self.books.become(payment, status, None if action == "expire" else method)
        self.notify(payment)
        return payment

    def turn_refund(self, refund_id: str, status: str) -> None:
        """A refund comes to be `refunded`, `failed` or the like."""
        for payment in self.books.payments.values():
            for refund in payment.refunds:
                if refund.id == refund_id and refund.status != status:
                    refund.status = status
                    self.notify(payment)

    def charge_back(self, payment_id: str) -> None:
        """The buyer's bank takes the money back."""
        payment = self.books.payment(payment_id)
        self.books.charge_back(payment)
        self.notify(payment)

    def reverse_chargeback(self, payment_id: str) -> None:
        """…and gives it back again."""
        payment = self.books.payment(payment_id)
        payment.chargebacks[-1].reversed = self.books.now()
        self.notify(payment)

    def refund_in_dashboard(self, payment_id: str, amount: int) -> Entry:
        """A refund that nobody asked for through the API."""
        payment = self.books.payment(payment_id)
        body = {"amount": amount_json(amount, payment.currency), "description": "dashboard"}
        return self._refunded(payment, self.books.refund(payment, body))

    def _refunded(self, payment: Payment, refund: Entry) -> Entry:
        if self.refund_seconds is not None and refund.amount not in self.holds_refund_of:
            self._start(self._finish(refund, self.refund_seconds))
        return refund

    async def _finish(self, refund: Entry, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if refund.status == "pending":
            self.turn_refund(refund.id, "refunded")

    # --- webhooks ---------------------------------------------------------------------------------

    def notify(self, payment: Payment) -> None:
        """Call the payment's webhook: its id, and nothing else."""
        if url := payment.request.get("webhookUrl"):
            headers = {
                "content-type": "application/x-www-form-urlencoded",
                "user-agent": "Mollie HTTP client/1.0",
                "accept": "*/*",
            }
            body = f"id={payment.id}".encode()
            self.sent.append((headers, body))
            self._start(self._call(url, headers, body))

    async def _call(self, url: str, headers: dict[str, str], body: bytes) -> None:
        for attempt in range(self._tries):
            await asyncio.sleep(PAUSE * attempt)
            with contextlib.suppress(ClientError, TimeoutError):
                assert self._http is not None  # it serves
                async with self._http.post(url, data=body, headers=headers) as answer:
                    if answer.status == 200:
                        return
                    _log.warning("webhook answered %s", answer.status)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def quiet(self) -> None:
        """Wait until no webhook and no refund is under way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- serving ----------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator["Fake"]:
        """Serve at `url`."""
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        async with ClientSession(timeout=ClientTimeout(total=15)) as self._http:
            try:
                await web.TCPSite(runner, host, port).start()
                self.url = f"http://{host}:{runner.addresses[0][1]}"
                yield self
            finally:
                for task in list(self._tasks):
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        one, route = "/v2/payments/{id}", app.router.add_route
        for method, path, handler in (
            ("POST", "/v2/payments", self._create),
            ("GET", "/v2/payments", self._list),
            ("GET", one, lambda _, payment: (200, hal.payment(payment, self.url))),
            ("DELETE", one, self._cancel),
            ("POST", f"{one}/release-authorization", self._release),
            ("POST", f"{one}/captures", self._capture),
            ("GET", f"{one}/captures", self._entries(hal.capture, "captures")),
            ("POST", f"{one}/refunds", self._refund),
            ("GET", f"{one}/refunds", self._entries(hal.refund, "refunds")),
            ("GET", f"{one}/chargebacks", self._entries(hal.chargeback, "chargebacks")),
        ):
            route(method, path, self._api(handler))
        route("GET", "/checkout/{id}", self._page)
        route("POST", "/checkout/{id}", self._pressed)
        route("POST", "/_control/buyer", self._buyer)
        return app

    def _api(self, handler: Callable[..., Answer]) -> Callable[[web.Request], Any]:
        """`handler(body, payment)` behind the key check and the Idempotency-Key."""

        async def handle(request: web.Request) -> web.Response:
            raw, replayed = await request.read(), False
            try:
                if request.headers.get("Authorization") != f"Bearer {API_KEY}":
                    raise Refused(401, "Missing authentication, or failed to authenticate")
                key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
                known = self._answers.get(key) if key else None
                if known and self.books.now() - known[3] < KEYS_ARE_KEPT:
                    if known[:2] != (request.path, raw):
                        raise Refused(400, "This idempotency key was used for another request")
                    (status, body), replayed = known[2], True
                else:
                    status, body = self._handled(handler, request, raw)
                    if key and status != 409:  # nothing was carried out
                        now = self.books.now()
                        self._answers[key] = (request.path, raw, (status, body), now)
            except Refused as refused:
                status, body = refused.status, hal.error(refused)
            headers = {"Idempotent-Replayed": "true"} if replayed else {}
            text = None if body is None else json.dumps(body)
            return web.Response(
                status=status, text=text, headers=headers, content_type="application/hal+json"
            )

        return handle

    def _handled(self, handler: Callable[..., Answer], request: web.Request, raw: bytes) -> Answer:
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            raise Refused(400, "The request body is not valid JSON") from None
        try:
            id = request.match_info.get("id")
            return handler(body, self.books.payment(id)) if id else handler(body)
        except Refused as refused:
            return refused.status, hal.error(refused)

    # --- the API ----------------------------------------------------------------------------------

    def _create(self, body: dict[str, Any]) -> Answer:
        return 201, hal.payment(self.books.create(body), self.url)

    def _list(self, _: dict[str, Any]) -> Answer:
        found = [hal.payment(payment, self.url) for payment in self.books.payments.values()]
        return 200, hal.page("payments", found, self.url)

    def _cancel(self, _: dict[str, Any], payment: Payment) -> Answer:
        self.books.cancel(payment)
        self.notify(payment)
        return 200, hal.payment(payment, self.url)

    def _release(self, _: dict[str, Any], payment: Payment) -> Answer:
        self.books.release(payment)
        self.notify(payment)
        return 202, None

    def _capture(self, body: dict[str, Any], payment: Payment) -> Answer:
        capture = self.books.capture(payment, body)
        if payment.status == "paid":
            self.notify(payment)
        return 201, hal.capture(payment, capture, self.url)

    def _refund(self, body: dict[str, Any], payment: Payment) -> Answer:
        refund = self._refunded(payment, self.books.refund(payment, body))
        return 201, hal.refund(payment, refund, self.url)

    def _entries(self, shape: Callable[..., dict[str, Any]], name: str) -> Callable[..., Answer]:
        def handler(_: dict[str, Any], payment: Payment) -> Answer:
            found = [shape(payment, entry, self.url) for entry in getattr(payment, name)]
            return 200, hal.page(name, found, self.url)

        return handler

    # --- the page ---------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.Response:
        try:
            payment = self.books.payment(request.match_info["id"])
        except Refused as refused:
            return web.Response(status=refused.status, text=refused.detail)
        return web.Response(text=hal.checkout_page(payment), content_type="text/html")

    async def _pressed(self, request: web.Request) -> web.Response:
        form = await request.post()
        action, method = str(form.get("action", "")), str(form.get("method", "creditcard"))
        try:
            payment = self.act(request.match_info["id"], action, method)
        except Refused as refused:
            return web.Response(status=refused.status, text=refused.detail)
        back = payment.request["redirectUrl"]
        if action == "cancel":
            back = payment.request.get("cancelUrl") or back
        return web.Response(status=303, headers={"Location": back})

    async def _buyer(self, request: web.Request) -> web.Response:
        """The sandbox's control call, so that docs/tour.sh runs against this too."""
        told = json.loads(await request.text())
        try:
            payment = self.act(told["id"], told["action"])
        except Refused as refused:
            return web.json_response({"detail": refused.detail}, status=refused.status)
        return web.json_response({"id": payment.id, "status": payment.status})
