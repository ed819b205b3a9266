"""How long to wait before the next try."""

from datetime import timedelta

LONGEST_PAUSE = timedelta(hours=6)


def backoff(tries: int, first: timedelta = timedelta(seconds=5)) -> timedelta:
    """Doubling pauses: `first` after the first try, six hours at most."""
    return min(first * (1 << min(max(tries - 1, 0), 20)), LONGEST_PAUSE)
