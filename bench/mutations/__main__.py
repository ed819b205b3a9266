"""`make mutations`: plant each bug, run the kit, and see that it is caught; by which rule.

Ends with 1 where a bug survives, or can no longer be planted.
"""

import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from bench.mutations import paypal_bugs, quiet_bugs, stripe_bugs
from bench.mutations.planting import ROOT, Bug, Outdated
from gateway.conformance import ProviderContract
from gateway.conformance.subject import rules_of

BUGS = (*stripe_bugs.BUGS, *quiet_bugs.BUGS, *paypal_bugs.BUGS)
SURVIVES = "it survives"
#: How a broken rule is told, at the beginning of a line or after the name of the exception.
_RULE = re.compile(
    rf"(?:^|Broken: )({'|'.join(rule.id for rule in rules_of(ProviderContract).values())}): ",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Outcome:
    """What came of a bug. `rule` that caught it; `trouble` where nothing did."""

    bug: Bug
    rule: str = ""
    trouble: str = ""


def tried(bug: Bug) -> Outcome:
    """Plant it into a copy of the adapters and run the contract of its provider on that."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as temporary:
        folder = Path(temporary)
        try:
            bug.plant(folder)
        except Outdated as error:
            return Outcome(bug, trouble=str(error))
        ran = _run(bug.provider, folder)
    found = _RULE.search(ran.stdout)
    if ran.returncode == 1 and found is not None:
        return Outcome(bug, rule=found[1])
    if ran.returncode == 0:
        return Outcome(bug, trouble=SURVIVES)
    return Outcome(bug, trouble=f"the kit did not run: {ran.stdout[-800:]}{ran.stderr[-800:]}")


def _run(provider: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """The contract of a provider, with the adapters in `folder`, up to the first broken rule.

    What is left open is for the kit's own rule to find, not for pytest.
    """
    command = (
        *(sys.executable, "-m", "pytest", f"tests/conformance/test_{provider}.py", "-x", "-q"),
        *("-o", f"pythonpath={folder} .", "-p", "no:cacheprovider", "--tb=short"),
        *("--show-capture=no", "-W", "ignore::pytest.PytestUnraisableExceptionWarning"),
    )
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@click.command()
@click.option("--workers", default=2, show_default=True, help="How many at once.")
@click.option("--only", default="", help="Only bugs whose provider and name hold this text.")
def main(workers: int, only: str) -> None:
    """Plant typical bugs into the adapters, one at a time; the conformance kit must catch them."""
    bugs = [bug for bug in BUGS if only in f"{bug.provider} {bug.name}"]
    nothing = [Bug("(none)", provider, ()) for provider in sorted({b.provider for b in bugs})]
    started = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        if any(outcome.trouble != SURVIVES for outcome in pool.map(tried, nothing)):
            raise click.ClickException("the kit fails without any bug: see to that first")
        outcomes = []
        for outcome in pool.map(tried, bugs):
            outcomes.append(outcome)
            _tell(outcome)
    missed = [outcome for outcome in outcomes if outcome.trouble]
    took, caught = time.monotonic() - started, len(outcomes) - len(missed)
    click.echo(f"{caught} of {len(outcomes)} bugs caught in {took:.0f} seconds")
    if missed:
        raise SystemExit(1)


def _tell(outcome: Outcome) -> None:
    name = f"{outcome.bug.provider}: {outcome.bug.name}"
    click.echo(f"{name:<72} {outcome.rule or 'NOT CAUGHT: ' + outcome.trouble}")


if __name__ == "__main__":
    main()
