"""The account over HTTP: the API, the page where a buyer pays, and controls for tests and demos.

The API's errors have Razorpay's form. Webhooks are signed and sent as Razorpay's are, though tried
again within seconds and not for a day.
"""

import asyncio
import hashlib
import hmac
import html
import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from gateway_razorpay.fake.account import Account, Refused
from gateway_razorpay.fake.entities import Json

TRIES = 8
PAGE = """<!doctype html><meta charset="utf-8"><title>Razorpay stand-in</title>
<style>body{{font:16px system-ui;max-width:24rem;margin:4rem auto}}button{{margin:.25rem}}</style>
<h1>{amount} {currency}</h1><p>{description}</p><p role="status">{words}</p>
<form method="post">{buttons}</form>
<p><small>A stand-in for Razorpay; no money moves.</small></p>"""
BUTTONS = "".join(
    f'<button name="action" value="{action}">{words}</button>'
    for action, words in (
        ("pay", "Pay by card"),
        ("pay_netbanking", "Pay by netbanking"),
        ("decline", "Be declined"),
    )
)


@dataclass
class Fake:
    """A running stand-in. `sent` holds every webhook: headers in lower case, and body."""

    key_id: str = "rzp_test_00000000000000"
    key_secret: str = "key_secret_of_the_fake"
    webhook_secret: str = "webhook_secret_of_the_fake"
    webhook_url: str | None = None
    url: str = ""
    account: Account = field(default_factory=Account)
    sent: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    sending: set[asyncio.Task[None]] = field(default_factory=set)
    http: ClientSession | None = None

    def environment(self, base: str | None = None) -> dict[str, str]:
        """The settings of a gateway that is to use this."""
        return {
            "RAZORPAY_KEY_ID": self.key_id,
            "RAZORPAY_KEY_SECRET": self.key_secret,
            "RAZORPAY_WEBHOOK_SECRET": self.webhook_secret,
            "RAZORPAY_API_BASE": base or self.url,
        }

    def sign(self, body: bytes, secret: str | None = None) -> dict[str, str]:
        """The headers of a delivery."""
        key = (secret if secret is not None else self.webhook_secret).encode()
        return {
            "content-type": "application/json",
            "user-agent": "Razorpay-Webhook/v1",
            "x-razorpay-event-id": secrets.token_hex(7),
            "x-razorpay-signature": hmac.new(key, body, hashlib.sha256).hexdigest(),
        }

    def notify(self, body: bytes) -> None:
        """Send a webhook, soon."""
        headers = self.sign(body)
        self.sent.append((headers, body))
        if self.webhook_url is not None:
            task = asyncio.get_running_loop().create_task(self._send(headers, body))
            self.sending.add(task)
            task.add_done_callback(self.sending.discard)

    async def _send(self, headers: dict[str, str], body: bytes) -> None:
        assert self.http is not None
        assert self.webhook_url is not None
        for attempt in range(TRIES):
            try:
                async with self.http.post(self.webhook_url, data=body, headers=headers) as answer:
                    if 200 <= answer.status < 300:
                        return
            except (ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1 * 2**attempt)

    def buyer(self, link_id: str, action: str) -> Json:
        """What the buttons of the page do. Raises Refused."""
        if action not in ("pay", "pay_netbanking", "decline"):
            raise Refused(f"there is no action {action}")
        method = "netbanking" if action == "pay_netbanking" else "card"
        return self.account.pay(link_id, method, declined=action == "decline")

    def returning(self, link: Json, payment: Json) -> str:
        """The callback URL with what Razorpay adds to it."""
        words = (link["id"], link["reference_id"], link["status"], payment["id"])
        signature = hmac.new(self.key_secret.encode(), "|".join(words).encode(), hashlib.sha256)
        names = ("link_id", "link_reference_id", "link_status", "id")
        query = {f"razorpay_payment_{name}": word for name, word in zip(names, words, strict=True)}
        query["razorpay_signature"] = signature.hexdigest()
        joint = "&" if "?" in link["callback_url"] else "?"
        return f"{link['callback_url']}{joint}{urlencode(query)}"


@asynccontextmanager
async def running(fake: Fake, port: int = 0) -> AsyncIterator[Fake]:
    """Serve `fake` on 127.0.0.1; its `url` is set."""
    runner = web.AppRunner(_application(fake), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        fake.account.page = f"{fake.url}/i/"
        fake.account.notify = fake.notify
        async with ClientSession(timeout=ClientTimeout(total=5)) as fake.http:
            yield fake
            for task in tuple(fake.sending):
                task.cancel()
            await asyncio.gather(*fake.sending, return_exceptions=True)
    finally:
        await runner.cleanup()


def _application(fake: Fake) -> web.Application:
    account = fake.account
    app = web.Application(middlewares=[_answering(fake)])

    def api(method: str, path: str, act: Callable[[web.Request, Json], Any]) -> None:
        async def handler(request: web.Request) -> web.Response:
            body = await request.json() if request.can_read_body else {}
            return web.json_response(act(request, body))

        app.router.add_route(method, path, handler)

    def id(request: web.Request) -> str:
        return request.match_info["id"]

    def links(request: web.Request, _: Json) -> Json:
        found = account.list_links(request.query.get("reference_id"))
        return {"payment_links": _window(request, found)}

    def payment(request: web.Request, _: Json) -> Json:
        return account.payment(id(request), card="card" in request.query.getall("expand[]", []))

    def refunds(request: web.Request, _: Json) -> Json:
        return _collection(_window(request, account.refunds_of(id(request))))

    def refund(request: web.Request, body: Json) -> Json:
        return account.refund(id(request), body, request.headers.get("X-Refund-Idempotency"))

    def buyer(_: web.Request, body: Json) -> Json:
        return {"payment": fake.buyer(body["id"], body["action"])["id"]}

    def ledger(_: web.Request, __: Json) -> Json:
        return {"data": _ledger(account)}

    api("POST", "/v1/payment_links", lambda r, body: account.create_link(body))
    api("GET", "/v1/payment_links", links)
    api("GET", "/v1/payment_links/{id}", lambda r, _: account.link(id(r)))
    api("POST", "/v1/payment_links/{id}/cancel", lambda r, _: account.cancel(id(r)))
    api("GET", "/v1/orders/{id}/payments", lambda r, _: _collection(account.payments_of(id(r))))
    api("GET", "/v1/payments/{id}", payment)
    api("POST", "/v1/payments/{id}/capture", lambda r, body: account.capture(id(r), body))
    api("POST", "/v1/payments/{id}/refund", refund)
    api("GET", "/v1/payments/{id}/refunds", refunds)
    api("POST", "/_control/buyer", buyer)
    api("GET", "/_control/ledger", ledger)

    async def page(request: web.Request) -> web.Response:
        link = account.link("plink_" + id(request))
        words = {"created": "", "paid": "Paid. Thank you."}.get(link["status"], "It is closed.")
        if request.method == "POST" and link["status"] == "created":
            made = fake.buyer(link["id"], str((await request.post()).get("action")))
            if made["status"] != "failed":
                raise web.HTTPSeeOther(fake.returning(link, made))
            words = "That did not work. Try again."
        shown = {name: html.escape(str(link[name])) for name in ("currency", "description")}
        buttons = BUTTONS if link["status"] == "created" else ""
        text = PAGE.format(amount=link["amount"], words=words, buttons=buttons, **shown)
        return web.Response(text=text, content_type="text/html")

    app.router.add_get("/i/{id}", page)
    app.router.add_post("/i/{id}", page)
    return app


def _answering(fake: Fake) -> Any:
    expected = "Basic " + b64encode(f"{fake.key_id}:{fake.key_secret}".encode()).decode()

    @web.middleware
    async def answering(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Asks for the keys, and puts refusals into Razorpay's form."""
        try:
            if request.path.startswith("/v1/") and request.headers.get("Authorization") != expected:
                raise Refused("Authentication failed", 401)
            return await handler(request)
        except Refused as refused:
            description, status = refused.description, refused.status
        except (json.JSONDecodeError, KeyError):
            description, status = "The request could not be read", 400
        error = {
            "code": "BAD_REQUEST_ERROR",
            "description": description,
            "source": "NA",
            "step": "NA",
            "reason": "NA",
            "metadata": {},
        }
        return web.json_response({"error": error}, status=status)

    return answering


def _window(request: web.Request, found: list[Json]) -> list[Json]:
    skip, count = int(request.query.get("skip", 0)), int(request.query.get("count", 10))
    return found[skip : skip + min(count, 100)]


def _collection(items: list[Json]) -> Json:
    return {"entity": "collection", "count": len(items), "items": items}


def _ledger(account: Account) -> list[Json]:
    """Movements of money. `order_ref` is the gateway's payment, from the link's notes."""
    rows = []
    for payment in account.payments.values():
        link = account.links["plink_" + payment["description"].removeprefix("#")]
        ref = dict(link["notes"]).get("gateway_payment", "")
        if payment["captured"]:
            rows.append({"order_ref": ref, "kind": "charge", "amount": payment["amount"]})
            rows += [
                {"order_ref": ref, "kind": "refund", "amount": -refund["amount"]}
                for refund in account.refunds.values()
                if refund["payment_id"] == payment["id"] and refund["status"] != "failed"
            ]
    return rows
