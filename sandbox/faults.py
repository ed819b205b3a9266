"""Faults on demand: the wrapper that every provider operation goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from litestar import Request, Response

if TYPE_CHECKING:
    from sandbox.world import World

AnyRequest = Request[Any, Any, Any]
Reply = Response[Any]

FAULTS = (
    "timeout_before",
    "timeout_after",
    "http_500",
    "http_429",
    "http_503",
    "reset",
    "slow",
    "garbage",
)
DEFAULT_SECONDS = {"slow": 2.0}
HANG_SECONDS = 30.0
ABORT = "sandbox.abort"
"""The key in the ASGI scope's extensions under which `sandbox.server` offers to cut the wire."""


@dataclass
class Fault:
    """`times` more calls of `operation` (`*`: any) meet `fault`; `seconds` is how long it takes."""

    provider: str
    operation: str
    fault: str
    times: int
    seconds: float


class Faults:
    """The faults that are still to happen, first in first out."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(
        self,
        provider: str,
        operation: str,
        fault: str,
        times: int = 1,
        seconds: float | None = None,
    ) -> Fault:
        """Queue a fault. Raises ValueError for an unknown fault or fewer than one time."""
        if fault not in FAULTS:
            raise ValueError(f"fault must be one of: {', '.join(FAULTS)}")
        if times < 1:
            raise ValueError("times must be at least 1")
        if seconds is None:
            seconds = DEFAULT_SECONDS.get(fault, HANG_SECONDS)
        added = Fault(provider, operation, fault, times, seconds)
        self._waiting.append(added)
        return added

    def take(self, provider: str, operation: str) -> Fault | None:
        """The fault that this call meets, if any; uses up one of its times."""
        for fault in self._waiting:
            if fault.provider == provider and fault.operation in (operation, "*"):
                fault.times -= 1
                if not fault.times:
                    self._waiting.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Forget the faults that have not happened yet."""
        self._waiting.clear()

    def listing(self) -> list[dict[str, Any]]:
        """What is still to happen, for the control call."""
        return [asdict(fault) for fault in self._waiting]


async def guarded(
    world: World,
    provider: str,
    operation: str,
    request: AnyRequest,
    act: Callable[[], Awaitable[Reply]],
    fail: Callable[[int], Awaitable[Reply]],
    act_slowly: Callable[[float], Awaitable[Reply]] | None = None,
) -> Reply:
    """Run one provider operation through the faults that wait for it.

    `act` does the operation and answers, errors of the provider's kind included. `fail(status)`
    answers an `http_…` fault as the provider would (Stripe remembers a 500 under the idempotency
    key). `act_slowly(seconds)` is busy with the operation for so long (a key is in use
    meanwhile); without it the fault `slow` waits first and acts then.
    """
    fault = world.faults.take(provider, operation)
    kind = fault.fault if fault else None
    call: dict[str, Any] = {
        "provider": provider,
        "operation": operation,
        "fault": kind,
        "status": None,
    }
    world.calls.append(call)
    if fault is None:
        reply = await act()
    elif fault.fault == "slow" and act_slowly is not None:
        reply = await act_slowly(fault.seconds)
    else:
        reply = await _meet(request, act, fail, fault)
    call["status"] = reply.status_code if kind not in _UNANSWERED else None
    return reply


_UNANSWERED = ("timeout_before", "timeout_after", "reset")


async def _meet(
    request: AnyRequest,
    act: Callable[[], Awaitable[Reply]],
    fail: Callable[[int], Awaitable[Reply]],
    fault: Fault,
) -> Reply:
    match fault.fault:
        case "timeout_before":
            return await _hang(request, fault.seconds)
        case "timeout_after":
            await act()
            return await _hang(request, fault.seconds)
        case "reset":
            return await _hang(request, 0)
        case "slow":
            await asyncio.sleep(fault.seconds)
            return await act()
        case "garbage":
            await act()
            page = "<html><body><h1>It works!</h1></body></html>"
            return Response(page, status_code=200, media_type="text/html")
    return await fail(int(fault.fault.removeprefix("http_")))


async def _hang(request: AnyRequest, seconds: float) -> Reply:
    """Say nothing until the client has gone, for at most `seconds`; then cut the connection."""
    try:
        async with asyncio.timeout(seconds):
            await _until_gone(request)
    except TimeoutError:
        extensions: dict[str, Any] = request.scope.get("extensions") or {}
        extensions[ABORT]()
        await _until_gone(request)
    return Response(b"", status_code=500)


async def _until_gone(request: AnyRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
