"""What import-linter cannot say about the floors of the architecture."""

import re
from pathlib import Path

from tests.project.files import ROOT, modules
from tests.project.imports import imported, third_party

#: The conformance kit: part of the package, so that strangers have it, but no part of the domain.
KIT = Path("gateway/conformance")


def test_the_domain_needs_the_standard_library_and_msgspec_only() -> None:
    domain = [path for path in modules("gateway") if KIT not in path.parents]
    assert {name for path in domain for name in third_party(path)} == {"msgspec"}


def test_the_kit_is_for_tests_and_nobody_else_imports_it() -> None:
    kit = [path for path in modules("gateway") if KIT in path.parents]
    needed = {name for path in kit for name in third_party(path)}
    assert needed == {"aiohttp", "hypothesis", "msgspec", "pytest"}
    others = set(modules("api", "gateway", "providers", "sandbox", "storage")) - set(kit)
    pattern = re.compile(r"^\s*(from|import) gateway\.conformance\b", re.MULTILINE)
    assert [path for path in others if pattern.search((ROOT / path).read_text())] == []


def test_the_sandbox_is_reached_as_a_program_only() -> None:
    others = modules("api", "gateway", "providers", "storage")
    assert [path for path in others if "sandbox" in imported(path)] == []


def test_core_code_names_no_provider() -> None:
    named = [
        f"{path}:{number}: {line.strip()}"
        for path in modules("gateway", "storage", "api")
        if "demo" not in str(path)
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if re.search("stripe|paypal", line, re.IGNORECASE)
    ]
    assert named == []
