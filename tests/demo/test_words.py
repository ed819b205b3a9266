"""Amounts, states and the timeline in words: pure functions."""

from typing import Any

import pytest

from api.demo import words

PAID_AT = "2026-03-01T10:00:01.500000Z"


def entry(kind: str, summary: str, rule: str = "", *, second: int = 0, **data: Any) -> words.Json:
    at = f"2026-03-01T10:00:{second:02}Z"
    return {"at": at, "kind": kind, "summary": summary, "rule": rule, "data": data}


def captured(rule: str, second: int) -> words.Json:
    return entry("fact", "captured 1800 USD", rule, second=second, key="captured:ch_1:1800:USD")


def webhook(event: str, second: int, kind: str = "payment.done") -> words.Json:
    return entry("webhook", f"{kind} from acme", "applied", second=second, event=event)


def order(**values: Any) -> words.Json:
    return {
        "status": "paid",
        "currency": "USD",
        "amount": 1800,
        "amount_captured": 1800,
        "amount_refunded": 0,
        "fee": 82,
        "checkout_url": None,
        "payments": [],
        "refunds": [],
    } | values


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (0, "USD", "$0.00"),
        (5, "USD", "$0.05"),
        (123456789, "USD", "$1,234,567.89"),
        (-500, "EUR", "−€5.00"),
        (2600, "JPY", "¥2,600"),
        (1234, "KWD", "1.234 KWD"),
        (10**13, "CHF", "100,000,000,000.00 CHF"),
        (7, "XYZ", "7 XYZ"),
    ],
)
def test_money(amount: int, currency: str, text: str) -> None:
    assert words.money(amount, currency) == text


def test_nothing_is_proven_before_the_capture() -> None:
    assert words.proof([webhook("evt_1", 1, "checkout.approved")]) is None


def test_the_webhook_that_brought_the_capture_proves_it() -> None:
    entries = [
        webhook("evt_1", 1, "checkout.approved"),
        webhook("evt_2", 2),
        captured("new, from acme event evt_2", 2),
        webhook("evt_3", 3, "charge.updated"),
    ]
    proof = words.proof(entries)
    assert proof is not None
    assert (proof.webhook, proof.at.second) == ("payment.done", 2)


def test_where_the_answer_was_quicker_the_next_webhook_proves_it() -> None:
    entries = [
        webhook("evt_1", 1, "checkout.approved"),
        captured("new, from the answer to confirm", 2),
        webhook("evt_2", 3),
    ]
    proof = words.proof(entries)
    assert proof is not None
    assert (proof.webhook, proof.at.second) == ("payment.done", 3)


def test_a_webhook_of_a_refund_proves_no_payment() -> None:
    entries = [
        captured("new, from the answer to confirm", 2),
        entry("fact", "refund reserved 500 USD", second=3, key="refund_reserved:ref_1"),
        webhook("evt_9", 4, "refund.done"),
    ]
    proof = words.proof(entries)
    assert proof is not None
    assert (proof.webhook, proof.at.second) == (None, 2)


@pytest.mark.parametrize(
    ("values", "tone", "sentence"),
    [
        ({"status": "open", "checkout_url": "https://x"}, "wait", "Nothing was charged yet."),
        ({"status": "open"}, "wait", "Acme is preparing the checkout."),
        ({"status": "processing"}, "wait", "Waiting for Acme's confirmation."),
        ({"status": "authorized"}, "wait", "Acme holds the amount"),
        ({"status": "paid"}, "good", "Paid with Acme."),
        ({"status": "partially_refunded", "amount_refunded": 500}, "back", "$5.00 of $18.00"),
        ({"status": "refunded", "amount_refunded": 1800}, "back", "All $18.00"),
        ({"status": "canceled"}, "off", "Nothing was charged."),
        ({"status": "expired"}, "off", "The time to pay ran out."),
    ],
)
def test_every_status_has_words(values: words.Json, tone: str, sentence: str) -> None:
    verdict = words.status(order(**values), None, "Acme")
    assert verdict.tone == tone
    assert sentence in verdict.sentence


def test_a_declined_card_is_told() -> None:
    failure = {"code": "card_declined", "message": "Your card was declined."}
    shown = order(status="open", checkout_url="https://x", payments=[{"failure": failure}])
    told = words.status(shown, None, "Acme").sentence
    assert told == "The last try failed: Your card was declined. Nothing was charged."


def test_paid_says_whether_the_webhook_came() -> None:
    at = words.when(PAID_AT)
    waiting = words.status(order(), words.Proof(at, None), "Acme").sentence
    assert "webhook is on the way" in waiting
    confirmed = words.status(order(), words.Proof(at, "payment.done"), "Acme").sentence
    assert "confirmed by Acme's webhook at 10:00:01 UTC" in confirmed


@pytest.mark.parametrize(
    ("values", "proof", "looks_again"),
    [
        ({"status": "open"}, None, True),
        ({}, None, True),
        ({}, words.Proof(words.when(PAID_AT), None), True),
        ({}, words.Proof(words.when(PAID_AT), "payment.done"), False),
        ({"fee": None}, words.Proof(words.when(PAID_AT), "payment.done"), True),
        ({"status": "refunded", "refunds": [{"status": "pending"}]}, None, True),
        ({"status": "refunded", "refunds": [{"status": "succeeded"}]}, None, False),
        ({"status": "expired"}, None, False),
    ],
)
def test_a_page_looks_again_until_all_is_known(
    values: words.Json, proof: words.Proof | None, looks_again: bool
) -> None:
    assert words.unsettled(order(**values), proof) is looks_again


def test_steps_format_amounts_and_count_from_the_first() -> None:
    entries = [entry("fact", "payment started 2600 JPY"), captured("new", 30)]
    first, second = words.steps(entries)
    assert (first.summary, first.after) == ("payment started ¥2,600", "+0.00 s")
    assert (second.summary, second.after) == ("captured $18.00", "+30.00 s")
    assert second.details == (("key", "captured:ch_1:1800:USD"),)


@pytest.mark.parametrize(
    ("used", "text"),
    [
        (None, ""),
        ({"type": "card", "brand": "visa", "last4": "4242"}, "Visa ending in 4242"),
        ({"type": "bank_debit", "brand": None, "last4": None}, "Bank debit"),
        ({"type": "acme", "brand": None, "last4": None}, "Acme"),
    ],
)
def test_method(used: words.Json | None, text: str) -> None:
    assert words.method({"method": used}, "Acme") == text
