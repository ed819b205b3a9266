"""Attempts and captures that meet one another: with a real store, and a provider with a script."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from gateway.attempts import lock
from gateway.capture import capture_order
from gateway.checkout import NewOrder, change_provider, create_order
from gateway.closing import expire_order
from gateway.confirm import confirm_order, confirm_payment
from gateway.context import Context
from gateway.errors import Conflict, GatewayError, OutcomeUnknown, Rejected, Unavailable
from gateway.facts import Canceled, Expired, ProviderFact
from gateway.idempotency import IdempotentRequest, Replay
from gateway.ids import Ids
from gateway.jobs import run_due
from gateway.operations import Settlement
from gateway.order import OrderState
from gateway.provider import Capabilities, Checkout, CheckoutRequest, PaymentRef
from gateway.records import Answer, KeyClaim, OrderItem, OrderRecord
from gateway.refunds import refund_order
from gateway.registry import Providers
from storage.engine import Database
from storage.store import SqlStore
from storage.tables import merchants
from tests.gateway.build import DUE, at, authorized, captured, refund
from tests.gateway.stage import AbleAdapter, MovableClock, Plugin, context

LATER = Unavailable("later", retry_after=60)


class Pages(AbleAdapter):
    """Opens a page of its own for every payment."""

    async def create_order(self, request: CheckoutRequest, *, key: str) -> Checkout:
        self._next("create", key)
        return Checkout(f"co_{request.payment_id}", f"https://pay.example/{request.payment_id}")


class House:
    """A gateway with one provider, whose orders are all alike."""

    def __init__(self, store: SqlStore, clock: MovableClock, ids: Ids, plugin: Plugin) -> None:
        self.clock = clock
        self.adapter = Pages()
        self.ctx: Context = context(self.adapter, store, clock, plugin=plugin, ids=ids)
        self.order_id = ""

    def expect(self, *script: Any) -> None:
        self.adapter.script += script

    def request(self, key: str) -> IdempotentRequest:
        def render(order: OrderRecord, state: OrderState, resource_id: str) -> Answer:
            self.order_id = order.id
            return Answer(200, f"{state.status} {resource_id[:3]}".encode())

        def render_error(error: GatewayError, order_id: str | None) -> Answer:
            return Answer(409, error.code.encode())

        return IdempotentRequest(KeyClaim("mer_1", False, key, key), render, render_error)

    async def create(self, key: str = "create", capture: Any = "automatic") -> Answer:
        new = NewOrder(
            merchant_id="mer_1",
            livemode=False,
            provider="acme",
            currency="USD",
            items=(OrderItem(None, "Chair", DUE, 1),),
            success_url="https://shop.example/ok",
            cancel_url="https://shop.example/cart",
            expires_in=timedelta(minutes=30),
            capture=capture,
            reference="A-1",
            customer_email=None,
            metadata={},
        )
        return await create_order(self.ctx, new, self.request(key))

    async def change(self, key: str) -> Answer:
        return await change_provider(self.ctx, "mer_1", self.order_id, "acme", self.request(key))

    async def capture(self, amount: int, key: str) -> Answer:
        return await capture_order(self.ctx, "mer_1", self.order_id, amount, self.request(key))

    async def refund(self, key: str) -> Answer:
        return await refund_order(
            self.ctx, "mer_1", self.order_id, 2000, None, {}, self.request(key)
        )

    async def hear(self, *facts: ProviderFact) -> OrderState:
        """The provider tells `facts` when it is asked about the order."""
        self.expect(facts)
        settlement = await confirm_order(self.ctx, "mer_1", self.order_id)
        assert settlement is not None
        return settlement.state

    def asked(self, verb: str) -> int:
        """How often the provider was called for this."""
        return sum(called == verb for called, _ in self.adapter.calls)

    async def state(self) -> OrderState:
        async with self.ctx.store.transaction() as tx:
            return (await lock(tx, "mer_1", self.order_id))[1]


@pytest.fixture
def plugin() -> Plugin:
    return Plugin()


@pytest.fixture
async def house(store_url: str, plugin: Plugin) -> AsyncIterator[House]:
    clock = MovableClock()
    ids = Ids(clock, lambda n: b"\x05" * n)
    store = SqlStore(Database(store_url), ids)
    async with store.database.write() as connection:
        merchant = {"id": "mer_1", "name": "Shop", "created_at": clock.now()}
        await connection.execute(merchants.insert(), [merchant])
    yield House(store, clock, ids, plugin)
    await store.close()


async def _unreachable_order(house: House) -> None:
    """An order whose provider could not be reached: its buyer has no page."""
    house.expect(LATER)
    with pytest.raises(Unavailable):
        await house.create()
    async with house.ctx.store.transaction() as tx:
        claimed = await tx.claim_key(
            house.request("create").claim, house.clock.now(), house.clock.now()
        )
        assert claimed.resource_id is not None
        house.order_id = claimed.resource_id


async def test_a_buyer_may_turn_elsewhere_while_a_provider_is_unavailable(house: House) -> None:
    await _unreachable_order(house)
    house.expect([])

    assert (await house.change("elsewhere")).status == 200

    state = await house.state()
    assert [payment.status for payment in state.payments] == ["creating", "open"]


async def test_of_two_new_attempts_at_once_one_is_told_to_look(house: House) -> None:
    await _unreachable_order(house)
    entered, leave = asyncio.Event(), asyncio.Event()
    create = house.adapter.create_order

    async def slowly(request: CheckoutRequest, *, key: str) -> Checkout:
        entered.set()
        await leave.wait()
        return await create(request, key=key)

    house.adapter.create_order = slowly  # type: ignore[method-assign]
    house.expect([])
    first = asyncio.create_task(house.change("one"))
    await entered.wait()
    with pytest.raises(Conflict) as caught:
        async with asyncio.timeout(5):  # or it, too, stands before the provider
            await house.change("other")
    leave.set()

    assert caught.value.code == "payment_in_doubt"
    assert (await first).status == 200


async def test_a_repetition_is_answered_though_the_provider_is_switched_off(house: House) -> None:
    house.expect([])
    answer = await house.create()
    object.__setattr__(house.ctx, "providers", Providers([]))

    with pytest.raises(Replay) as again:
        await house.create()
    assert again.value.answer == answer
    with pytest.raises(GatewayError, match="no provider 'acme'"):
        await house.create("another key")


async def test_a_request_that_is_resumed_after_its_refund_was_settled_asks_nobody(
    house: House,
) -> None:
    """Days later the provider has forgotten the key: it would refund a second time."""
    house.expect([])
    await house.create()
    await house.hear(captured())

    class Killed(BaseException):
        """The process dies during the call."""

    house.expect(Killed())
    with pytest.raises(Killed):
        await house.refund("refund")
    (asked,) = (await house.state()).refunds
    house.clock.move(house.ctx.lease)
    house.expect([refund("re_1", "succeeded", 2000, asked.id)])
    await run_due(house.ctx)  # the worker takes it up
    house.clock.move(timedelta(days=3))
    calls = len(house.adapter.calls)

    answer = await house.refund("refund")

    assert answer.status == 200
    assert len(house.adapter.calls) == calls
    assert (await house.state()).amount_refunded == 2000


async def test_a_busy_provider_is_asked_at_growing_distances_and_stands_in_attention(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.operations.QUICK_SECONDS", 0)
    house.expect([])
    await house.create()
    await house.hear(captured())
    house.expect(*[Unavailable("busy")] * 100)
    await house.refund("refund")
    asked = house.asked("refund")
    for _ in range(30):  # five minutes, looking every ten seconds
        house.clock.move(timedelta(seconds=10))
        await run_due(house.ctx)
    assert house.asked("refund") - asked <= 7
    assert not (await house.state()).attention

    for _ in range(30):  # two hours more
        house.clock.move(timedelta(minutes=4))
        await run_due(house.ctx)
    assert [item.kind for item in (await house.state()).attention] == ["overdue"]
    assert house.asked("refund") - asked <= 12

    (pending,) = (await house.state()).refunds
    house.adapter.script.clear()
    house.expect([refund("re_1", "succeeded", 2000, pending.id)])
    house.clock.move(timedelta(hours=6))
    await run_due(house.ctx)
    assert not (await house.state()).attention


async def test_a_second_amount_is_not_captured_while_the_first_may_be(house: House) -> None:
    house.expect([])
    await house.create(capture="manual")
    await house.hear(authorized())
    house.expect(LATER)
    await house.capture(3000, "first")

    with pytest.raises(Conflict) as caught:
        await house.capture(5000, "second")
    assert caught.value.code == "payment_in_doubt"

    house.expect(Rejected("no"))  # the worker tries again, and it is refused
    house.clock.move(house.ctx.lease)
    await run_due(house.ctx)
    house.expect([captured(5000)])
    await house.capture(5000, "second")
    assert (await house.state()).status == "paid"


UNCLOSABLE = Capabilities(
    manual_capture=False,
    partial_capture=False,
    partial_refund=True,
    multiple_refunds=True,
    cancel=False,
    disputes=False,
    settlement=False,
)


@pytest.mark.parametrize("plugin", [Plugin(capabilities=UNCLOSABLE)])
async def test_a_page_that_cannot_be_closed_is_watched_until_it_runs_out(house: House) -> None:
    house.expect([])
    await house.create()
    house.clock.move(timedelta(hours=1))

    house.expect([])  # asked: nothing new
    assert not await expire_order(house.ctx, "mer_1", house.order_id)
    house.expect([Expired(object_id="co_1", at=at(90))])
    assert await expire_order(house.ctx, "mer_1", house.order_id)

    assert (await house.state()).status == "expired"
    assert {verb for verb, _ in house.adapter.calls} == {"create", "confirm"}


async def test_an_order_expires_though_its_payment_is_being_asked_about(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both jobs are due at the same time: expiry waits for the answer, not for its next turn."""
    house.expect([])
    await house.create()
    (payment,) = (await house.state()).payments
    house.clock.move(timedelta(hours=2))
    entered, leave = asyncio.Event(), asyncio.Event()
    watch: list[asyncio.Task[Any]] = []
    confirm = house.adapter.confirm

    async def slowly(ref: PaymentRef, *, key: str) -> Sequence[ProviderFact]:
        entered.set()
        await leave.wait()
        return await confirm(ref, key=key)

    async def ask_then_watch(ctx: Context, merchant_id: str, order_id: str) -> Settlement | None:
        answer = await confirm_order(ctx, merchant_id, order_id)
        monkeypatch.setattr(house.adapter, "confirm", slowly)
        watch.append(asyncio.create_task(confirm_payment(ctx, merchant_id, order_id, payment.id)))
        await entered.wait()
        asyncio.get_running_loop().call_later(0.1, leave.set)
        return answer

    monkeypatch.setattr("gateway.closing.confirm_order", ask_then_watch)
    house.expect([], [], [Canceled(object_id="co_1", at=at(120))])

    assert await expire_order(house.ctx, "mer_1", house.order_id)
    await asyncio.gather(*watch)
    assert (await house.state()).status == "expired"


async def test_a_page_that_the_provider_does_not_close_is_waited_for(house: House) -> None:
    """It says so only when it is asked: the answer is kept, since no repetition changes it."""
    house.expect([])
    await house.create()

    house.expect(Rejected("not while it is open"), [])
    answer = await house.change("elsewhere")

    assert answer == Answer(409, b"not_supported_by_provider")
    with pytest.raises(Replay) as again:
        await house.change("elsewhere")
    assert again.value.answer == answer
    assert (await house.state()).status == "open"


async def test_a_page_that_cannot_be_closed_since_it_was_paid(house: House) -> None:
    house.expect([])
    await house.create()

    house.expect(Rejected("it is complete"), [captured()])
    assert await house.change("elsewhere") == Answer(409, b"order_already_paid")


async def test_held_money_is_let_go_under_a_key_of_its_own(house: House) -> None:
    """A provider that refused to close the open page would repeat that under the same key."""
    house.expect([])
    await house.create(capture="manual")
    house.expect(Rejected("not while it is open"), [])
    await house.change("first")
    await house.hear(authorized())

    house.expect([Canceled(object_id="au_1", at=at(20))], [])
    assert (await house.change("second")).status == 200

    keys = [key for verb, key in house.adapter.calls if verb == "cancel"]
    assert len(set(keys)) == 2


async def test_an_unknown_capture_keeps_the_order_processing(house: House) -> None:
    house.expect([])
    await house.create(capture="manual")
    await house.hear(authorized())
    house.expect(*[OutcomeUnknown("?")] * 3)

    await house.capture(3000, "first")

    assert (await house.state()).status == "processing"
    with pytest.raises(Conflict, match="there is nothing to capture"):
        await house.capture(5000, "second")
