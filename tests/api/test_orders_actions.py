"""Confirm, cancel, capture, and paying with another provider."""

import pytest

from gateway.errors import OutcomeUnknown, Unavailable
from tests.api.conftest import Gateway, code_of, order_body, page_of


async def test_confirm_asks_the_provider_and_may_be_repeated(gateway: Gateway) -> None:
    order = await gateway.order()
    path = f"/v1/orders/{order['id']}/confirm"
    assert (await gateway.post(path)).json()["status"] == "open"
    gateway.fake.buyer_pays(page_of(order))
    paid = (await gateway.post(path)).json()
    assert (paid["status"], paid["amount_captured"], paid["amount_refundable"]) == (
        "paid",
        5400,
        5400,
    )
    assert (paid["fee"], paid["net"], paid["checkout_url"]) == (540, 4860, None)
    assert paid["paid_at"] is not None
    payment = paid["payments"][0]
    assert (payment["status"], payment["method"]) == (
        "captured", {"type": "card", "brand": "visa", "last4": "4242"},
    )  # fmt: skip
    assert payment["provider_payment_id"] in {f"cap_{page_of(order)}", f"int_{page_of(order)}"}
    for _ in range(3):
        again = (await gateway.post(path)).json()
        assert again["payments"] == paid["payments"]
        assert again["amount_captured"] == 5400
    assert code_of(await gateway.post("/v1/orders/ord_none/confirm")) == (404, "not_found")


async def test_confirm_says_when_the_provider_cannot_be_asked(gateway: Gateway) -> None:
    order = await gateway.order()
    gateway.fake.fail("confirm", *[Unavailable("down", retry_after=30)] * 3)
    answer = await gateway.post(f"/v1/orders/{order['id']}/confirm")
    assert code_of(answer) == (503, "provider_unavailable")
    assert answer.headers["Retry-After"] == "30"
    assert (await gateway.read(order))["status"] == "open"


async def test_canceling_closes_the_page_first(gateway: Gateway) -> None:
    order = await gateway.order()
    path = f"/v1/orders/{order['id']}/cancel"
    canceled = await gateway.post(path, {})
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert canceled.json()["checkout_url"] is None
    assert canceled.json()["payments"][0]["status"] == "canceled"
    assert gateway.fake.pages[page_of(order)].status == "canceled"
    again = await gateway.post(path)  # without a body, under another key
    assert (again.status_code, again.json()["status"]) == (200, "canceled")
    other = await gateway.post(f"/v1/orders/{order['id']}/payments", {"provider": "other"})
    assert code_of(other) == (409, "order_closed")


async def test_an_order_that_turns_out_paid_cannot_be_canceled(gateway: Gateway) -> None:
    order = await gateway.order()
    gateway.fake.buyer_pays(page_of(order))
    key = gateway.fresh()
    path = f"/v1/orders/{order['id']}/cancel"
    answer = await gateway.post(path, {}, idempotency=key)
    assert code_of(answer) == (409, "order_already_paid")
    assert (await gateway.read(order))["status"] == "paid"
    again = await gateway.post(path, {}, idempotency=key)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (answer.content, "true")


async def test_while_it_cannot_be_closed_nothing_is_canceled(gateway: Gateway) -> None:
    order = await gateway.order()
    gateway.fake.fail("cancel", *[OutcomeUnknown("no answer")] * 3)
    key = gateway.fresh()
    path = f"/v1/orders/{order['id']}/cancel"
    answer = await gateway.post(path, {}, idempotency=key)
    assert code_of(answer) == (409, "payment_in_doubt")
    assert (await gateway.read(order))["status"] != "canceled"
    again = await gateway.post(path, {}, idempotency=key)
    assert (again.status_code, again.json()["status"]) == (200, "canceled")


@pytest.mark.parametrize(("body", "captured"), [({}, 5400), (None, 5400), ({"amount": 4000}, 4000)])
async def test_capturing_an_authorization(
    gateway: Gateway, body: dict[str, int] | None, captured: int
) -> None:
    order = await gateway.order(capture="manual")
    path = f"/v1/orders/{order['id']}"
    assert code_of(await gateway.post(f"{path}/capture", body)) == (409, "order_not_authorized")
    gateway.fake.buyer_pays(page_of(order))
    held = (await gateway.post(f"{path}/confirm")).json()
    assert (held["status"], held["amount_captured"]) == ("authorized", 0)
    answer = await gateway.post(f"{path}/capture", body)
    paid = answer.json()
    assert (answer.status_code, paid["status"]) == (200, "paid")
    assert (paid["amount_captured"], paid["amount_refundable"]) == (captured, captured)
    assert paid["attention"] == []
    assert code_of(await gateway.post(f"{path}/capture", {})) == (409, "order_not_authorized")
    assert gateway.fake.count("capture") == 1


async def test_too_much_or_nothing_cannot_be_captured(gateway: Gateway) -> None:
    order = await gateway.order(capture="manual")
    gateway.fake.buyer_pays(page_of(order))
    path = f"/v1/orders/{order['id']}"
    await gateway.post(f"{path}/confirm")
    too_much = await gateway.post(f"{path}/capture", {"amount": 5401})
    assert code_of(too_much) == (422, "capture_exceeds_authorized")
    nothing = await gateway.post(f"{path}/capture", {"amount": 0})
    assert code_of(nothing) == (400, "invalid_request")
    assert gateway.fake.count("capture") == 0
    assert code_of(await gateway.post("/v1/orders/ord_none/capture", {})) == (404, "not_found")


async def test_an_authorized_order_can_be_canceled(gateway: Gateway) -> None:
    order = await gateway.order(capture="manual")
    gateway.fake.buyer_pays(page_of(order))
    path = f"/v1/orders/{order['id']}"
    await gateway.post(f"{path}/confirm")
    assert (await gateway.post(f"{path}/cancel", {})).json()["status"] == "canceled"
    assert gateway.fake.pages[page_of(order)].status == "canceled"


async def test_the_buyer_changes_the_provider(gateway: Gateway) -> None:
    order = await gateway.order()
    path = f"/v1/orders/{order['id']}/payments"
    key = gateway.fresh()
    answer = await gateway.post(path, {"provider": "other"}, idempotency=key)
    assert answer.status_code == 201
    changed = answer.json()
    assert [(p["provider"], p["status"]) for p in changed["payments"]] == [
        ("fake", "canceled"), ("other", "open"),
    ]  # fmt: skip
    assert (changed["provider"], changed["status"]) == ("other", "open")
    assert changed["checkout_url"] == f"https://pay.example/{page_of(changed)}"
    assert gateway.fake.pages[page_of(order)].status == "canceled"
    assert (
        await gateway.post(path, {"provider": "other"}, idempotency=key)
    ).content == answer.content
    assert gateway.other.count("create") == 1

    gateway.other.buyer_pays(page_of(changed))
    paid = (await gateway.post(f"/v1/orders/{order['id']}/confirm")).json()
    assert (paid["status"], paid["amount_captured"], paid["attention"]) == ("paid", 5400, [])


async def test_an_earlier_attempt_that_turns_out_paid_stands(gateway: Gateway) -> None:
    order = await gateway.order()
    gateway.fake.buyer_pays(page_of(order))
    answer = await gateway.post(f"/v1/orders/{order['id']}/payments", {"provider": "other"})
    assert code_of(answer) == (409, "order_already_paid")
    shown = await gateway.read(order)
    assert (shown["status"], len(shown["payments"])) == ("paid", 1)
    assert gateway.other.calls == []


async def test_no_second_attempt_while_the_first_is_in_doubt(gateway: Gateway) -> None:
    order = await gateway.order()
    path = f"/v1/orders/{order['id']}/payments"
    gateway.fake.fail("cancel", *[Unavailable("down")] * 3)
    key = gateway.fresh()
    answer = await gateway.post(path, {"provider": "other"}, idempotency=key)
    assert code_of(answer) == (409, "payment_in_doubt")
    assert gateway.other.calls == []
    again = await gateway.post(path, {"provider": "other"}, idempotency=key)
    assert again.status_code == 201


async def test_another_provider_must_be_able_to_take_the_order(gateway: Gateway) -> None:
    yen = await gateway.order(currency="JPY")
    path = f"/v1/orders/{yen['id']}/payments"
    for provider, code in (("other", "currency_not_supported"), ("nobody", "unknown_provider")):
        assert code_of(await gateway.post(path, {"provider": provider})) == (400, code)
    assert (await gateway.read(yen))["status"] == "open"
    assert gateway.fake.count("cancel") == 0


async def test_an_unpaid_order_expires(gateway: Gateway) -> None:
    order = await gateway.order(expires_in=1800)
    paid = await gateway.order(expires_in=1800)
    gateway.fake.buyer_pays(page_of(paid))  # and nobody told us
    gateway.clock.advance(minutes=31)
    await gateway.work()
    assert (await gateway.read(order))["status"] == "expired"
    assert gateway.fake.pages[page_of(order)].status == "canceled"
    assert (await gateway.read(paid))["status"] == "paid"
    late = await gateway.post("/v1/orders", order_body(expires_in=1800))
    assert late.status_code == 201
