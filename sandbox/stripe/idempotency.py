"""Idempotency keys as Stripe keeps them: the first result under a key is the only one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.stripe.errors import StripeError

KEPT_SECONDS = 86_400
LONGEST = 255


@dataclass
class Answer:
    """What was answered, ready to be sent again."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Entry:
    path: str
    fingerprint: str
    created: int
    answer: Answer | None = None


class Keys:
    """The keys of one account. A key lives 24 hours by the sandbox's clock; then it runs again."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._entries: dict[str, _Entry] = {}

    async def run(
        self,
        key: str,
        path: str,
        params: dict[str, Any],
        execute: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """The answer under a key: by `execute` the first time, afterwards the one that was kept,
        errors and 500s included, marked as replayed.

        Validation comes before this and leaves no trace. Raises StripeError: 400 for a key that is
        too long or was used with another request, 409 while its first request is under way.
        """
        if len(key) > LONGEST:
            message = f"Idempotency keys may only be up to {LONGEST} characters"
            raise StripeError(message, code="idempotency_key_too_long")
        self._forget_old()
        fingerprint = hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()
        known = self._entries.get(key)
        if known is not None:
            return _replay(key, known, path, fingerprint)
        entry = self._entries[key] = _Entry(path, fingerprint, self._now())
        try:
            entry.answer = await execute()
        finally:
            if entry.answer is None:
                del self._entries[key]
        return entry.answer

    def _forget_old(self) -> None:
        while self._entries:
            key, oldest = next(iter(self._entries.items()))
            if self._now() - oldest.created < KEPT_SECONDS:
                return
            del self._entries[key]


def _replay(key: str, known: _Entry, path: str, fingerprint: str) -> Answer:
    advice = f"Try using a key other than '{key}' if you meant to execute a different request."
    if known.path != path:
        message = (
            "Keys for idempotent requests can only be used for the same endpoint they were first "
            f"used for ('{known.path}'). {advice}"
        )
        raise StripeError(message, type="idempotency_error")
    if known.fingerprint != fingerprint:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. {advice}"
        )
        raise StripeError(message, type="idempotency_error")
    if known.answer is None:
        raise StripeError(
            "There is currently another in-progress request using this Idempotent Key (that "
            "probably means you submitted twice, and the other request is still going through): "
            f"{key}. Please try your request again in a bit.",
            status=409,
            type="idempotency_error",
            code="idempotency_key_in_use",
            headers={"stripe-should-retry": "true"},
        )
    first = known.answer
    marks = {"idempotent-replayed": "true", "original-request": first.headers["request-id"]}
    return Answer(first.status, first.body, first.headers | marks)
