"""The sandbox's time: the real time, plus however far somebody moved it forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """A UTC clock that can be advanced but never runs backwards (except by `reset`)."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        """The sandbox's present, in UTC."""
        return datetime.now(UTC) + self._offset

    def timestamp(self) -> int:
        """The sandbox's present in whole seconds since 1970, as Stripe writes times."""
        return int(self.now().timestamp())

    def real(self) -> datetime:
        """The time outside of the sandbox: what the receiver of a webhook has on its own clock."""
        return datetime.now(UTC)

    def advance(self, seconds: float) -> datetime:
        """Move the present forward and return it. Raises ValueError for a step backwards."""
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self._offset += timedelta(seconds=seconds)
        return self.now()

    def reset(self) -> None:
        """Go back to the real time."""
        self._offset = timedelta()
