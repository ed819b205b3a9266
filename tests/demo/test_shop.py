"""The shop as a merchant: what it sends, what it refuses, how it tells problems."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar

from api.demo.merchant import Merchant
from api.demo.shop import Shop

URL = "http://shop.example"
OWN = {"origin": URL, "sec-fetch-site": "same-origin"}
FORM = {"product": "prod_1", "quantity": "2", "currency": "USD", "provider": "acme", "token": "t1"}
Answer = Callable[[httpx.Request], httpx.Response]


class Gateway:
    """Answers as scripted, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def keys(self) -> list[str]:
        return [request.headers["idempotency-key"] for request in self.asked]


@asynccontextmanager
async def shop(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the shop's pages; the gateway behind it is scripted."""
    merchant = Merchant(URL, "sk_test_1", httpx.MockTransport(gateway))
    async with Shop("http://pay.example", merchant) as plugin:
        app = Litestar(plugins=[plugin], openapi_config=None)
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            yield client


def created(**values: Any) -> httpx.Response:
    return httpx.Response(
        201, json={"id": "ord_1", "checkout_url": "http://pay.example/1"} | values
    )


def problem(status: int, code: str, detail: str = "it is so") -> httpx.Response:
    return httpx.Response(status, json={"title": "No", "detail": detail, "code": code})


async def test_the_browser_chooses_and_the_catalogue_prices() -> None:
    gateway = Gateway(created())
    async with shop(gateway) as client:
        form = FORM | {"amount": "1", "unit_amount": "1"}
        answer = await client.post("/demo/checkout", data=form, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "http://pay.example/1")
    sent = json.loads(gateway.asked[0].content)
    assert sent["items"] == [{"product": "prod_1", "quantity": 2}]
    assert set(sent) == {
        "provider",
        "currency",
        "items",
        "success_url",
        "cancel_url",
        "reference",
    }


async def test_without_a_checkout_the_orders_page_waits() -> None:
    async with shop(Gateway(created(checkout_url=None))) as client:
        answer = await client.post("/demo/checkout", data=FORM, headers=OWN)
    assert answer.headers["location"] == "/demo/orders/ord_1"


async def test_the_same_form_is_the_same_request_and_another_choice_is_not() -> None:
    gateway = Gateway(created())
    async with shop(gateway) as client:
        for form in (FORM, FORM, FORM | {"quantity": "3"}, FORM | {"token": "t2"}):
            await client.post("/demo/checkout", data=form, headers=OWN)
    first, again, *others = gateway.keys()
    assert first == again
    assert len({first, *others}) == 3


async def test_a_second_click_waits_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.demo.merchant._PAUSE", 0)
    gateway = Gateway(problem(409, "idempotency_in_flight"), created())
    async with shop(gateway) as client:
        answer = await client.post("/demo/checkout", data=FORM, headers=OWN)
    assert answer.status_code == 303
    assert len(set(gateway.keys())) == 1


async def test_it_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.demo.merchant._PAUSE", 0)
    gateway = Gateway(problem(409, "idempotency_in_flight"))
    async with shop(gateway) as client:
        answer = await client.post("/demo/checkout", data=FORM, headers=OWN)
    assert answer.status_code == 409


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": URL, "sec-fetch-site": "same-site"},
        {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
    ],
)
@pytest.mark.parametrize(
    "path",
    ["/demo/checkout", *(f"/demo/orders/ord_1/{verb}" for verb in ("pay", "cancel", "refund"))],
)
async def test_forms_of_other_sites_are_refused(path: str, headers: dict[str, str]) -> None:
    gateway = Gateway(created())
    async with shop(gateway) as client:
        answer = await client.post(path, data=FORM, headers=headers)
    assert answer.status_code == 403
    assert gateway.asked == []


async def test_an_older_browser_is_known_by_its_origin() -> None:
    async with shop(Gateway(created())) as client:
        answer = await client.post("/demo/checkout", data=FORM, headers={"origin": URL})
    assert answer.status_code == 303


@pytest.mark.parametrize("quantity", ["", "0", "21", "-1", "1.5", "²", "9" * 400])
async def test_quantities_are_counted(quantity: str) -> None:
    gateway = Gateway(created())
    async with shop(gateway) as client:
        answer = await client.post(
            "/demo/checkout", data=FORM | {"quantity": quantity}, headers=OWN
        )
    assert answer.status_code == 400
    assert gateway.asked == []


async def test_a_problem_is_told_in_words_and_escaped() -> None:
    detail = "there is no <b>order</b>"
    async with shop(Gateway(problem(404, "not_found", detail))) as client:
        answer = await client.get("/demo/orders/ord_1")
    assert answer.status_code == 404
    assert "There is no &lt;b&gt;order&lt;/b&gt;." in answer.text
    assert "/docs/errors#not_found" in answer.text


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(502, text="<html>"),
        httpx.Response(500, json=[]),
        httpx.Response(503, json={}),
    ],
)
async def test_what_is_no_problem_document_is_told_too(answer: httpx.Response) -> None:
    async with shop(Gateway(answer)) as client:
        page = await client.get("/demo/orders/ord_1")
    assert page.status_code == 502
    assert "out of order" in page.text


@pytest.mark.parametrize("order_id", ["..%2fproducts", "a%3fb", "%C3%A9", "o" * 65])
async def test_an_id_cannot_lead_elsewhere(order_id: str) -> None:
    gateway = Gateway(httpx.Response(200, json={}))
    async with shop(gateway) as client:
        page = await client.get(f"/demo/orders/{order_id}")
    assert page.status_code == 404
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("amount", "sent"), [("", {}), ("5", {"amount": 500}), ("1,234.50", {"amount": 123450})]
)
async def test_a_refund_is_sent_in_minor_units(amount: str, sent: dict[str, int]) -> None:
    order = httpx.Response(200, json={"currency": "USD", "amount_refundable": 10**6})
    gateway = Gateway(order, httpx.Response(201, json={}))
    async with shop(gateway) as client:
        answer = await client.post(
            "/demo/orders/ord_1/refund", data={"amount": amount, "token": "t"}, headers=OWN
        )
    assert answer.headers["location"] == "/demo/orders/ord_1"
    assert json.loads(gateway.asked[1].content) == sent


@pytest.mark.parametrize("amount", ["1.234", "five", "1e3", "٥"])
async def test_what_is_no_amount_is_not_sent(amount: str) -> None:
    gateway = Gateway(httpx.Response(200, json={"currency": "USD", "amount_refundable": 500}))
    async with shop(gateway) as client:
        answer = await client.post(
            "/demo/orders/ord_1/refund", data={"amount": amount}, headers=OWN
        )
    assert answer.status_code == 400
    assert [request.method for request in gateway.asked] == ["GET"]


async def test_pages_load_nothing_from_elsewhere_and_are_not_framed() -> None:
    async with shop(Gateway(problem(404, "not_found"))) as client:
        page = await client.get("/demo/orders/ord_1")
        style = await client.get("/demo/static/shop.css")
        missing = await client.get("/demo/static/..%2fshop.py")
    policy = page.headers["content-security-policy"]
    for part in (
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'self' http://pay.example",
    ):
        assert part in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert (style.status_code, missing.status_code) == (200, 404)
