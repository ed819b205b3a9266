"""What the conformance kit has proven of a provider's adapter, as shipped with it.

The kit's last run is written into the plugin's own package, as `conformance.json`, by
`pytest --conformance-write` (gateway/conformance/plugin.py). So a running gateway can show what was
tested without testing anything.
"""

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec

from gateway.provider import Capabilities, ProviderPlugin

FILE = "conformance.json"

#: The rows of the matrix that every provider must have, apart from what it claims.
BASICS = ("checkout", "payment", "refund", "webhooks", "unknown_outcomes", "settings")
CLAIMS = Capabilities.__struct_fields__


class Proofs(msgspec.Struct, frozen=True):
    """A run of the kit: each rule that was asked with whether it was kept, and each that was not
    asked with the reason. `rows` are the rows of the matrix with the rules that each hangs on.
    """

    provider: str
    rules: dict[str, bool]
    waived: dict[str, str]
    rows: dict[str, list[str]]

    def proven(self, row: str) -> bool:
        """Whether the row has rules that were asked, and all of them were kept."""
        rules = self.rows.get(row, [])
        return bool(rules) and all(self.rules.get(rule, False) for rule in rules)


def file_of(plugin: ProviderPlugin) -> Traversable | None:
    """Where a plugin's proofs lie; None for one that lives outside of any package."""
    package = type(plugin).__module__.rpartition(".")[0]
    return resources.files(package) / FILE if package else None


def read(plugin: ProviderPlugin) -> Proofs | None:
    """A plugin's proofs; None where there are none, or they are those of another."""
    file = file_of(plugin)
    if file is None or not file.is_file():
        return None
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Proofs)
    except msgspec.MsgspecError:
        return None
    return found if found.provider == plugin.name else None


def proofs(plugin: ProviderPlugin) -> Mapping[str, bool] | None:
    """Of each capability that the plugin claims, whether it is proven; None if never tested."""
    found = read(plugin)
    if found is None:
        return None
    claimed = [name for name in CLAIMS if getattr(plugin.capabilities, name)]
    return {name: found.proven(name) for name in claimed}


def unproven(plugin: ProviderPlugin) -> list[str]:
    """The rows that the plugin claims, or must have, and that are not proven."""
    found = read(plugin)
    wanted = [*BASICS, *(name for name in CLAIMS if getattr(plugin.capabilities, name))]
    return [row for row in wanted if found is None or not found.proven(row)]
