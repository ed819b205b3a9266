"""Every relative link of the documents leads somewhere."""

import pytest

from tests.docs.markdown import DOCUMENTS, anchors, links
from tests.project.files import ROOT

RELATIVE = [
    (name, link) for name in DOCUMENTS for link in links(name) if not link.startswith(("http", "#"))
]


@pytest.mark.parametrize(("name", "link"), RELATIVE)
def test_it_leads_somewhere(name: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    target = ((ROOT / name).parent / path).resolve()
    assert target.exists()
    assert target.is_relative_to(ROOT)
    if anchor:
        assert anchor in anchors(str(target.relative_to(ROOT)))


def test_every_document_can_be_reached() -> None:
    linked = {((ROOT / name).parent / link.partition("#")[0]).resolve() for name, link in RELATIVE}
    assert {path for path in (ROOT / "docs").rglob("*") if path.is_file()} <= linked
