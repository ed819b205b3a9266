"""Every answer and every silence of PayPal's, as one of the three errors."""

import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import msgspec
import pytest

from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway.money import Money
from gateway.provider import CheckoutRequest, LineItem, PaymentProvider, PaymentRef
from providers.paypal.plugin import PayPalPlugin
from providers.paypal.settings import PayPalSettings
from tests.paypal import payloads as p
from tests.paypal.fake import TOKEN_PATH, Answer, FakePayPal

ORDERS = "/v2/checkout/orders"
ORDER = f"{ORDERS}/{p.ORDER_ID}"
REQUEST = CheckoutRequest(
    order_id="ord_1",
    payment_id="pay_1",
    money=Money(5400, "USD"),
    items=(LineItem("Café ☕", 5400, 1),),
    success_url="https://pay.example/return",
    cancel_url="https://pay.example/cancel",
    expires_at=datetime(2026, 3, 1, 11, tzinfo=UTC),
)
PAYMENT = PaymentRef("ord_1", "pay_1", Money(5400, "USD"), p.ORDER_ID)
Adapter = PaymentProvider
Verb = Callable[[PaymentProvider], Awaitable[Any]]


async def create(adapter: PaymentProvider) -> Any:
    """A call that moves something."""
    return await adapter.create_order(REQUEST, key="op_1")


async def read(adapter: PaymentProvider) -> Any:
    """A call that moves nothing (the order is not approved)."""
    return await adapter.confirm(PAYMENT, key="op_2")


async def test_what_is_sent(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDERS, Answer(201, p.order()))
    checkout = await adapter.create_order(REQUEST, key="op_1")
    assert checkout.provider_order_id == p.ORDER_ID
    assert checkout.url.startswith("https://www.sandbox.paypal.com/checkoutnow")
    token, sent = fake.requests
    assert token.path == TOKEN_PATH
    assert token.body == b"grant_type=client_credentials"
    assert sent.headers["authorization"] == "Bearer t1"
    assert sent.headers["paypal-request-id"] == "op_1"
    assert sent.headers["prefer"] == "return=representation"
    assert sent.headers["content-type"] == "application/json"
    item = msgspec.json.decode(sent.body)["purchase_units"][0]["items"][0]
    assert item["name"] == "Café ☕"


HTML = "<html><body>Bad Gateway</body></html>"

#: Answers that say nothing about what was done.
NOTHING_SAID = [
    Answer(500, p.problem("INTERNAL_SERVER_ERROR")),
    Answer(502, HTML),
    Answer(503),
    Answer(408),
    Answer(400, HTML),
    Answer(404, HTML),
    Answer(422),
    Answer(422, b"\xff\xfe"),
    Answer(200, HTML),
    Answer(200),
    Answer(200, "[]"),
    Answer(200, "null"),
    Answer(200, '"text"'),
    Answer(200, "[" * 50_000),
    Answer(200, {"id": 7}),
    Answer(200, {"status": "CREATED"}),
    Answer(200, p.order(purchase_units=[{"amount": {"currency_code": "USD", "value": 54.0}}])),
    Answer(301, headers={"location": "/elsewhere"}),
    Answer(307, headers={"location": "/elsewhere"}),
    Answer(action="reset"),
    Answer(200, p.order(), headers={"content-encoding": "gzip"}),
]


@pytest.mark.parametrize("answer", NOTHING_SAID, ids=lambda a: f"{a.status}-{str(a.body)[:20]}")
@pytest.mark.parametrize(
    ("verb", "path", "error"), [(create, ORDERS, OutcomeUnknown), (read, ORDER, Unavailable)]
)
async def test_nothing_is_said(
    adapter: PaymentProvider,
    fake: FakePayPal,
    verb: Verb,
    path: str,
    error: type[ProviderError],
    answer: Answer,
) -> None:
    fake.on(path, answer)
    fake.on("/elsewhere", Answer(200, p.order()))
    with pytest.raises(ProviderError) as caught:
        await verb(adapter)
    assert type(caught.value) is error
    assert len(fake.requests_to(path)) == 1  # nobody repeats behind our back
    assert not fake.requests_to("/elsewhere")


@pytest.mark.parametrize("tag", ["py/object", "py/reduce", "py/type", "py/repr", "py/function"])
async def test_no_code_in_an_answer_runs(
    adapter: PaymentProvider, fake: FakePayPal, tag: str, tmp_path: Any
) -> None:
    """`jsonpickle`, which the SDK reads answers with, would obey these."""
    planted = tmp_path / "planted"
    order = {"py/reduce": [{"py/function": "os.mkdir"}, {"py/tuple": [str(planted)]}]}
    fake.on(ORDERS, Answer(201, p.order(payer={tag: "os.system"}, intent_data=order)))
    await create(adapter)
    fake.on(ORDERS, Answer(422, p.problem("X", "Y", extra=order)))
    with pytest.raises(Rejected):
        await create(adapter)
    assert not planted.exists()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (422, p.problem("UNPROCESSABLE_ENTITY", "DUPLICATE_INVOICE_ID"), "DUPLICATE_INVOICE_ID"),
        (400, p.problem("INVALID_REQUEST", "INVALID_PARAMETER_VALUE"), "INVALID_PARAMETER_VALUE"),
        (404, p.problem("RESOURCE_NOT_FOUND"), "RESOURCE_NOT_FOUND"),
        (415, p.problem("UNSUPPORTED_MEDIA_TYPE"), "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
async def test_paypal_says_no(
    adapter: PaymentProvider, fake: FakePayPal, status: int, body: Any, code: str
) -> None:
    fake.on(ORDERS, Answer(status, body))
    with pytest.raises(Rejected) as caught:
        await create(adapter)
    assert caught.value.provider_code == code
    assert caught.value.request_id == "debug-1"
    assert code in caught.value.detail
    assert "someone@example.com" not in caught.value.detail


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, p.problem("NOT_AUTHORIZED", "PERMISSION_DENIED")),
        (403, HTML),
        (409, p.problem("RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS")),
        (429, p.problem("RATE_LIMIT_REACHED")),
        (429, ""),
    ],
)
async def test_not_now(adapter: PaymentProvider, fake: FakePayPal, status: int, body: Any) -> None:
    headers = {"retry-after": "17", "paypal-debug-id": "debug-1"}
    fake.on(ORDERS, Answer(status, body, headers))
    with pytest.raises(Unavailable) as caught:
        await create(adapter)
    assert caught.value.retry_after == 17.0
    assert caught.value.request_id == "debug-1"


async def test_a_retry_after_that_is_no_number(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDERS, Answer(429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    with pytest.raises(Unavailable) as caught:
        await create(adapter)
    assert caught.value.retry_after is None


async def _opened(settings: PayPalSettings, base: str, verb: Verb) -> None:
    changed = PayPalSettings("client", "secret", settings.webhook_id, api_base=base)
    async with PayPalPlugin().open(changed) as opened:
        await verb(opened.adapter)


async def test_a_refused_connection(settings: PayPalSettings) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(Unavailable):
            await _opened(settings, base, create)


async def test_a_connection_refused_after_the_token(
    adapter: PaymentProvider, fake: FakePayPal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent, so nothing was done, though it is no read."""
    fake.on(ORDERS, Answer(201, p.order(), {"connection": "close"}))
    await create(adapter)

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("urllib3.util.connection.create_connection", refuse)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await create(adapter)


async def test_no_such_host(settings: PayPalSettings) -> None:
    with pytest.raises(Unavailable):
        await _opened(settings, "https://paypal.invalid", create)


@pytest.mark.parametrize(
    ("verb", "path", "error"), [(create, ORDERS, OutcomeUnknown), (read, ORDER, Unavailable)]
)
async def test_timeouts(
    settings: PayPalSettings,
    fake: FakePayPal,
    monkeypatch: pytest.MonkeyPatch,
    verb: Verb,
    path: str,
    error: type[ProviderError],
) -> None:
    monkeypatch.setattr("providers.paypal.sdk.READ_TIMEOUT", 0.1)
    fake.on(path, Answer(action="hang"))
    async with PayPalPlugin().open(settings) as opened:
        with pytest.raises(ProviderError, match="ReadTimeout") as caught:
            await verb(opened.adapter)
    assert type(caught.value) is error


async def test_a_cut_off_answer(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDERS, Answer(201, p.order(), {"content-length": "9999", "connection": "close"}))
    with pytest.raises(OutcomeUnknown):
        await create(adapter)


# --- tokens ---------------------------------------------------------------------------------------


async def test_eight_cold_tasks_fetch_one_token(adapter: PaymentProvider, fake: FakePayPal) -> None:
    token = {"access_token": "t1", "expires_in": 32400}
    fake.on(TOKEN_PATH, Answer(body=token, seconds=0.05))
    fake.on(ORDER, Answer(body=p.order()))
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(read, adapter)
    assert len(fake.requests_to(TOKEN_PATH)) == 1
    assert len(fake.requests_to(ORDER)) == 8


async def test_eight_tasks_with_a_refused_token_fetch_one_new(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    fake.on(ORDER, Answer(body=p.order()))
    await read(adapter)
    fake.on(ORDER, *[Answer(401, seconds=0.05)] * 8, Answer(body=p.order()))
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(read, adapter)
    assert len(fake.requests_to(TOKEN_PATH)) == 2


async def test_a_refused_token_is_renewed_once(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDERS, Answer(401, p.problem("AUTHENTICATION_FAILURE")), Answer(201, p.order()))
    await create(adapter)
    sent = fake.requests_to(ORDERS)
    assert [request.headers["authorization"] for request in sent] == ["Bearer t1", "Bearer t2"]
    assert {request.headers["paypal-request-id"] for request in sent} == {"op_1"}

    fake.on(ORDERS, Answer(401, {"error": "invalid_token"}))
    with pytest.raises(Unavailable):
        await create(adapter)
    assert len(fake.requests_to(ORDERS)) == 4


async def test_a_token_that_ends_is_renewed(adapter: PaymentProvider, fake: FakePayPal) -> None:
    fake.on(ORDER, Answer(body=p.order()))
    fake.on(TOKEN_PATH, Answer(body={"access_token": "short", "expires_in": 1}))
    await read(adapter)
    await anyio.sleep(2.1)
    fake.on(TOKEN_PATH, Answer(body={"access_token": "next", "expires_in": 32400}))
    await read(adapter)
    used = [request.headers["authorization"] for request in fake.requests_to(ORDER)]
    assert used == ["Bearer short", "Bearer next"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, {"error": "invalid_client", "error_description": "Client Authentication"}),
        Answer(400, {"error": "unsupported_grant_type"}),
        Answer(429, headers={"retry-after": "3"}),
        Answer(500),
        Answer(200, HTML),
        Answer(200, "[]"),
        Answer(200),
        Answer(200, {"access_token": "t", "expires_in": "soon"}),
        Answer(302, headers={"location": "/elsewhere"}),
        Answer(action="reset"),
    ],
    ids=lambda a: f"{a.status}-{str(a.body)[:20]}",
)
async def test_without_a_token_nothing_was_done(
    adapter: PaymentProvider, fake: FakePayPal, answer: Answer
) -> None:
    fake.on(TOKEN_PATH, answer)
    with pytest.raises(Unavailable) as caught:
        await create(adapter)
    assert not fake.requests_to(ORDERS)
    assert caught.value.retry_after == (3.0 if answer.status == 429 else None)


async def test_waiting_tasks_share_a_failed_fetch(
    adapter: PaymentProvider, fake: FakePayPal
) -> None:
    fake.on(TOKEN_PATH, Answer(500, seconds=1.5))
    failures = []

    async def attempt() -> None:
        with pytest.raises(Unavailable) as caught:
            await read(adapter)
        failures.append(caught.value)

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(attempt)
    assert len(failures) == 8
    assert len(fake.requests_to(TOKEN_PATH)) == 1
    fake.on(TOKEN_PATH, Answer(body={"access_token": "t", "expires_in": 32400}))
    fake.on(ORDER, Answer(body=p.order()))
    await read(adapter)


async def test_no_cookies_and_no_netrc(
    settings: PayPalSettings, fake: FakePayPal, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    fake.on(ORDER, Answer(body=p.order(), headers={"set-cookie": "a=b"}))
    async with PayPalPlugin().open(settings) as opened:
        await read(opened.adapter)
        await read(opened.adapter)
    for request in fake.requests_to(ORDER):
        assert request.headers["authorization"] == "Bearer t1"
        assert "cookie" not in request.headers
