"""A paid order with one operation on it, and a provider that answers from a script."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.facts import (
    Fact,
    Recorded,
)
from gateway.money import Money
from gateway.order import OrderState
from gateway.provider import PaymentRef, RefundRequest
from gateway.records import (
    Call,
    CaptureCall,
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
from tests.gateway.stage import Adapter, Memory, MovableClock, context, order

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
        facts: list[Fact] = [started(), opened(), captured(), reserved("ref_1", 2000)]
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

        # There only: other threads of the run sleep for real.
        monkeypatch.setattr("gateway.operations.asyncio", SimpleNamespace(sleep=sleep))

    def _wake(self) -> None:
        self.woken += 1

    @property
    def state(self) -> OrderState:
        assert self.store.saved is not None
        return self.store.saved


def fields(operation: Operation) -> dict[str, Any]:
    return {name: getattr(operation, name) for name in operation.__struct_fields__}
