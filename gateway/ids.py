"""Identifiers: a prefix that says what it is, and a UUIDv7 that says when it was made."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from gateway.ports import Clock

#: Prefixes of every id that others see, and of the few that stay inside.
_SEEN = (
    "mer",
    "key",
    "ord",
    "pay",
    "ref",
    "dsp",
    "prod",
    "evt",
    "whe",
    "dlv",
    "att",
    "req",
    "txn",
    "ltx",
    "pout",
    "exc",
    "exp",
)
_INSIDE = ("job", "tln", "usr", "aud", "view")
PREFIXES = frozenset((*_SEEN, *_INSIDE))


def _uuid7(milliseconds: int, random_bits: int) -> str:
    """RFC 9562: 48 bits of Unix milliseconds, version 7, 74 random bits; as 32 hex digits."""
    rand_a = (random_bits >> 62) & 0xFFF
    rand_b = random_bits & (1 << 62) - 1
    value = milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b
    return f"{value:032x}"


class Ids:
    """Makes ids that sort by the time they were made, strictly so within one process.

    `clock` and `randomness` (n → n random bytes) are injected, so that a run can be replayed.
    """

    def __init__(self, clock: Clock, randomness: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._randomness = randomness
        self._last = (0, 0)

    def new(self, prefix: str) -> str:
        """A fresh id such as `ord_0190c1…`. `prefix` is one of PREFIXES."""
        if prefix not in PREFIXES:
            raise ValueError(f"unknown id prefix {prefix!r}")
        milliseconds = _milliseconds(self._clock.now())
        bits = int.from_bytes(self._randomness(10), "big") & (1 << 74) - 1
        last_ms, last_bits = self._last
        if milliseconds <= last_ms:  # same millisecond, or the clock was set back: count on
            milliseconds, bits = last_ms, last_bits + 1 + (bits & 0xFFFF)
            if bits >> 74:
                milliseconds, bits = last_ms + 1, bits & (1 << 74) - 1
        self._last = (milliseconds, bits)
        return f"{prefix}_{_uuid7(milliseconds, bits)}"


def derived_id(prefix: str, origin: str, *parts: str) -> str:
    """The id of something that we learn of from outside, always the same for the same `parts`.

    A refund made in a provider's dashboard gets its id this way, so that a projection computed
    anew finds the same record again. The time in it is that of `origin`, the id of the payment it
    belongs to, since that is the only time about it that never changes.
    """
    if prefix not in PREFIXES:
        raise ValueError(f"unknown id prefix {prefix!r}")
    milliseconds = int(origin.partition("_")[2][:12], 16)
    return _hashed(prefix, milliseconds, (origin, *parts))


def dated_id(prefix: str, at: datetime, *parts: str) -> str:
    """The same for what belongs to no payment, and happened at a time that never changes."""
    if prefix not in PREFIXES:
        raise ValueError(f"unknown id prefix {prefix!r}")
    return _hashed(prefix, _milliseconds(at), parts)


def earliest(prefix: str, at: datetime, later: timedelta = timedelta()) -> str:
    """What sorts before every id that is made `later` than `at`, and after all made before."""
    milliseconds = _milliseconds(at) + later // timedelta(milliseconds=1)
    return f"{prefix}_{max(0, milliseconds):012x}"


def _hashed(prefix: str, milliseconds: int, parts: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\x00".join(parts).encode()).digest()
    return f"{prefix}_{_uuid7(milliseconds, int.from_bytes(digest[:10], 'big') >> 6)}"


def _milliseconds(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1000)
