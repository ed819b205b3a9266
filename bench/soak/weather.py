"""What goes wrong: the providers' faults, their webhooks, and the gateway's own processes."""

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar

from bench.soak.processes import Program
from bench.soak.town import LEASE_SECONDS, PROVIDERS, Town

T = TypeVar("T")
FAULTS = (
    "timeout_before", "timeout_after", "http_500", "http_429", "http_503", "reset", "slow",
    "garbage",
)  # fmt: skip
MODES = ("normal", "hold", "duplicate", "shuffle", "drop", "forge")
#: What of each provider the gateway calls, the sandbox's names; `*` is any of them.
OPERATIONS = {
    "stripe": (
        "*", "create_session", "retrieve_session", "expire_session", "retrieve_payment_intent",
        "capture", "cancel", "refund", "refund", "list_refunds", "list_events",
    ),
    "paypal": (
        "*", "token", "create_order", "get_order", "capture_order", "capture_order",
        "authorize_order", "capture_authorization", "void_authorization", "refund", "refund",
        "get_refund", "cert",
    ),
}  # fmt: skip
DEATHS = ("kill", "kill", "sleep", "sleep", "end")


def cycles(values: Sequence[T], rng: Random) -> Iterator[T]:
    """All values in random order, then again: every one comes along soon."""
    while True:
        yield from rng.sample(values, len(values))


async def faults(town: Town, rng: Random, counts: Counter[str]) -> None:
    """Providers that fail, for ever; now and then nothing is wrong with them."""
    order = cycles(FAULTS, rng)
    while True:
        added: Counter[str] = Counter()
        try:
            for _ in range(rng.randint(4, 12)):
                fault, times = next(order), rng.randint(1, 4)
                await _fault(town, rng, fault, times)
                added[f"met {fault}"] += times
                await asyncio.sleep(rng.uniform(0.1, 1))
        finally:
            waiting = (await town.look("faults"))["faults"]
            await clear_faults(town)
            for one in waiting:
                added[f"met {one['fault']}"] -= one["times"]
            counts.update(added)
        await asyncio.sleep(rng.uniform(0, 2))


async def _fault(town: Town, rng: Random, fault: str, times: int) -> None:
    provider = rng.choice(PROVIDERS)
    long = rng.random() < 0.05  # longer than the gateway's patience with a provider
    await town.control(
        "faults",
        provider=provider,
        operation=rng.choice(OPERATIONS[provider]),
        fault=fault,
        times=times,
        seconds=20.0 if long else round(rng.uniform(0.2, 3), 1),
    )


async def clear_faults(town: Town) -> None:
    """From now on the providers work."""
    (await town.sandbox.delete("/_control/faults")).raise_for_status()


async def webhooks(town: Town, rng: Random, counts: Counter[str]) -> None:
    """Webhooks that come late, twice, in disorder, not at all or forged, for ever."""
    for mode in cycles(MODES, rng):
        await town.control("webhooks", mode=mode)
        counts[f"webhooks {mode}"] += 1
        await asyncio.sleep(rng.uniform(1, 5))
        if rng.random() < 0.5:
            await town.control("webhooks", release=True)


async def deaths(town: Town, rng: Random, counts: Counter[str]) -> None:
    """Processes that are killed, fall asleep for longer than their leases, or are restarted."""
    kinds = cycles(DEATHS, rng)
    while True:
        await asyncio.sleep(rng.uniform(1, 5))
        program, kind = rng.choice(town.programs), next(kinds)
        counts[f"process {kind}"] += 1
        await _die(program, kind, rng)


async def _die(program: Program, kind: str, rng: Random) -> None:
    if kind == "kill":
        await program.kill()
        await asyncio.sleep(rng.uniform(0, 1))
        program.start()
    elif kind == "sleep":
        program.send(signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(0.5, 2 * LEASE_SECONDS))
        program.wake()
    else:
        await program.stop()
        program.start()


async def clears(town: Town) -> None:
    """Faults stop, webhooks that are held go out, every process runs and is awake."""
    await clear_faults(town)
    await town.up()
    await town.control("webhooks", mode="normal", release=True)
