"""How a call is settled, and when none is made: with a store in memory, since this is about rules.

That the same holds across crashes and real databases is shown in tests/faults.
"""

from typing import Any

import msgspec
import pytest

from gateway.errors import OutcomeUnknown, Rejected, Unavailable
from gateway.facts import (
    CallSettled,
    CallUnknown,
    CreateRejected,
    Flagged,
    Recorded,
)
from gateway.operations import Settlement, perform
from gateway.outcomes import DOUBTS_BEFORE_ATTENTION
from gateway.ports import Transaction
from gateway.records import (
    CancelCall,
    CaptureCall,
    CreateCall,
    Operation,
)
from tests.gateway.build import (
    DUE,
    FIRST,
    at,
    reserved,
)
from tests.gateway.scene import DONE, MONEY, REF, Scene, fields
from tests.gateway.stage import CHECKOUT, AbleAdapter, Adapter

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
        await perform(it.ctx, Operation(**fields(operation) | {"attempts": attempts}), tries=1)

    for attempts in range(8):
        await again(attempts)
        flags = [fact for fact in it.store.facts if isinstance(fact, Flagged)]
        assert len(flags) == int(attempts + 1 >= DOUBTS_BEFORE_ATTENTION)
    assert [item.kind for item in it.state.attention] == ["unknown_outcome"]

    await again(8)

    assert it.state.attention == ()
    settled = [fact for fact in it.store.facts if isinstance(fact, CallSettled)]
    assert len(settled) == DOUBTS_BEFORE_ATTENTION


async def test_the_doubts_of_another_operation_are_not_settled(scene: Make) -> None:
    it: Scene = scene(AbleAdapter([DONE]))
    doubt = CallUnknown(operation="another#0", verb="confirm", at=at())
    it.store.order.recorded.append(Recorded(FIRST, doubt))

    await perform(it.ctx, it.operation)

    assert not any(isinstance(fact, CallSettled) for fact in it.store.facts)


# --- the other verbs ------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OutcomeUnknown("?"), Unavailable("later")])
async def test_no_answer_to_what_another_process_has_settled_is_no_doubt(
    scene: Make, error: Exception
) -> None:
    """Its lease ran out during the call, and another process got the answer under the same key."""
    it: Scene = scene(AbleAdapter(error))
    it.store.stored = msgspec.structs.replace(it.operation, settled=True)

    settlement = await perform(it.ctx, it.operation, tries=1)

    assert (settlement.outcome, settlement.settled, settlement.error) == ("succeeded", True, None)
    assert not [r for r in it.store.order.recorded if isinstance(r.fact, CallUnknown)]
    assert it.store.attempts == [(False, "unknown" if "?" in str(error) else "unavailable")]
    assert it.store.jobs == {("confirm_payment", FIRST)}, "the truth is looked at once more"


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
        await perform(it.ctx, Operation(**fields(it.operation) | {"order_id": "ord_9"}))
