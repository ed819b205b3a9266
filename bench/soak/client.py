"""A merchant's client: it repeats a request under its key until the answer is one that stays."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from bench.soak.town import Town

#: 409s that ask for patience; every other 409 is an answer that stays.
_WAIT = ("idempotency_in_flight", "payment_in_doubt", "conflict")
#: Refusals by rule come before anything is reserved: nothing is done, and no key is used up.
_NOTHING_DONE = (
    "nothing_to_refund", "refund_exceeds_captured", "order_not_authorized",
    "capture_exceeds_authorized", "not_supported_by_provider",
)  # fmt: skip
_PATIENCE = 40.0


@dataclass
class Books:
    """What the merchants were told, to be held against what is there at the end.

    `told`: the first answer that stays, by key; `refunds`: the refund that a key was answered with.
    """

    counts: Counter[str] = field(default_factory=Counter)
    told: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    orders: set[str] = field(default_factory=set)
    refunds: dict[str, str] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)


class Client:
    """Calls of one merchant, through whichever API comes next."""

    def __init__(self, town: Town, http: httpx.AsyncClient, books: Books, rng: Random) -> None:
        self._town = town
        self._http = http
        self._books = books
        self._rng = rng

    async def post(
        self, path: str, body: dict[str, Any] | None = None, key: str | None = None
    ) -> tuple[int, Any]:
        """POST until the answer stays, or patience ends (status 0). Keys are answered alike for
        ever: another answer than the first one is a breach."""
        headers = {"Idempotency-Key": key} if key else {}
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        while loop.time() < deadline:
            answer = await self._try("POST", path, body, headers)
            if answer is not None and _stays(answer):
                if key and not _nothing_done(answer):
                    self._remember(key, answer)
                return answer.status_code, answer.json()
            await asyncio.sleep(self._rng.uniform(0.1, 1))
        self._books.counts["requests given up"] += 1
        return 0, None

    async def get(self, path: str) -> Any:
        """GET; None where there is no good answer."""
        answer = await self._try("GET", path, None, {})
        return answer.json() if answer is not None and answer.status_code == 200 else None

    async def visit(self, path: str) -> None:
        """What a buyer's browser does, whatever comes of it."""
        await self._try("GET", path, None, {})

    async def _try(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> httpx.Response | None:
        url = self._rng.choice(self._town.apis) + path
        content = json.dumps(body or {}).encode() if method == "POST" else None
        headers = headers | {"content-type": "application/json"}
        headers["authorization"] = f"Bearer {self._town.key}"
        self._books.counts["requests"] += 1
        try:
            answer = await self._http.request(method, url, content=content, headers=headers)
        except httpx.HTTPError:
            self._books.counts["requests unanswered"] += 1
            return None
        self._books.counts[f"answers {answer.status_code // 100}xx"] += 1
        if answer.status_code == 500:
            self._books.breaches.append(f"{method} {path}: 500 {answer.text[:200]}")
        return answer

    def _remember(self, key: str, answer: httpx.Response) -> None:
        new = (answer.status_code, answer.content)
        first = self._books.told.setdefault(key, new)
        if first != new:
            self._books.breaches.append(f"the key {key} was answered {first}, and then {new}")


def _stays(answer: httpx.Response) -> bool:
    if answer.status_code == 409:
        return answer.json()["code"] not in _WAIT
    return answer.status_code < 429


def _nothing_done(answer: httpx.Response) -> bool:
    return answer.status_code >= 400 and answer.json()["code"] in _NOTHING_DONE
