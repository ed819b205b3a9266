"""`gateway providers matrix`: what each provider claims, and what the kit has proven of it."""

from collections.abc import Sequence

import click

from api import terminal
from gateway.proofs import BASICS, CLAIMS, Proofs, read, unproven
from gateway.provider import ProviderPlugin
from gateway.registry import discover

_WORDS = {
    "checkout": "Hosted checkout",
    "payment": "Payment and its truth",
    "refund": "Refund",
    "webhooks": "Webhooks, genuine only",
    "unknown_outcomes": "Lost answers, no second charge",
    "settings": "Settings, secrets, connections",
}


@click.command("matrix")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a table for a document.")
@terminal.as_json
def matrix(as_markdown: bool, as_json: bool) -> None:
    """Show what each installed provider can do, and whether the conformance kit has proven it.

    Ends with 1 where something is claimed that is not proven.
    """
    plugins = list(discover().values())
    if as_json:
        terminal.line([shown(plugin) for plugin in plugins])
    else:
        click.echo(markdown(plugins) if as_markdown else plain(plugins))
    missing = [(plugin.name, row) for plugin in plugins for row in unproven(plugin)]
    for name, row in missing:
        click.echo(f"{name} claims {row}, which the conformance kit has not proven", err=True)
    if missing:
        raise SystemExit(1)


def shown(plugin: ProviderPlugin) -> dict[str, object]:
    """A provider's column, for programs."""
    found = read(plugin)
    return {
        "provider": plugin.name,
        "display_name": plugin.display_name,
        "rules_kept": sum(found.rules.values()) if found else 0,
        "rules_asked": len(found.rules) if found else 0,
        "rows": {
            row: {"claimed": _claimed(plugin, row), "proven": _proven(plugin, found, row)}
            for row in (*BASICS, *CLAIMS)
        },
        "not_asked": found.waived if found else {},
    }


def markdown(plugins: Sequence[ProviderPlugin]) -> str:
    """All columns as a table, and under it what was not asked of whom."""
    head = ["", *(plugin.display_name for plugin in plugins)]
    lines = [_line(head), "|---" * len(head) + "|"]
    lines += [_line(cells) for cells in _cells(plugins)]
    for plugin in plugins:
        found = read(plugin)
        if found and found.waived:
            lines += ["", f"Not asked of {plugin.display_name}, as declared:", ""]
            lines += [f"- `{rule}`: {why}" for rule, why in found.waived.items()]
    return "\n".join(lines)


def plain(plugins: Sequence[ProviderPlugin]) -> str:
    """The table for a terminal."""
    rows = [["", *(plugin.display_name for plugin in plugins)], *_cells(plugins)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _cells(plugins: Sequence[ProviderPlugin]) -> list[list[str]]:
    found = [read(plugin) for plugin in plugins]
    pairs = list(zip(plugins, found, strict=True))
    rows = [
        [_name(row), *(_cell(plugin, proofs, row) for plugin, proofs in pairs)]
        for row in (*BASICS, *CLAIMS)
    ]
    kept = [f"{sum(p.rules.values())} of {len(p.rules)}" if p else "none" for p in found]
    return [*rows, ["Rules of the kit that are kept", *kept]]


def _cell(plugin: ProviderPlugin, proofs: Proofs | None, row: str) -> str:
    if not _claimed(plugin, row):
        return "no"
    return "proven" if _proven(plugin, proofs, row) else "CLAIMED, NOT PROVEN"


def _claimed(plugin: ProviderPlugin, row: str) -> bool:
    return row in BASICS or bool(getattr(plugin.capabilities, row))


def _proven(plugin: ProviderPlugin, proofs: Proofs | None, row: str) -> bool:
    return proofs is not None and _claimed(plugin, row) and proofs.proven(row)


def _name(row: str) -> str:
    return _WORDS.get(row) or row.replace("_", " ").capitalize()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
