"""Calls that can go wrong, each with a way to see what it did."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway.conformance.proxy import Fault
from gateway.conformance.rules import Broken, Declared, check, failed, one, succeeded, words
from gateway.conformance.scene import Scene
from gateway.errors import ProviderError
from gateway.facts import Captured, RefundUpdated
from gateway.money import Money
from gateway.provider import Checkout

#: HTTP clients may repeat what can be repeated: then all their tries meet the fault.
ALL_TRIES = 20


@dataclass
class Call:
    """A call that can be repeated under its key, and what the provider then holds of it.

    `effects` counts the checkouts, captures or refunds that it made; `good` says whether an answer
    is the right one.
    """

    verb: str
    make: Callable[[], Awaitable[Any]]
    effects: Callable[[], Awaitable[int]]
    good: Callable[[Any], None]
    writes: bool = True


async def calls(scene: Scene, *, reads: bool = False) -> list[Call]:
    """One call of each kind that does something at the provider and may be repeated; with `reads`,
    those that only read, too."""
    windows = scene.plugin.key_windows
    found = []
    if windows.create:
        found.append(create_call(scene))
    if windows.refund:
        found.append(await refund_call(scene))
    if scene.plugin.capabilities.manual_capture and windows.capture:
        found.append(await capture_call(scene))
    if reads:
        found.append(await confirm_call(scene))
    return found


def create_call(scene: Scene) -> Call:
    request = scene.request()

    async def effects() -> int:
        return len((await scene.books(request)).checkouts)

    def good(told: Any) -> None:
        check(isinstance(told, Checkout), f"it returned {words(told)}")

    return Call("create_order", lambda: scene.create(request), effects, good)


async def refund_call(scene: Scene) -> Call:
    payment, captured = await scene.paid()
    part = payment.money
    if scene.plugin.capabilities.partial_refund:
        part = scene.money(payment.money.amount // 3)
    request = scene.refund_request(payment, captured, part)

    async def effects() -> int:
        return len((await scene.books(payment)).refunded)

    def good(told: Any) -> None:
        updated = one(RefundUpdated, told)
        check(Money(updated.amount, updated.currency) == part, f"it says {updated.key}")

    return Call("refund", lambda: scene.refund(request), effects, good)


async def capture_call(scene: Scene) -> Call:
    payment, _ = await scene.authorized()

    async def effects() -> int:
        return len((await scene.books(payment)).captured)

    def good(told: Any) -> None:
        captured = one(Captured, told)
        check(Money(captured.amount, captured.currency) == payment.money, captured.key)

    return Call("capture", lambda: scene.capture(payment, payment.money), effects, good)


async def confirm_call(scene: Scene) -> Call:
    """Of an approved payment: it may write, or only read."""
    payment = await scene.opened()
    await scene.stand.buyer(payment.provider_order_id, "pay")

    async def effects() -> int:
        return len((await scene.books(payment)).captured)

    def good(told: Any) -> None:
        captured = one(Captured, told)
        check(Money(captured.amount, captured.currency) == payment.money, captured.key)

    return Call("confirm", lambda: scene.confirm(payment), effects, good, writes=False)


def has_windows(declared: Declared) -> str | None:
    windows = declared.plugin.key_windows
    return None if windows.create or windows.refund else "KeyWindows are 0"


async def meets(
    scene: Scene, call: Call, fault: Fault, *expected: type[ProviderError]
) -> ProviderError | None:
    """The call fails as `expected` under the fault; None where it was not befallen by it."""
    fault.writes, fault.times = call.writes, ALL_TRIES
    scene.proxy.arm(fault)
    told = await call.make()
    scene.proxy.clear()
    if fault.times == ALL_TRIES:  # it has looked first, and found it done
        call.good(succeeded(told))
        done = await call.effects()
        check(done == 1, f"{call.verb} has sent nothing, and was done {done} times")
        return None
    try:
        return failed(told, *expected)
    except Broken as error:
        answer = f" {fault.status}" if fault.kind in ("answer", "replace") else ""
        raise Broken(f"{call.verb}, {fault.kind}{answer}: {error}") from None


async def recovers(scene: Scene, call: Call, after: str) -> None:
    """Repeated under its key it succeeds, and was done once."""
    told = await scene.settled(call.make)
    try:
        call.good(succeeded(told))
    except Broken as error:
        raise Broken(f"{call.verb} again after {after}: {error}") from None
    done = await call.effects()
    check(done == 1, f"{call.verb}, {after}, and again under its key: done {done} times")
