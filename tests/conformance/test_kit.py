"""The kit itself: what it says of a broken adapter, and that nobody gets around it."""

import base64
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.conformance import Mailbox, ProviderContract
from gateway.conformance.forgeries import changed, other_secret
from gateway.conformance.plugin import Recorder, Run, written
from gateway.conformance.rules import Broken, rule_of
from gateway.conformance.scene import Scene, currencies, open_scene
from gateway.conformance.subject import proofs_of, rules_of
from gateway.errors import Rejected
from gateway.facts import Expired, ProviderFact
from gateway.money import EXPONENTS
from gateway.proofs import BASICS, CLAIMS, Proofs
from gateway.provider import RefundRequest
from providers.paypal.plugin import PayPalPlugin
from providers.stripe.plugin import StripePlugin
from tests.conformance import stripe_stand
from tests.conformance.stripe_stand import StripeStand
from tests.conformance.town import Town

RULES = {rule.id: rule for rule in rules_of(ProviderContract).values()}


class Contract(ProviderContract):
    """Not collected, for its name does not say that it is a test."""

    plugin = StripePlugin()
    traits = stripe_stand.traits


@pytest.fixture
async def scene(town: Town, mailbox: Mailbox) -> AsyncIterator[Scene]:
    """A right adapter, which a test breaks."""
    stand = StripeStand(town, mailbox)
    await stand.settle_in()
    async with open_scene(Contract(), stand) as opened:
        yield opened


class Wrong:
    """An adapter, but for one thing."""

    def __init__(self, adapter: Any, **instead: Any) -> None:
        self._adapter = adapter
        self.__dict__ |= instead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


async def test_a_broken_rule_is_said_in_words(scene: Scene) -> None:
    right = cast(Any, scene.adapter)

    async def refund(request: RefundRequest, *, key: str) -> Sequence[ProviderFact]:
        try:
            return cast(Sequence[ProviderFact], await right.refund(request, key=key))
        except Rejected:
            return cast(Sequence[ProviderFact], await right.find_refunds(request.payment))

    scene.adapter = Wrong(right, refund=refund)
    with pytest.raises(Broken) as raised:
        await Contract().test_refund_already_refunded(scene)
    said = str(raised.value).splitlines()
    rule = RULES["refund-already-refunded"]
    assert said[0] == f"refund-already-refunded: {rule.says}"
    assert said[1] == f"  Why: {rule.because}"
    assert said[2].startswith("  stripe: instead of Rejected, refund_updated:re_")


async def test_an_exception_of_the_adapter_breaks_the_rule_too(scene: Scene) -> None:
    async def create_order(*_: Any, **__: Any) -> None:
        raise LookupError("Next step: adapter.py, create_order")

    scene.adapter = Wrong(scene.adapter, create_order=create_order)
    with pytest.raises(Broken, match="create-opens") as raised:
        await Contract().test_create_opens(scene)
    assert "stripe: it raised LookupError: Next step: adapter.py" in str(raised.value)


async def test_a_forgotten_await_is_said_in_words(scene: Scene) -> None:
    right = cast(Any, scene.adapter)

    async def create_order(request: Any, *, key: str) -> Any:
        return right.create_order(request, key=key).checkout

    scene.adapter = Wrong(right, create_order=create_order)
    with pytest.raises(Broken, match="create-opens") as raised:
        await Contract().test_create_opens(scene)
    assert "create_order' was never awaited" in str(raised.value)


async def test_an_await_that_is_forgotten_without_harm_breaks_the_rule_too(scene: Scene) -> None:
    right = cast(Any, scene.adapter)

    async def create_order(request: Any, *, key: str) -> Any:
        right.check()
        return await right.create_order(request, key=key)

    scene.adapter = Wrong(right, create_order=create_order)
    with pytest.raises(Broken, match="create-opens") as raised:
        await Contract().test_create_opens(scene)
    assert "check' was never awaited" in str(raised.value)


async def test_an_unknown_checkout_is_not_over(scene: Scene) -> None:
    right = cast(Any, scene.adapter)

    async def confirm(payment: Any, *, key: str) -> Sequence[ProviderFact]:
        try:
            return cast(Sequence[ProviderFact], await right.confirm(payment, key=key))
        except Rejected:
            return [Expired(object_id=payment.provider_order_id, at=datetime.now(UTC))]

    scene.adapter = Wrong(right, confirm=confirm)
    with pytest.raises(Broken, match="there is expired:"):
        await Contract().test_confirm_unknown_checkout(scene)


async def test_what_is_left_out_in_silence_is_found(scene: Scene) -> None:
    class Sly(Contract):
        test_refund_already_refunded = None  # type: ignore[assignment]

    class Slyer(Contract):
        async def test_lost_answer(self) -> None:
            """All is well."""

    for contract, name in ((Sly, "test_refund_already_refunded"), (Slyer, "test_lost_answer")):
        with pytest.raises(Broken, match=f"{name} is overridden"):
            await contract().test_contract_whole(scene)
    await Contract().test_contract_whole(scene)


def test_what_is_not_claimed_is_not_asked() -> None:
    claims = StripePlugin.capabilities

    class Modest(StripePlugin):
        capabilities = msgspec.structs.replace(claims, disputes=False, partial_refund=False)

    class Less(ProviderContract):
        plugin = Modest()
        traits = msgspec.structs.replace(stripe_stand.traits, acts=frozenset(("pay", "decline")))

    waived = Less.waived.keys() - Contract.waived.keys()
    assert waived == {
        "cancel-pending",
        "confirm-expired",
        "confirm-left",
        "confirm-pending",
        "event-disputes",
        "refund-part",
        "refund-same-key-part",
    }
    assert Less.waived["event-disputes"] == "the plugin does not claim the capability disputes"
    assert vars(Less)["test_event_disputes"] is None
    assert rule_of(Contract.test_event_disputes) is RULES["event-disputes"]
    assert not proofs_of(Less).proven("disputes")
    assert proofs_of(Contract).proven("disputes")


def test_every_row_is_proven_by_rules_and_every_rule_is_worded() -> None:
    proves = {row for rule in RULES.values() for row in rule.proves}
    assert proves == {*BASICS, *CLAIMS}
    assert len(RULES) == len(rules_of(ProviderContract)), "two rules have one name"
    for rule in RULES.values():
        assert rule.says.endswith("."), rule.id
        assert rule.because.endswith("."), rule.id


@pytest.mark.parametrize("plugin", [StripePlugin(), PayPalPlugin()])
def test_currencies_of_each_kind_are_tried(plugin: Any) -> None:
    tried = currencies(plugin)
    taken = plugin.currencies or EXPONENTS.keys()
    assert tried[0] == "EUR"
    assert set(tried) <= set(taken)
    assert {EXPONENTS[c] for c in tried} == {EXPONENTS[c] for c in taken}
    assert "HUF" in tried


@given(
    st.from_regex(r"(whsec_|sk_)?[A-Za-z0-9_+/-]{3,60}", fullmatch=True).filter(
        lambda text: sum(letter.isalnum() for letter in text) >= 3
    )
)
def test_another_secret_has_the_same_form(secret: str) -> None:
    other = other_secret(secret)
    assert other != secret
    assert len(other) == len(secret)
    for one, two in zip(secret, other, strict=True):
        assert (one.isdigit(), one.isupper(), one.islower()) == (
            two.isdigit(),
            two.isupper(),
            two.islower(),
        )


@given(st.binary(min_size=1, max_size=40), st.data())
def test_a_changed_letter_reads_differently(raw: bytes, data: st.DataObject) -> None:
    for text, read in (
        (raw.hex(), bytes.fromhex),
        (
            base64.b64encode(raw).decode().rstrip("="),
            lambda t: base64.b64decode(t + "=" * (-len(t) % 4)),
        ),
    ):
        place = data.draw(st.integers(0, len(text) - 1))
        assert read(changed(text, place)) != raw


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _report(rule: str, outcome: str, when: str = "call", **more: Any) -> Any:
    told = {"provider": "stripe", "rule": rule, **more}
    return SimpleNamespace(
        user_properties=[("conformance", told)],
        when=when,
        passed=outcome == "passed",
        failed=outcome == "failed",
    )


def test_a_run_is_recorded(tmp_path: Any) -> None:
    asked = Proofs("stripe", {"a": True, "b": True}, {"c": "it cannot"}, {"refund": ["a", "b"]})
    whole = {"asked": msgspec.to_builtins(asked), "path": str(tmp_path / "conformance.json")}
    recorder = Recorder(writes=True)
    recorder.pytest_runtest_logreport(_report("a", "passed", **whole))
    recorder.pytest_sessionfinish()
    assert not list(tmp_path.iterdir()), "not all of it was run"
    recorder.pytest_runtest_logreport(_report("b", "passed", "setup"))
    recorder.pytest_runtest_logreport(_report("b", "passed"))
    recorder.pytest_runtest_logreport(_report("b", "failed", "teardown"))
    recorder.pytest_sessionfinish()
    kept = msgspec.json.decode((tmp_path / "conformance.json").read_bytes(), type=Proofs)
    assert kept == msgspec.structs.replace(asked, rules={"a": True, "b": False})
    assert not kept.proven("refund")


class _Terminal:
    """Remembers what is written to it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def test_the_summary_says_what_was_not_asked_and_what_is_stale(tmp_path: Any) -> None:
    asked = Proofs("stripe", {"a": True}, {"c": "it cannot"}, {"refund": ["a"]})
    file = tmp_path / "conformance.json"
    whole = {"asked": msgspec.to_builtins(asked), "path": str(file)}
    recorder, terminal = Recorder(writes=False), _Terminal()
    recorder.pytest_runtest_logreport(_report("a", "passed", **whole))
    recorder.pytest_terminal_summary(cast(Any, terminal))
    file.write_bytes(written(asked))
    recorder.pytest_terminal_summary(cast(Any, terminal))
    stale, why, current, again = terminal.lines
    assert current == "conformance: stripe keeps 1 of 1 rules"
    assert stale == f"{current}; its package says otherwise: run with --conformance-write"
    assert why == again == "  not asked: c (it cannot)"


def test_a_rule_that_is_never_run_proves_nothing() -> None:
    run = Run()
    run.hear({"rule": "a"}, _report("a", "passed"))
    assert run.result() is None
    assert written(Proofs("x", {}, {}, {})).endswith(b"}\n")
