"""What import-linter cannot say about the floors of the architecture."""

import re

from tests.project.files import ROOT, modules
from tests.project.imports import imported, third_party


def test_the_domain_needs_the_standard_library_and_msgspec_only() -> None:
    needed = {name for path in modules("gateway") for name in third_party(path)}
    assert needed == {"msgspec"}


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
