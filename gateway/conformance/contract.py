"""The whole contract."""

from gateway.conformance.answers import Misunderstanding
from gateway.conformance.confirm import Confirming
from gateway.conformance.create import Creating
from gateway.conformance.events import Listening
from gateway.conformance.faults import Suffering
from gateway.conformance.forgeries import Distrusting
from gateway.conformance.holds import Holding
from gateway.conformance.hygiene import Tidy
from gateway.conformance.refunds import Refunding
from gateway.conformance.rules import Broken, rule, rule_of
from gateway.conformance.scene import Scene
from gateway.conformance.subject import rules_of


class ProviderContract(  # pytest runs what is inherited last first: from the simple to the odd
    Tidy,
    Misunderstanding,
    Suffering,
    Distrusting,
    Listening,
    Refunding,
    Holding,
    Confirming,
    Creating,
):
    """Everything that an adapter must do. A subclass names its `plugin` and `traits`, and has one
    fixture `stand` that yields a ProviderStand (see gateway/conformance/stand.py).

    What the provider cannot do is declared there; `waived` then holds the rules that are not asked.
    """

    @rule(
        "contract-whole",
        "Every rule is asked that capabilities and traits do not waive, by the kit's own test.",
        "A rule that is left out in silence is a promise that nobody has checked.",
        proves="settings",
    )
    async def test_contract_whole(self, scene: Scene) -> None:
        asked = type(self)
        for name, each in rules_of(ProviderContract).items():
            mine = getattr(asked, name)
            if each.id not in asked.waived and rule_of(mine) is not each:
                raise Broken(f"{name} is overridden: declare in Traits what cannot be done")
