"""What the adapters ship as proven is what the contract asks now, and the page shows it."""

import json
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from api import matrix
from gateway import proofs
from gateway.conformance import ProviderContract
from gateway.conformance.plugin import written
from gateway.conformance.subject import proofs_of
from gateway.proofs import BASICS, CLAIMS, Proofs
from gateway.provider import ProviderPlugin
from gateway.registry import discover
from providers.stripe.plugin import StripePlugin
from tests.conformance import test_paypal, test_stripe
from tests.project.files import ROOT

CONTRACTS: tuple[type[ProviderContract], ...] = (test_paypal.TestPayPal, test_stripe.TestStripe)
PAGE = ROOT / "docs/providers.md"
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.plugin.name)
def test_the_shipped_proofs_are_those_of_the_contract_as_it_is(contract: Any) -> None:
    file = proofs.file_of(contract.plugin)
    assert file is not None
    shipped = file.read_bytes() if file.is_file() else b""
    assert shipped == written(proofs_of(contract)), (
        "run: .venv/bin/python -m pytest tests/conformance --conformance-write"
    )


def test_the_page_shows_the_matrix() -> None:
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert shown.strip() == matrix.markdown([c.plugin for c in CONTRACTS]), (
        "copy what `gateway providers matrix --markdown` prints into docs/providers.md"
    )


def test_every_claim_is_proven() -> None:
    for contract in CONTRACTS:
        claims = contract.plugin.capabilities
        assert proofs.unproven(contract.plugin) == []
        assert proofs.proofs(contract.plugin) == {
            name: True for name in CLAIMS if getattr(claims, name)
        }


def _run(*options: str) -> Any:
    return CliRunner().invoke(matrix.matrix, options)


def test_the_command() -> None:
    names = list(discover())
    answer = _run("--json")
    assert answer.exit_code == 0, answer.output
    columns = {column["provider"]: column for column in json.loads(answer.stdout)}
    assert list(columns) == names
    assert list(columns["stripe"]["rows"]) == [*BASICS, *CLAIMS]
    assert columns["stripe"]["rows"]["settlement"] == {"claimed": True, "proven": True}
    assert columns["paypal"]["rows"]["settlement"] == {"claimed": False, "proven": False}
    assert columns["paypal"]["rules_kept"] == columns["paypal"]["rules_asked"] > 70
    assert "webhook-rotation" in columns["paypal"]["not_asked"]
    assert _run("--markdown").stdout.startswith("|  | PayPal | Stripe |\n|---|---|---|\n")
    assert "Hosted checkout" in _run().stdout


class Boastful(StripePlugin):
    """Claims what nobody has proven."""


@pytest.mark.parametrize("known", [None, {"disputes": []}, {"disputes": ["a", "b"]}])
def test_a_claim_without_proof_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, known: dict[str, list[str]] | None
) -> None:
    plugin: ProviderPlugin = Boastful()
    file = tmp_path / proofs.FILE
    monkeypatch.setattr(proofs, "file_of", lambda _: file)
    monkeypatch.setattr(matrix, "discover", lambda: {"stripe": plugin})
    if known is not None:
        rows = {row: known.get(row, ["a"]) for row in (*BASICS, *CLAIMS)}
        file.write_bytes(msgspec.json.encode(Proofs("stripe", {"a": True, "b": False}, {}, rows)))
    answer = _run()
    assert answer.exit_code == 1
    assert "CLAIMED, NOT PROVEN" in answer.stdout
    missing = [line for line in answer.stderr.splitlines() if "claims" in line]
    assert "stripe claims disputes, which the conformance kit has not proven" in missing
    assert len(missing) == (len(BASICS) + len(CLAIMS) if known is None else 1)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"provider":"x"}', b"[]"])
def test_a_file_that_is_none_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, content: bytes
) -> None:
    file = tmp_path / proofs.FILE
    file.write_bytes(content)
    monkeypatch.setattr(proofs, "file_of", lambda _: file)
    assert proofs.proofs(StripePlugin()) is None


def test_the_proofs_of_another_prove_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    file = tmp_path / proofs.FILE
    file.write_bytes(written(proofs_of(test_paypal.TestPayPal)))
    monkeypatch.setattr(proofs, "file_of", lambda _: file)
    assert proofs.read(StripePlugin()) is None


def test_a_plugin_outside_of_any_package_ships_no_proofs() -> None:
    lonely = type("Lonely", (StripePlugin,), {"__module__": "acme_gateway"})
    assert proofs.proofs(lonely()) is None
