"""`.env.example` shows every setting, and none that nothing reads."""

import re

from tests.project.files import ROOT, modules

SETTING = re.compile(r"[\"']((?:GATEWAY|STRIPE|PAYPAL)_[A-Z_]+|DATABASE_URL)[\"']")


def shown() -> set[str]:
    """The settings of `.env.example`, unset ones too; those of compose alone left out."""
    text = (ROOT / ".env.example").read_text()
    return set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", text, re.MULTILINE)) - {"POSTGRES_PASSWORD"}


def test_every_setting_is_shown() -> None:
    files = [path for path in modules("api", "providers") if path.name.startswith("settings")]
    read = {name for path in files for name in SETTING.findall((ROOT / path).read_text())}
    assert shown() == read
