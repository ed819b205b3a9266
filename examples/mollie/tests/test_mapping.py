"""Mollie's objects in, our facts out, where the fake would never send such objects."""

from typing import Any

import msgspec
import pytest
from gateway_mollie import mapping
from gateway_mollie.client import decoded
from gateway_mollie.fake import hal
from gateway_mollie.fake.books import Books, Payment
from gateway_mollie.mapping import Entry, Truth
from mollie import models as mollie

from gateway.facts import Authorized, Captured, Failed, Pending, ProviderFact, Unrecognized

URL = "https://mollie.example"


def held(books: Books) -> Payment:
    """A payment of 5.00 EUR, authorized."""
    payment = books.create(
        {
            "amount": {"currency": "EUR", "value": "5.00"},
            "description": "A-1",
            "redirectUrl": URL,
            "captureMode": "manual",
        }
    )
    books.pay(payment)
    return payment


def truth(payment: Payment, *captures: dict[str, Any], **changed: Any) -> Truth:
    """What Mollie would tell of it, but for what is `changed`."""
    told = hal.payment(payment, URL) | changed
    listed = [
        decoded(mollie.ListCaptureResponse.model_validate(capture), Entry) for capture in captures
    ]
    return Truth(decoded(mollie.PaymentResponse.model_validate(told), mapping.Payment), listed)


def capture(books: Books, payment: Payment, value: str, **changed: Any) -> dict[str, Any]:
    """A capture of it as Mollie would list it."""
    made = books.capture(payment, {"amount": {"currency": "EUR", "value": value}})
    return hal.capture(payment, made, URL) | changed


def money(facts: list[ProviderFact]) -> list[int]:
    """The amounts that were captured."""
    return [fact.amount for fact in facts if isinstance(fact, Captured)]


@pytest.mark.parametrize("value", ["5.001", "5,00", "", "1e3", "٥.00", "0x5"])
def test_amount_that_is_none(value: str) -> None:
    """It is never rounded, and never money."""
    amount = {"currency": "EUR", "value": value}
    facts = truth(held(Books()), amount=amount).facts()
    assert not [fact for fact in facts if isinstance(fact, Authorized | Captured)]
    assert [fact for fact in facts if isinstance(fact, Unrecognized)]


def test_currency_that_is_none() -> None:
    """Nor is that of a currency which does not exist."""
    facts = truth(held(Books()), amount={"currency": "EUX", "value": "5.00"}).facts()
    assert [fact for fact in facts if isinstance(fact, Unrecognized)]


def test_captures_add_up() -> None:
    """Who captures in parts at Mollie has a fact for each."""
    books = Books()
    payment = held(books)
    parts = [capture(books, payment, "2.00"), capture(books, payment, "3.00")]
    assert money(truth(payment, *parts).facts()) == [200, 300]


@pytest.mark.parametrize(
    ("status", "kind"), [("pending", Pending), ("failed", Failed), ("odd", Unrecognized)]
)
def test_capture_that_is_not_done(status: str, kind: type[ProviderFact]) -> None:
    """No money yet; and the rest is not let go."""
    books = Books()
    payment = held(books)
    told = truth(
        payment, capture(books, payment, "2.00", status=status, metadata={"payment_id": "p"})
    )
    facts = told.facts()
    assert money(facts) == []
    assert [fact for fact in facts if isinstance(fact, kind)]
    assert not told.leaves_a_rest


def test_paid_with_captures_yet_unlisted() -> None:
    """The payment's amount is not taken for the captures' that are still to be listed."""
    books = Books()
    payment = held(books)
    capture(books, payment, "2.00")
    books.release(payment)
    assert money(truth(payment).facts()) == []


@pytest.mark.parametrize("text", ["", "yesterday", "0000-01-01T00:00:00Z", "2026-01-02"])
def test_time_that_is_none(text: str) -> None:
    """It is an answer that cannot be read."""
    with pytest.raises(msgspec.ValidationError):
        truth(held(Books()), authorizedAt=text)
