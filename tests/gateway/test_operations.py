"""How a call is settled, and when none is made: with a store in memory, since this is about rules.

That the same holds across crashes and real databases is shown in tests/faults.
"""

from datetime import timedelta
from typing import Any

import pytest

from gateway import operations
from gateway.errors import OutcomeUnknown, Rejected, Unavailable
from gateway.facts import (
    CallSettled,
    CallUnknown,
    CreateRejected,
    Flagged,
    Recorded,
    RefundRejected,
)
from gateway.money import Money
from gateway.operations import DOUBTS_BEFORE_ATTENTION, Settlement, look_up, perform, window_passed
from gateway.order import OrderState
from gateway.ports import Transaction
from gateway.provider import PaymentRef, RefundRequest
from gateway.records import (
    Call,
    CancelCall,
    CaptureCall,
    ConfirmCall,
    CreateCall,
    Operation,
    RefundCall,
)
from tests.gateway.build import (
    DUE,
    FIRST,
    at,
    authorized,
    captured,
    opened,
    refund,
    reserved,
    started,
)
from tests.gateway.stage import AbleAdapter, Adapter, Memory, MovableClock, context, order
from tests.gateway.test_registry import CHECKOUT

MONEY = Money(2000, "USD")
REF = PaymentRef("ord_1", FIRST, Money(DUE, "USD"), "co_1", capture_id="cap_1")
REFUND = RefundCall(RefundRequest(REF, "ref_1", MONEY, "cap_1"))
DONE = refund("re_1", "succeeded", 2000, "ref_1")


class Scene:
    """A paid order with a refund reserved, a provider with a script, and one operation on it."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        adapter: Adapter,
        call: Call = REFUND,
        *,
        key: str = "ref_1",
        settled: bool = False,
        attempts: int = 0,
    ) -> None:
        self.pauses: list[float] = []
        self.woken = 0
        self.adapter = adapter
        self.clock = MovableClock()
        facts = [started(), opened(), captured(), reserved("ref_1", 2000)]
        if isinstance(call, CreateCall):
            facts = facts[:1]
        if isinstance(call, CaptureCall):
            facts = [started(), opened(), authorized()]
        self.store = Memory(order(), [Recorded(FIRST, fact) for fact in facts])
        self.ctx = context(adapter, self.store, self.clock, wake=self._wake)
        self.operation = Operation(
            key=key,
            merchant_id="mer_1",
            order_id="ord_1",
            payment_id=FIRST,
            provider="acme",
            call=call,
            created_at=at(),
            settled=settled,
            attempts=attempts,
        )

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        monkeypatch.setattr(operations.asyncio, "sleep", sleep)

    def _wake(self) -> None:
        self.woken += 1

    @property
    def state(self) -> OrderState:
        assert self.store.saved is not None
        return self.store.saved


Make = Any


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda *args, **more: Scene(monkeypatch, *args, **more)


async def test_a_call_that_succeeds(scene: Make) -> None:
    it: Scene = scene(AbleAdapter([DONE]))
    it.store.jobs.add(("resume_operation", "ref_1"))
    finished: list[Settlement] = []

    async def finish(tx: Transaction, settlement: Settlement) -> None:
        finished.append(settlement)

    settlement = await perform(it.ctx, it.operation, finish)

    assert (settlement.outcome, settlement.settled, settlement.error) == ("succeeded", True, None)
    assert finished == [settlement]
    assert settlement.state.refund("ref_1").status == "succeeded"
    assert it.store.attempts == [(True, "succeeded")]
    assert it.store.jobs == set(), "nothing is to be resumed"
    assert [event.type for event in it.store.told] == ["refund.succeeded"]
    assert it.woken == 1


async def test_a_call_that_is_refused(scene: Make) -> None:
    it: Scene = scene(AbleAdapter(Rejected("no", provider_code="no_balance", request_id="req_9")))

    settlement = await perform(it.ctx, it.operation)

    assert settlement.outcome == "rejected"
    assert it.adapter.calls == [("refund", "ref_1")], "a clear no is not asked for again"
    assert it.state.refund("ref_1").status == "failed"
    assert it.state.amount_refundable == DUE
    line = it.store.lines[0]
    assert (line.data["code"], line.data["provider_request_id"]) == ("no_balance", "req_9")


async def test_a_hiccup_is_tried_again_under_the_same_key(scene: Make) -> None:
    it: Scene = scene(AbleAdapter(OutcomeUnknown("?"), Unavailable("later"), [DONE]))

    settlement = await perform(it.ctx, it.operation)

    assert settlement.outcome == "succeeded"
    assert it.adapter.calls == [("refund", "ref_1")] * 3
    assert it.pauses == [0.3, 0.6]


async def test_a_provider_that_asks_for_more_time_than_a_request_has_is_left_to_the_worker(
    scene: Make,
) -> None:
    it: Scene = scene(AbleAdapter(Unavailable("later", retry_after=60)))

    settlement = await perform(it.ctx, it.operation)

    assert settlement.outcome == "unavailable"
    assert not settlement.settled
    assert it.pauses == []
    assert it.store.attempts == [(False, "unavailable")]
    assert it.store.facts[-1] == reserved("ref_1", 2000), "nothing happened, so nothing is said"


async def test_an_unknown_outcome_leaves_the_refund_pending(scene: Make) -> None:
    it: Scene = scene(AbleAdapter(*[OutcomeUnknown("?")] * 3))

    settlement = await perform(it.ctx, it.operation)

    assert settlement.outcome == "unknown"
    assert it.state.refund("ref_1").status == "pending"
    assert it.state.amount_refundable == DUE - 2000
    assert it.store.facts[-1] == CallUnknown(operation="ref_1#0", verb="refund", at=at())


async def test_doubts_pile_up_to_one_flag_and_go_with_a_clear_answer(scene: Make) -> None:
    it: Scene = scene(AbleAdapter(*[OutcomeUnknown("?")] * 8, [DONE]))

    async def again(attempts: int) -> None:
        operation = it.operation
        await perform(it.ctx, Operation(**_fields(operation) | {"attempts": attempts}), tries=1)

    for attempts in range(8):
        await again(attempts)
        flags = [fact for fact in it.store.facts if isinstance(fact, Flagged)]
        assert len(flags) == int(attempts + 1 >= DOUBTS_BEFORE_ATTENTION)
    assert [item.kind for item in it.state.attention] == ["unknown_outcome"]

    await again(8)

    assert it.state.attention == ()
    assert sum(isinstance(fact, CallSettled) for fact in it.store.facts) == 8


def _fields(operation: Operation) -> dict[str, Any]:
    return {name: getattr(operation, name) for name in operation.__struct_fields__}


# --- a key is used inside its window only ---------------------------------------------------------


async def test_a_settled_operation_is_never_called_again(scene: Make) -> None:
    """A request resumed days later finds what the worker has settled: the key is forgotten by then,
    and would refund a second time."""
    it: Scene = scene(AbleAdapter(), settled=True)
    answered: list[Settlement] = []

    async def finish(tx: Transaction, settlement: Settlement) -> None:
        answered.append(settlement)

    settlement = await perform(it.ctx, it.operation, finish)

    assert it.adapter.calls == []
    assert answered == [settlement]
    assert (settlement.outcome, settlement.state.refund("ref_1").status) == ("succeeded", "pending")
    assert it.store.attempts == []


async def test_a_forgotten_key_is_never_sent(scene: Make) -> None:
    it: Scene = scene(AbleAdapter())
    it.clock.move(timedelta(hours=23))

    settlement = await perform(it.ctx, it.operation)

    assert it.adapter.calls == []
    assert (settlement.outcome, settlement.settled) == ("unknown", False)


@pytest.mark.parametrize(("hours", "passed"), [(0, False), (21.6, False), (21.7, True)])
def test_the_window_is_left_with_a_tenth_to_spare(scene: Make, hours: float, passed: bool) -> None:
    it: Scene = scene(AbleAdapter())
    it.clock.move(timedelta(hours=hours))

    assert window_passed(it.ctx, it.operation) is passed


async def test_a_provider_that_is_off_is_waited_for(scene: Make) -> None:
    it: Scene = scene(AbleAdapter())
    operation = Operation(**_fields(it.operation) | {"provider": "gone"})
    it.clock.move(timedelta(days=9))

    settlement = await perform(it.ctx, operation, tries=1)

    assert not window_passed(it.ctx, operation)
    assert settlement.outcome == "unavailable"
    assert (await look_up(it.ctx, operation)).outcome == "unknown"


# --- looking up -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        ([DONE], "succeeded", "succeeded"),
        ([refund("re_7", "succeeded", 1)], "rejected", "failed"),
        ([], "rejected", "failed"),
        (OutcomeUnknown("?"), "unknown", "pending"),
        (Unavailable("later"), "unavailable", "pending"),
    ],
)
async def test_a_refund_is_looked_up(scene: Make, answer: Any, outcome: str, status: str) -> None:
    it: Scene = scene(AbleAdapter(answer))

    settlement = await look_up(it.ctx, it.operation)

    assert it.adapter.calls == [("find_refunds", "")]
    assert settlement.outcome == outcome
    assert settlement.state.refund("ref_1").status == status


@pytest.mark.parametrize("call", [REFUND, CreateCall(CHECKOUT)])
async def test_what_cannot_be_looked_up_stays_unknown(scene: Make, call: Call) -> None:
    it: Scene = scene(Adapter(), call)

    settlement = await look_up(it.ctx, it.operation)

    assert settlement.outcome == "unknown"
    assert it.adapter.calls == []


@pytest.mark.parametrize("call", [ConfirmCall(REF), CancelCall(REF)])
async def test_for_the_rest_the_payments_own_truth_tells(scene: Make, call: Call) -> None:
    it: Scene = scene(AbleAdapter(), call)

    assert (await look_up(it.ctx, it.operation)).settled
    assert it.adapter.calls == []


# --- a refusal after an unanswered try ------------------------------------------------------------


@pytest.mark.parametrize("before", ["in this request", "in an earlier one"])
async def test_a_refusal_may_mean_that_the_first_try_worked(scene: Make, before: str) -> None:
    late = before == "in an earlier one"
    script = [Rejected("already refunded"), [DONE]]
    adapter = AbleAdapter(*(script if late else [OutcomeUnknown("?"), *script]))
    it: Scene = scene(adapter, attempts=int(late))

    settlement = await perform(it.ctx, it.operation)

    assert adapter.calls[-1] == ("find_refunds", "")
    assert settlement.outcome == "succeeded"
    assert it.state.refund("ref_1").status == "succeeded"
    assert not any(isinstance(fact, RefundRejected) for fact in it.store.facts)


async def test_a_refusal_stands_when_the_provider_has_no_such_refund(scene: Make) -> None:
    it: Scene = scene(AbleAdapter(Rejected("no"), []), attempts=1)

    assert (await perform(it.ctx, it.operation)).outcome == "rejected"
    assert it.state.refund("ref_1").status == "failed"


@pytest.mark.parametrize("adapter", [AbleAdapter(Rejected("no"), Unavailable("later"))])
async def test_a_refusal_that_cannot_be_checked_now_waits(scene: Make, adapter: Adapter) -> None:
    it: Scene = scene(adapter, attempts=1)

    assert (await perform(it.ctx, it.operation)).outcome == "unavailable"


async def test_a_refusal_that_can_never_be_checked_is_not_called_a_failure(scene: Make) -> None:
    it: Scene = scene(Adapter(Rejected("already refunded")), attempts=1)

    settlement = await perform(it.ctx, it.operation)

    assert settlement.outcome == "unknown"
    assert it.state.refund("ref_1").status == "pending"


# --- the other verbs ------------------------------------------------------------------------------


async def test_a_checkout_that_is_refused_fails_its_payment(scene: Make) -> None:
    adapter = AbleAdapter(OutcomeUnknown("?"), Rejected("no"))
    it: Scene = scene(adapter, CreateCall(CHECKOUT), key="create")

    await perform(it.ctx, it.operation)

    assert it.state.payment(FIRST).status == "failed"
    assert isinstance(it.store.facts[-1], CreateRejected)


async def test_a_refused_capture_asks_for_the_truth(scene: Make) -> None:
    it: Scene = scene(AbleAdapter(Rejected("no")), CaptureCall(REF, MONEY), key="capture")

    settlement = await perform(it.ctx, it.operation)

    assert settlement.outcome == "rejected"
    assert it.store.jobs == {("confirm_payment", FIRST)}


async def test_a_power_that_is_missing_is_a_refusal(scene: Make) -> None:
    it: Scene = scene(Adapter(), CancelCall(REF), key="cancel")

    settlement = await perform(it.ctx, it.operation)

    assert settlement.error is not None
    assert settlement.error.provider_code == "not_supported_by_provider"


async def test_an_operation_without_its_order_is_no_silent_matter(scene: Make) -> None:
    it: Scene = scene(AbleAdapter([DONE]))

    with pytest.raises(LookupError, match="without its order"):
        await perform(it.ctx, Operation(**_fields(it.operation) | {"order_id": "ord_9"}))
