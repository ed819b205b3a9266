"""When no call is made: a key is used inside its window only, and a doubt is looked up."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import OutcomeUnknown, Rejected, Unavailable
from gateway.facts import CallUnknown, RefundRejected
from gateway.operations import Settlement, look_up, perform, window_passed
from gateway.outcomes import DOUBTS_BEFORE_ATTENTION
from gateway.ports import Transaction
from gateway.records import (
    Call,
    CancelCall,
    ConfirmCall,
    CreateCall,
    Operation,
)
from tests.gateway.build import (
    refund,
)
from tests.gateway.scene import DONE, REF, REFUND, Scene, fields
from tests.gateway.stage import CHECKOUT, AbleAdapter, Adapter

Make = Any


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda *args, **more: Scene(monkeypatch, *args, **more)


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
    operation = Operation(**fields(it.operation) | {"provider": "gone"})
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


async def test_a_creation_without_an_answer_is_over_when_its_page_would_be(scene: Make) -> None:
    """Nobody was given its address, so nobody can have paid: no doubt is left, and no alarm."""
    it: Scene = scene(Adapter(*[OutcomeUnknown("?")] * 3), CreateCall(CHECKOUT))
    assert (await perform(it.ctx, it.operation)).state.payments[0].creation_in_doubt
    it.clock.move(timedelta(days=1))
    assert it.ctx.now() > CHECKOUT.expires_at

    settlement = await look_up(it.ctx, it.operation)

    assert settlement.settled
    assert (it.state.payments[0].status, it.state.status) == ("expired", "expired")
    assert not it.state.attention


async def test_a_doubt_that_lasts_is_not_counted_for_ever(scene: Make) -> None:
    it: Scene = scene(Adapter(), attempts=0)
    for attempts in range(20):
        operation = Operation(**fields(it.operation) | {"attempts": attempts})
        assert (await look_up(it.ctx, operation)).outcome == "unknown"

    doubts = [fact for fact in it.store.facts if isinstance(fact, CallUnknown)]
    assert len(doubts) == DOUBTS_BEFORE_ATTENTION
    assert [item.kind for item in it.state.attention] == ["unknown_outcome"]


@pytest.mark.parametrize("call", [ConfirmCall(REF), CancelCall(REF)])
async def test_for_the_rest_the_payments_own_truth_tells(scene: Make, call: Call) -> None:
    it: Scene = scene(AbleAdapter(), call)

    assert (await look_up(it.ctx, it.operation)).settled
    assert it.adapter.calls == []


# --- a refusal after an unanswered try ------------------------------------------------------------


@pytest.mark.parametrize("before", ["in this request", "in an earlier one"])
async def test_a_refusal_may_mean_that_the_first_try_worked(scene: Make, before: str) -> None:
    late = before == "in an earlier one"
    script: list[Any] = [Rejected("already refunded"), [DONE]]
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


async def test_a_refusal_that_cannot_be_checked_now_waits(scene: Make) -> None:
    it: Scene = scene(AbleAdapter(Rejected("no"), Unavailable("later")), attempts=1)

    assert (await perform(it.ctx, it.operation)).outcome == "unavailable"


async def test_a_refusal_that_can_never_be_checked_is_not_called_a_failure(scene: Make) -> None:
    it: Scene = scene(Adapter(Rejected("already refunded")), attempts=1)

    settlement = await perform(it.ctx, it.operation)

    assert settlement.outcome == "unknown"
    assert it.state.refund("ref_1").status == "pending"
