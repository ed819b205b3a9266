"""The kit's pytest plugin: tells what was asked and kept, and writes it down.

Switched on by `addopts = ["-p", "gateway.conformance.plugin"]` in a project's pytest settings. With
`--conformance-write` the run of a whole contract is written into the plugin's package, from where
`gateway providers matrix` and `GET /v1/providers` read it (gateway/proofs.py).
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.proofs import Proofs, file_of

_TOLD = "conformance"
#: The rule whose report carries what is asked of the provider.
_WHOLE = "contract-whole"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--conformance-write`."""
    parser.getgroup("conformance").addoption(
        "--conformance-write",
        action="store_true",
        help="write what the conformance kit has proven into the providers' packages",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Reports are collected where the run is led, whichever process has tested."""
    if not hasattr(config, "workerinput"):
        writes = bool(config.getoption("--conformance-write"))
        config.pluginmanager.register(Recorder(writes), "conformance-recorder")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what is tested to the report."""
    report = yield
    contract: Any = getattr(item, "cls", None)
    rule = getattr(getattr(item, "function", None), "rule", None)
    if rule is not None and hasattr(contract, "waived"):
        told = {"provider": contract.plugin.name, "rule": rule.id}
        if rule.id == _WHOLE and call.when == "call":
            from gateway.conformance.subject import proofs_of  # loads the kit

            told["path"] = str(file_of(contract.plugin) or "")
            told["asked"] = msgspec.to_builtins(proofs_of(contract))
        report.user_properties.append((_TOLD, told))
        if call.excinfo is not None and item.config.getoption("tbstyle") in ("auto", "short"):
            _shorten(report, call.excinfo)
    return report


def _shorten(report: pytest.TestReport, told: pytest.ExceptionInfo[BaseException]) -> None:
    """Of a broken rule only its words, which say it all; hypothesis adds an example to them."""
    from gateway.conformance.rules import Broken  # loaded already

    if isinstance(told.value, Broken) and not getattr(told.value, "__notes__", None):
        report.longrepr = told.getrepr(style="value", chain=False)


@dataclass
class Run:
    """What the tests of one provider's contract have told so far."""

    path: str = ""
    asked: Proofs | None = None
    kept: dict[str, bool] = field(default_factory=dict)

    def hear(self, told: dict[str, Any], report: pytest.TestReport) -> None:
        """One report of one of its rules."""
        if report.when == "call" or report.failed:
            self.kept[told["rule"]] = self.kept.get(told["rule"], True) and report.passed
        if "asked" in told:
            self.path = told["path"]
            self.asked = msgspec.convert(told["asked"], Proofs)

    def result(self) -> Proofs | None:
        """What is proven, if the whole contract was run."""
        if self.asked is None or not self.kept.keys() >= self.asked.rules.keys():
            return None
        return msgspec.structs.replace(self.asked, rules=dict(sorted(self.kept.items())))


class Recorder:
    """Collects the runs of one session."""

    def __init__(self, writes: bool) -> None:
        self._writes = writes
        self._runs: dict[str, Run] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of whatever process."""
        for name, told in report.user_properties:
            if name == _TOLD and isinstance(told, dict):
                self._runs.setdefault(told["provider"], Run()).hear(told, report)

    def pytest_sessionfinish(self) -> None:
        """Write what is proven, if asked to."""
        for run in self._runs.values():
            result = run.result()
            if self._writes and result is not None and run.path:
                Path(run.path).write_bytes(written(result))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line for each provider, and one for each rule that was not asked."""
        for name, run in self._runs.items():
            result = run.result()
            line = f"conformance: {name} keeps {sum(run.kept.values())} of {len(run.kept)} rules"
            if self._writes:
                line += "; written" if result and run.path else "; not all ran: nothing written"
            elif result and run.path and not _is_written(result, Path(run.path)):
                line += "; its package says otherwise: run with --conformance-write"
            terminalreporter.write_line(line)
            for rule, why in sorted(result.waived.items()) if result else ():
                terminalreporter.write_line(f"  not asked: {rule} ({why})")


def _is_written(proofs: Proofs, path: Path) -> bool:
    return path.is_file() and path.read_bytes() == written(proofs)


def written(proofs: Proofs) -> bytes:
    """The file of a run."""
    return msgspec.json.format(msgspec.json.encode(proofs), indent=2) + b"\n"
