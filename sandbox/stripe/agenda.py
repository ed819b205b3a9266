"""What is to happen later, by the sandbox's clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Agenda:
    """Actions with a time; each decides for itself whether it still applies when it is due."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._order = count()

    def add(self, at: int, action: Callable[[], object]) -> None:
        """Run `action` at the second `at`, or at the first look at the agenda after it."""
        heapq.heappush(self._heap, (at, next(self._order), action))

    def run_due(self, now: int) -> None:
        """Run everything whose time has come, in order of time."""
        while self._heap and self._heap[0][0] <= now:
            _, _, action = heapq.heappop(self._heap)
            action()
