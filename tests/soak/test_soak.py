"""A soak of some seconds, with a fixed seed: it prints its counts, and finds no breach."""

import re
import subprocess
import sys

import pytest

from bench.soak.audit import charges, refunds, told
from bench.soak.client import Books
from tests.project.files import ROOT


def test_a_short_soak_finds_no_breach() -> None:
    command = [sys.executable, "-m", "bench.soak", "--seconds", "5", "--seed", "7"]
    command += ["--merchants", "8", "--settle", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("seed 7: no breach\n")
    lines = re.findall(r"^ *(\d+)  (.+)$", done.stdout, re.MULTILINE)
    counts = {name: int(number) for number, name in lines}
    assert counts["orders"] > 0
    assert counts["charges at the providers"] > 0
    assert counts["process starts"] >= 4


CHARGE = {
    "provider": "stripe", "kind": "charge", "id": "ch_1", "order_ref": "pay_1", "amount": 500,
    "currency": "USD", "status": "succeeded",
}  # fmt: skip
REFUND = CHARGE | {"kind": "refund", "id": "re_1", "amount": -200}


def order(captured: int = 500, **refund: object) -> dict[str, object]:
    """An order with one payment, and a refund of it."""
    payment = {"id": "pay_1", "status": "captured", "amount_captured": captured}
    given = {
        "id": "ref_1", "provider_refund_id": "re_1", "amount": 200, "currency": "USD",
        "status": "succeeded", "metadata": {"key": "k"},
    }  # fmt: skip
    return {
        "id": "ord_1",
        "payments": [payment],
        "refunds": [given | refund],
        "attention": [],
    }


def test_books_that_agree() -> None:
    books = Books(orders={"ord_1"}, refunds={"k": "ref_1"})
    ledger = [CHARGE, REFUND]
    assert list(charges([order()], ledger, books.counts)) == []
    assert list(refunds([order()], ledger, books.counts)) == []
    assert list(told(books, {"ord_1": order()})) == []


@pytest.mark.parametrize(
    ("ours", "ledger", "words"),
    [
        (order(0), [CHARGE], "500 taken at the provider, 0"),
        (order(), [], "0 taken at the provider, 500"),
        (order(), [CHARGE, CHARGE | {"id": "ch_2"}], "charged 2 times"),
        (order(), [CHARGE, CHARGE | {"order_ref": "pay_9"}], "unknown here"),
    ],
)
def test_a_charge_that_differs_is_a_breach(
    ours: dict[str, object], ledger: list[dict[str, object]], words: str
) -> None:
    assert any(words in breach for breach in charges([ours], ledger, Books().counts))


@pytest.mark.parametrize(
    ("ours", "ledger", "words"),
    [
        (order(), [], "here is not at the provider"),
        (order(status="failed"), [REFUND], "at the provider is not here"),
        (order(amount=100), [REFUND], "here is not at the provider"),
        (order(), [REFUND, REFUND | {"id": "re_2"}], "at the provider is not here"),
    ],
)
def test_a_refund_that_differs_is_a_breach(
    ours: dict[str, object], ledger: list[dict[str, object]], words: str
) -> None:
    assert any(words in breach for breach in refunds([ours], ledger, Books().counts))


def test_what_was_promised_and_is_not_there_is_a_breach() -> None:
    books = Books(orders={"ord_1", "ord_2"}, refunds={"k": "ref_1", "l": "ref_2"})
    twice = order() | {"refunds": [*order()["refunds"], *order()["refunds"]]}  # type: ignore[misc]
    breaches = list(told(books, {"ord_1": twice}))
    named = [line.split(":")[0] for line in breaches]
    assert named == ["ord_2", "ref_2", "2 refunds under the key k"]
