"""What the providers tell of their webhooks, as the doctor is given it."""

from typing import Any

import httpx
import pytest

from gateway.errors import Unavailable
from providers.paypal.events import READERS
from providers.paypal.notifications import Notifications
from providers.stripe.events import unread


class Tokens:
    """The part of the SDK that gives out tokens."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    async def bearer(self) -> str:
        return f"Bearer {len(self.refused)}"

    async def refuse(self, bearer: str) -> None:
        self.refused.append(bearer)


def notifications(http: httpx.AsyncClient, tokens: Any) -> Notifications:
    return Notifications(http, tokens, "https://api.example", "OURS")


def test_stripe_s_events_that_are_not_sent() -> None:
    assert unread(["*"]) == ()
    assert "charge.updated" in unread(["charge.refunded"])
    assert "charge.refunded" not in unread(["charge.refunded"])
    assert unread(unread([])) == ()


async def test_paypal_s_webhooks() -> None:
    some = [name for name in sorted(READERS) if name != "PAYMENT.CAPTURE.DENIED"]
    body = {
        "webhooks": [
            {"id": "OURS", "url": "https://a.example", "event_types": [{"name": n} for n in some]},
            {"id": "OTHER", "url": "https://b.example", "event_types": [{"name": "*"}]},
        ]
    }
    date = "Sat, 31 Jan 2026 12:00:00 GMT"
    answers = [
        httpx.Response(401),
        httpx.Response(200, json=body, headers={"date": date}),
        httpx.Response(200, json=body),
    ]
    tokens = Tokens()
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answers.pop(0))) as http:
        webhooks, at = await notifications(http, tokens).webhooks()
        _, without = await notifications(http, tokens).webhooks()
    assert tokens.refused == ["Bearer 0"]
    assert at is not None
    assert (at.isoformat(), without) == ("2026-01-31T12:00:00+00:00", None)
    assert [(hook.id, hook.missing) for hook in webhooks] == [
        ("OURS", ("PAYMENT.CAPTURE.DENIED",)),
        ("OTHER", ()),
    ]
    assert [hook.trouble for hook in webhooks] == ["", "PAYPAL_WEBHOOK_ID must be OTHER"]


@pytest.mark.parametrize("answer", [httpx.Response(403), httpx.Response(200, text="<html>")])
async def test_paypal_says_nothing_of_use(answer: httpx.Response) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as http:
        with pytest.raises(Unavailable):
            await notifications(http, Tokens()).webhooks()
