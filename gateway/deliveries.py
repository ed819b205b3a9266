"""Webhooks to merchants: when to try again, when to pause, when to give up. Pure.

The schedule is that of the Standard Webhooks specification. One endpoint's trouble is its own:
after a few failures in a row its circuit opens, and nothing is sent to it but one delivery now and
then that finds out whether it is back. Deliveries about one order arrive in the order's sequence as
far as retries allow: a later one waits while an earlier one is pending that has had fewer than
`ORDERED_TRIES` tries (storage/deliveries.py asks the database so).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from gateway.http_date import http_date

DeliveryStatus = Literal["pending", "delivered", "failed", "canceled"]
EndpointStatus = Literal["enabled", "disabled"]
Circuit = Literal["closed", "open", "half_open"]

#: The pause after the first try, after the second, …: ten tries within about 76 hours.
PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
MAX_TRIES = len(PAUSES) + 1
#: Each pause is made up to this part longer or shorter, so that retries do not come in waves.
JITTER = 0.1
LONGEST_RETRY_AFTER = timedelta(hours=24)
#: Deliveries under way at once to one endpoint, and in one process.
PER_ENDPOINT = 4
PER_PROCESS = 256
#: So many tries of an earlier delivery of the same order hold the later ones back.
ORDERED_TRIES = 3
#: Failures in a row that open the circuit; it stays open for ever longer, doubling.
CIRCUIT_AFTER = 5
_FIRST_OPEN, _LONGEST_OPEN = timedelta(minutes=1), timedelta(hours=1)
#: An endpoint that has failed for so long, without a success in between, is disabled.
DISABLE_AFTER = timedelta(days=5)
#: Answers that ask for less: their Retry-After holds for the whole endpoint.
_SLOW_DOWN = frozenset({429, 503})
_GONE = 410


class Reply(msgspec.Struct, frozen=True):
    """What came of one try. `status` is None when there was no answer; `error` says why.

    `body` is the beginning of the answer's body, `retry_after` its header as it was.
    """

    status: int | None
    milliseconds: int
    body: bytes = b""
    retry_after: str = ""
    error: str = ""

    @property
    def ok(self) -> bool:
        """Any 2xx is a receipt; everything else, redirects too, is a failure."""
        return self.status is not None and 200 <= self.status < 300


class Health(msgspec.Struct, frozen=True):
    """How an endpoint has done lately.

    `failures` in a row, the first of them at `failing_since`. Nothing is sent before `open_until`.
    """

    failures: int = 0
    failing_since: datetime | None = None
    open_until: datetime | None = None

    @property
    def tripped(self) -> bool:
        """The circuit is not closed: the next delivery goes alone, as a probe."""
        return self.failures >= CIRCUIT_AFTER

    def circuit(self, now: datetime) -> Circuit:
        """closed, open, or half open (time for a probe)."""
        if not self.tripped:
            return "closed"
        return "open" if self.open_until is not None and self.open_until > now else "half_open"


class Verdict(msgspec.Struct, frozen=True):
    """What follows from a try.

    `run_at` is the next one's time while the delivery is pending. `recovered`: the circuit closes,
    what waits for this endpoint is due now. `disable`: why to disable the endpoint, or empty.
    """

    status: DeliveryStatus
    run_at: datetime
    health: Health
    recovered: bool = False
    disable: str = ""


def judge(
    reply: Reply,
    tries: int,
    health: Health,
    now: datetime,
    *,
    probe: bool,
    randomness: Callable[[int], bytes],
) -> Verdict:
    """Decide after a try. `tries` counts this one; `health` is the endpoint's before it.

    `probe`: it was sent to see whether the endpoint is back. Others that were under way when the
    circuit opened say nothing new, and leave it as it is.
    """
    if reply.ok:
        paused = None if health.tripped else health.open_until  # another one's Retry-After holds
        return Verdict("delivered", now, Health(open_until=paused), recovered=health.tripped)
    since = health.failing_since or now
    if reply.status == _GONE:
        after = Health(health.failures + 1, since)
        return Verdict("failed", now, after, disable="the endpoint answered 410 Gone")
    after = Health(health.failures, since, health.open_until)
    if probe or not health.tripped:
        failures = health.failures + 1
        after = Health(failures, since, _open_until(failures, now))
    wait = retry_after(reply, now)
    if wait is not None:
        after = msgspec.structs.replace(after, open_until=max(after.open_until or now, now + wait))
    disable = ""
    if now - since >= DISABLE_AFTER:
        disable = f"every delivery has failed for {DISABLE_AFTER.days} days"
    if tries >= MAX_TRIES:
        return Verdict("failed", now, after, disable=disable)
    pause = max(next_pause(tries, randomness), wait or timedelta())
    return Verdict("pending", now + pause, after, disable=disable)


def slots(free: int) -> int:
    """How many deliveries an endpoint may have under way where so many of the process's are free.

    The second half is for endpoints with nothing under way: slow ones keep theirs for long, and
    must not take all.
    """
    return PER_ENDPOINT if free > PER_PROCESS // 2 else 1


def next_pause(tries: int, randomness: Callable[[int], bytes]) -> timedelta:
    """How long to wait after the `tries`-th try, with jitter."""
    share = int.from_bytes(randomness(4), "big") / 0xFFFF_FFFF
    return PAUSES[tries - 1] * (1 + JITTER * (2 * share - 1))


def retry_after(reply: Reply, now: datetime) -> timedelta | None:
    """How long a 429 or 503 asks us to wait: seconds or an HTTP date; at most 24 hours."""
    text = reply.retry_after.strip()
    if reply.status not in _SLOW_DOWN or not text:
        return None
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=min(int(text[:9]), 10**8))
    else:
        at = http_date(text)
        if at is None:
            return None
        wait = at - now
    return min(max(wait, timedelta()), LONGEST_RETRY_AFTER)


def _open_until(failures: int, now: datetime) -> datetime | None:
    if failures < CIRCUIT_AFTER:
        return None
    return now + min(_FIRST_OPEN * (1 << min(failures - CIRCUIT_AFTER, 16)), _LONGEST_OPEN)
