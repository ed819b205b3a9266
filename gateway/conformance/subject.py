"""What the subjects of the contract (creating, refunding, …) have in common."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from gateway.conformance.rules import Rule, rule_of
from gateway.conformance.scene import Scene, open_scene
from gateway.conformance.stand import ProviderStand, Traits
from gateway.proofs import Proofs
from gateway.provider import ProviderPlugin


class Subject:
    """A class of tests, each of one rule. The rules that a provider is not asked, because of what
    it declares, are not there when pytest collects; `waived` says which, and why.
    """

    pytestmark = pytest.mark.anyio

    plugin: ProviderPlugin
    traits: Traits
    waived: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not (hasattr(cls, "plugin") and hasattr(cls, "traits")):
            return
        cls.waived = {}
        for name, rule in rules_of(cls).items():
            why = rule.waived(cls)  # type: ignore[arg-type]  # the class itself declares it
            if why is not None:
                cls.waived[rule.id] = why
                setattr(cls, name, None)

    @pytest.fixture(scope="session")
    @classmethod
    def anyio_backend(cls) -> str:
        """The event loop of the contract's tests, and of what the stand is made with."""
        return "asyncio"

    @pytest.fixture
    async def scene(self, stand: ProviderStand) -> AsyncIterator[Scene]:
        """The plugin, open before the test's own stand."""
        async with open_scene(self, stand) as scene:
            yield scene


def proofs_of(contract: type[Subject]) -> Proofs:
    """What is asked of a provider, as if all of it were kept."""
    asked = [rule for rule in rules_of(contract).values() if rule.id not in contract.waived]
    rows: dict[str, list[str]] = {}
    for rule in sorted(asked, key=lambda rule: rule.id):
        for row in rule.proves:
            rows.setdefault(row, []).append(rule.id)
    return Proofs(
        provider=contract.plugin.name,
        rules=dict.fromkeys(sorted(rule.id for rule in asked), True),
        waived=dict(sorted(contract.waived.items())),
        rows=dict(sorted(rows.items())),
    )


def rules_of(contract: type) -> dict[str, Rule]:
    """All rules of a contract by the name of their test, asked or not."""
    found: dict[str, Rule] = {}
    for parent in reversed(contract.__mro__):
        for name, test in vars(parent).items():
            rule = rule_of(test)
            if rule is not None:
                found[name] = rule
    return found
