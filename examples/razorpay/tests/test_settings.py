"""Settings: off, complete, or one line that names what is wrong."""

from typing import Any

import pytest
from gateway_razorpay.fake.app import Fake
from gateway_razorpay.settings import API_BASE, read_settings

from gateway.errors import SettingsError

GIVEN = Fake().environment(API_BASE)


def test_off_and_on() -> None:
    assert read_settings({}) is None
    settings = read_settings({**GIVEN, "RAZORPAY_WEBHOOK_SECRET": "new, old"})
    assert settings is not None
    assert (settings.mode, settings.api_base) == ("test", API_BASE)
    assert settings.webhook_secrets == ("new", "old")
    assert GIVEN["RAZORPAY_KEY_SECRET"] not in repr(settings)
    live = read_settings({**GIVEN, "RAZORPAY_KEY_ID": "rzp_live_1234", "RAZORPAY_API_BASE": ""})
    assert live is not None
    assert live.mode == "live"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAZORPAY_KEY_ID", ""),
        ("RAZORPAY_KEY_ID", "key_test_1234"),
        ("RAZORPAY_KEY_SECRET", ""),
        ("RAZORPAY_KEY_SECRET", "two words"),
        ("RAZORPAY_WEBHOOK_SECRET", ""),
        ("RAZORPAY_WEBHOOK_SECRET", "new,,old"),
        ("RAZORPAY_API_BASE", "http://api.razorpay.com"),
        ("RAZORPAY_API_BASE", "https://api.razorpay.com@evil.example"),
        ("RAZORPAY_API_BASE", "https://api.razorpay.com?x=1"),
        ("RAZORPAY_API_BASE", "http://127.0.0.1.evil.example"),
    ],
)
def test_wrong(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as told:
        read_settings({**GIVEN, name: value})
    assert "\n" not in str(told.value)


def test_a_live_key_speaks_to_razorpay_only() -> None:
    given: dict[str, Any] = {**GIVEN, "RAZORPAY_KEY_ID": "rzp_live_1234"}
    with pytest.raises(SettingsError, match="RAZORPAY_API_BASE"):
        read_settings({**given, "RAZORPAY_API_BASE": "https://proxy.example"})
