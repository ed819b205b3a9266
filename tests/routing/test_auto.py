"""Orders with the provider `auto`: who gets them, and who gets them next."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from api.bodies import NewOrderBody, NewPayment, decode
from gateway.errors import OutcomeUnknown, Rejected, Unavailable
from tests.api.conftest import Gateway, code_of, order_body, page_of, until
from tests.routing.test_api import put

DOWN = Unavailable("too many requests", provider_code="rate_limit")
NO = Rejected("not this", provider_code="bad_request")
UNCLEAR = OutcomeUnknown("no answer")
#: A call is tried three times in a request.
TRIES = 3


def statuses(order: dict[str, Any]) -> list[tuple[str, str]]:
    """The attempts on an order."""
    return [(payment["provider"], payment["status"]) for payment in order["payments"]]


async def lines(gateway: Gateway, order: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    """The timeline's entries of one kind: (summary, rule)."""
    answer = await gateway.get(f"/v1/orders/{order['id']}/timeline")
    return [(e["summary"], e["rule"]) for e in answer.json()["data"] if e["kind"] == kind]


async def open_jobs(gateway: Gateway, order: dict[str, Any]) -> int:
    """What the worker does within the next hours, in calls that open a page."""
    before = gateway.fake.count("create") + gateway.other.count("create")
    for _ in range(4):
        gateway.clock.advance(minutes=10)
        await gateway.work()
    return gateway.fake.count("create") + gateway.other.count("create") - before


async def test_without_a_policy_by_name(gateway: Gateway) -> None:
    order = await gateway.order(provider="auto")
    assert (order["provider"], order["status"]) == ("fake", "open")
    assert order["checkout_url"]
    assert await lines(gateway, order, "routing") == [
        ("fake chosen", "no policy: any other, by name")
    ]


async def test_the_policy_chooses(gateway: Gateway) -> None:
    await put(
        gateway,
        {
            "rules": [
                {"currencies": ["USD"], "min_amount": 5000, "providers": ["other"]},
                {"countries": ["DE"], "providers": ["other"]},
                {"providers": ["fake"]},
            ]
        },
    )
    dear = await gateway.order(provider="auto")
    german = await gateway.order(provider="auto", currency="EUR", country="DE")
    plain = await gateway.order(provider="auto", currency="EUR", country="FR")
    nowhere = await gateway.order(provider="auto", currency="EUR")
    manual = await gateway.order(provider="auto", capture="manual")
    orders = (dear, german, plain, nowhere, manual)
    assert [order["provider"] for order in orders] == ["other", "other", "fake", "fake", "fake"]
    assert await lines(gateway, dear, "routing") == [("other chosen", "rule 1: its choice 1")]


async def test_a_share_is_drawn_and_told(one_gateway: Gateway) -> None:
    await put(one_gateway, {"rules": [{"shares": {"fake": 50, "other": 50}}]})
    orders = [await one_gateway.order(provider="auto") for _ in range(24)]
    assert {order["provider"] for order in orders} == {"fake", "other"}
    ((summary, rule),) = await lines(one_gateway, orders[0], "routing")
    assert summary == f"{orders[0]['provider']} chosen"
    assert rule.startswith("rule 1: drawn for its share of 50 percent")


async def test_nobody_can_take_it(gateway: Gateway) -> None:
    await put(gateway, {"rules": [{"providers": ["other"]}]})
    key = gateway.fresh()
    body = order_body(provider="auto", currency="JPY", reference="A-1")
    answer = await gateway.post("/v1/orders", body, idempotency=key)
    assert code_of(answer) == (400, "no_provider")
    assert answer.json()["errors"][0]["path"] == "provider"
    assert "other: Fake does not take JPY" in answer.json()["detail"]
    assert (await gateway.get("/v1/orders")).json()["data"] == []
    await put(gateway, {"rules": [{"providers": ["fake"]}]})  # nothing was kept under the key
    assert (await gateway.post("/v1/orders", body, idempotency=key)).status_code == 201


@pytest.mark.parametrize("failures", [[DOWN] * TRIES, [NO], [DOWN, NO], [DOWN, DOWN, NO]])
async def test_it_falls_over_when_nothing_was_done(
    gateway: Gateway, failures: list[Exception]
) -> None:
    gateway.fake.fail("create", *failures)
    key = gateway.fresh()
    answer = await gateway.post("/v1/orders", order_body(provider="auto"), idempotency=key)
    assert answer.status_code == 201, answer.text
    order = answer.json()
    assert (order["provider"], order["status"]) == ("other", "open")
    assert statuses(order) == [("fake", "failed"), ("other", "open")]
    assert order["checkout_url"] == f"https://pay.example/{page_of(order)}"
    code = failures[-1].provider_code  # type: ignore[attr-defined]
    assert order["payments"][0]["failure"]["code"] == code

    again = await gateway.post("/v1/orders", order_body(provider="auto"), idempotency=key)
    assert again.content == answer.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert gateway.fake.count("create") == len(failures)
    assert await open_jobs(gateway, order) == 0  # nobody tries at the first one again

    gateway.other.buyer_pays(page_of(order))
    await gateway.post(f"/v1/orders/{order['id']}/confirm")
    order = await gateway.read(order)
    assert (order["status"], order["attention"]) == ("paid", [])


async def test_the_timeline_says_why_it_fell_over(one_gateway: Gateway) -> None:
    one_gateway.fake.fail("create", *[DOWN] * TRIES)
    order = await one_gateway.order(provider="auto")
    calls = await lines(one_gateway, order, "call")
    assert calls[0] == (
        "create at fake: unavailable, given up",
        "nothing was done, and it is not tried again: another provider takes its place",
    )
    assert await lines(one_gateway, order, "routing") == [
        ("fake chosen", "no policy: any other, by name"),
        (
            "other chosen",
            "fake has certainly opened no page, so another may; no policy: any other, by name",
        ),
    ]
    answer = await one_gateway.get(f"/v1/orders/{order['id']}/timeline")
    chosen = [e for e in answer.json()["data"] if e["kind"] == "routing"][1]
    assert chosen["data"]["excluded"] == [
        {"name": "fake", "reason": "it has failed for this order"}
    ]


@pytest.mark.parametrize("failures", [[UNCLEAR] * TRIES, [DOWN, DOWN, UNCLEAR]])
async def test_it_never_falls_over_when_a_page_may_be_open(
    gateway: Gateway, failures: list[Exception]
) -> None:
    gateway.fake.fail("create", *failures)
    order = await gateway.order(provider="auto")
    assert (order["status"], order["checkout_url"]) == ("processing", None)
    assert statuses(order) == [("fake", "creating")]
    gateway.clock.advance(minutes=2)
    await gateway.work()
    order = await gateway.read(order)
    assert statuses(order) == [("fake", "open")]
    assert gateway.other.calls == []


async def test_not_even_when_only_an_earlier_try_was_unclear(gateway: Gateway) -> None:
    """The last answer says that this try did nothing; the first may have opened a page."""
    gateway.fake.fail("create", UNCLEAR, DOWN, DOWN)
    key, body = gateway.fresh(), order_body(provider="auto")
    answer = await gateway.post("/v1/orders", body, idempotency=key)
    assert code_of(answer) == (503, "provider_unavailable")
    again = await gateway.post("/v1/orders", body, idempotency=key)
    assert statuses(again.json()) == [("fake", "open")]
    assert gateway.other.calls == []


@pytest.mark.parametrize("who", ["the request", "the worker"])
async def test_nor_when_a_refusal_comes_after_it(gateway: Gateway, who: str) -> None:
    gateway.fake.fail("create", UNCLEAR, *([NO] if who == "the request" else [DOWN, DOWN, NO]))
    key, body = gateway.fresh(), order_body(provider="auto")
    answer = await gateway.post("/v1/orders", body, idempotency=key)
    if who == "the worker":
        assert code_of(answer) == (503, "provider_unavailable")
        gateway.clock.advance(minutes=1)
        await gateway.work()
        answer = await gateway.post("/v1/orders", body, idempotency=key)
    assert code_of(answer) == (422, "provider_rejected")
    assert gateway.other.calls == []


async def test_the_last_one_that_is_down_may_be_tried_again(gateway: Gateway) -> None:
    gateway.fake.fail("create", NO)
    gateway.other.fail("create", *[DOWN] * TRIES)
    key = gateway.fresh()
    body = order_body(provider="auto", reference="A-1")
    answer = await gateway.post("/v1/orders", body, idempotency=key)
    assert code_of(answer) == (503, "provider_unavailable")
    again = await gateway.post("/v1/orders", body, idempotency=key)
    assert again.status_code == 201
    assert statuses(again.json()) == [("fake", "failed"), ("other", "open")]
    assert len(gateway.other.pages) == 1


async def test_all_refuse(gateway: Gateway) -> None:
    gateway.fake.fail("create", NO)
    gateway.other.fail("create", Rejected("nor that", provider_code="worse"))
    key = gateway.fresh()
    answer = await gateway.post("/v1/orders", order_body(provider="auto"), idempotency=key)
    assert code_of(answer) == (422, "provider_rejected")
    assert "nor that" in answer.json()["detail"]
    order = await gateway.read({"id": answer.json()["instance"].rpartition("/")[2]})
    assert statuses(order) == [("fake", "failed"), ("other", "failed")]
    again = await gateway.post("/v1/orders", order_body(provider="auto"), idempotency=key)
    assert again.content == answer.content


async def test_who_was_down_of_late_comes_last_for_a_while(
    one_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_gateway.fake.fail("create", *[DOWN] * TRIES)
    await one_gateway.order(provider="auto")
    order = await one_gateway.order(provider="auto")
    assert statuses(order) == [("other", "open")]
    ((_, rule),) = await lines(one_gateway, order, "routing")
    assert rule == "no policy: any other, by name"
    monkeypatch.setattr("gateway.registry.HEALTH_SECONDS", 0)
    assert statuses(await one_gateway.order(provider="auto")) == [("fake", "open")]


async def test_bad_health_can_be_put_up_with(one_gateway: Gateway) -> None:
    await put(one_gateway, {"rules": [{"providers": ["*"]}], "avoid_degraded": False})
    one_gateway.fake.fail("create", *[DOWN] * TRIES)
    await one_gateway.order(provider="auto")
    assert statuses(await one_gateway.order(provider="auto")) == [("fake", "open")]


async def test_an_order_that_is_canceled_meanwhile_goes_nowhere(gateway: Gateway) -> None:
    gateway.fake.fail("create", NO)
    gateway.fake.hold()
    creating = asyncio.create_task(gateway.post("/v1/orders", order_body(provider="auto")))
    await gateway.fake.called()
    (order,) = (await gateway.get("/v1/orders")).json()["data"]
    assert (await gateway.post(f"/v1/orders/{order['id']}/cancel")).status_code == 200
    gateway.fake.let_go()
    assert code_of(await creating) == (409, "order_closed")
    assert (await gateway.read(order))["status"] == "canceled"
    assert gateway.other.calls == []


async def test_two_runs_of_one_request_fall_over_to_one_page(gateway: Gateway) -> None:
    """The first run sleeps for longer than its lease, and the merchant repeats the request."""
    gateway.fake.fail("create", NO, NO)
    gateway.fake.hold()
    key, body = gateway.fresh(), order_body(provider="auto")
    first = asyncio.create_task(gateway.post("/v1/orders", body, idempotency=key))
    await gateway.fake.called()
    gateway.clock.advance(seconds=41)
    second = asyncio.create_task(gateway.post("/v1/orders", body, idempotency=key))
    await until(calls(gateway, 2))
    gateway.fake.let_go()
    answers = [await first, await second]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert statuses(answers[0].json()) == [("fake", "failed"), ("other", "open")]
    assert len(gateway.other.pages) == 1


@pytest.mark.parametrize("failure", [DOWN, UNCLEAR])
async def test_a_page_that_the_worker_has_opened_meanwhile_is_the_one(
    gateway: Gateway, failure: Exception
) -> None:
    """It was asked while the request slept: that the request itself got nothing says little."""
    answer = await sleeping_through_the_worker(gateway, failure)
    assert answer.status_code == 201, answer.text
    assert statuses(answer.json()) == [("fake", "open")]
    assert (len(gateway.fake.pages), len(gateway.other.pages)) == (1, 0)


async def test_the_worker_s_refusal_does_not_make_it_certain(gateway: Gateway) -> None:
    answer = await sleeping_through_the_worker(gateway, UNCLEAR, of_worker=NO)
    assert code_of(answer) == (422, "provider_rejected")
    assert gateway.other.calls == []


async def sleeping_through_the_worker(
    gateway: Gateway, failure: Exception, of_worker: Exception | None = None
) -> httpx.Response:
    """A request whose first call takes until after its lease, and fails like those that follow."""
    awake, arrive = asyncio.Event(), gateway.fake._arrive

    async def sleepily(verb: str, key: str) -> None:
        first = gateway.fake.count("create") == 0
        if first:
            gateway.fake.calls.append((verb, key))
            gateway.fake._called.set()
            await awake.wait()
            gateway.fake.fail("create", failure, failure)
            raise failure
        await arrive(verb, key)

    gateway.fake._arrive = sleepily  # type: ignore[method-assign]
    creating = asyncio.create_task(gateway.post("/v1/orders", order_body(provider="auto")))
    await gateway.fake.called()
    gateway.clock.advance(seconds=41)
    if of_worker is not None:
        gateway.fake.fail("create", of_worker)
    await gateway.work()
    awake.set()
    return await creating


async def test_a_request_that_slept_too_long_gives_nothing_up(gateway: Gateway) -> None:
    """Another process may be opening the page at this moment."""
    gateway.fake.fail("create", *[DOWN] * TRIES)
    gateway.fake.hold()
    creating = asyncio.create_task(gateway.post("/v1/orders", order_body(provider="auto")))
    await gateway.fake.called()
    gateway.clock.advance(seconds=41)
    gateway.fake.let_go()
    assert code_of(await creating) == (503, "provider_unavailable")
    await gateway.work()
    (order,) = (await gateway.get("/v1/orders")).json()["data"]
    assert statuses(order) == [("fake", "open")]


def calls(gateway: Gateway, number: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many calls have come in at the first provider."""

    async def come_in() -> bool:
        return gateway.fake.count("create") == number

    return come_in


def test_a_request_without_a_country_is_what_it_was_before_there_was_one() -> None:
    """Else its repetition under the same key would be taken for another request."""
    body = msgspec.json.encode(order_body())
    assert b"country" not in msgspec.json.encode(decode(body, NewOrderBody))
    assert b"country" not in msgspec.json.encode(decode(b'{"provider":"fake"}', NewPayment))
