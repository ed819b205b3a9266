"""An unavailable provider is given up only by whoever can be certain that nobody has reached it."""

from datetime import timedelta

import msgspec
import pytest

from gateway.errors import OutcomeUnknown, ProviderError, Unavailable
from gateway.facts import CreateRejected, PaymentStarted, Recorded
from gateway.operations import perform
from gateway.records import CreateCall, Operation
from tests.gateway.build import DUE, FIRST, at
from tests.gateway.stage import CHECKOUT, Adapter, Memory, MovableClock, context, order

DOWN = Unavailable("busy", provider_code="rate_limit")
OPERATION = Operation(
    key=f"{FIRST}-create",
    merchant_id="mer_1",
    order_id="ord_1",
    payment_id=FIRST,
    provider="acme",
    call=CreateCall(CHECKOUT),
    created_at=at(),
)


async def outcome(
    *answers: ProviderError,
    operation: Operation = OPERATION,
    stored: Operation | None = OPERATION,
    after: timedelta = timedelta(),
    give_up: bool = True,
) -> tuple[str, bool]:
    """How the call ended, and whether its job waits for another try."""
    started = PaymentStarted(provider="acme", amount=DUE, currency="USD", at=at())
    store, clock = Memory(order(), [Recorded(FIRST, started)]), MovableClock()
    store.stored = stored
    clock.move(after)
    ctx = context(Adapter(*answers), store, clock)
    settlement = await perform(ctx, operation, tries=len(answers), give_up=give_up)
    given_up = any(isinstance(fact, CreateRejected) for fact in store.facts)
    assert given_up == (settlement.outcome == "rejected")
    return settlement.outcome, ("resume_operation", OPERATION.key) in store.jobs


async def test_it_is_settled_and_nobody_tries_again() -> None:
    assert await outcome(DOWN) == ("rejected", False)
    assert await outcome(DOWN, DOWN) == ("rejected", False)


async def test_not_unless_it_was_asked_for() -> None:
    assert await outcome(DOWN, give_up=False) == ("unavailable", True)


@pytest.mark.parametrize("answers", [(OutcomeUnknown("?"), DOWN), (DOWN, OutcomeUnknown("?"))])
async def test_not_after_an_unclear_try(answers: tuple[ProviderError, ...]) -> None:
    ended, waits = await outcome(*answers)
    assert ended != "rejected"
    assert waits


async def test_not_after_an_earlier_run() -> None:
    tried = msgspec.structs.replace(OPERATION, attempts=1)
    assert await outcome(DOWN, operation=tried, stored=tried) == ("unavailable", True)


async def test_not_where_another_process_has_been_or_may_be() -> None:
    tried = msgspec.structs.replace(OPERATION, attempts=1)
    assert await outcome(DOWN, stored=tried) == ("unavailable", True)
    settled = msgspec.structs.replace(OPERATION, attempts=1, settled=True)
    assert (await outcome(DOWN, stored=settled))[0] == "succeeded"
    assert await outcome(DOWN, after=timedelta(seconds=41)) == ("unavailable", True)
