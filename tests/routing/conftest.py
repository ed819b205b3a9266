"""The gateway of tests/api with its two scripted providers, `fake` and `other`."""

import pytest

from tests.api.conftest import gateway, one_gateway, refusing
from tests.faults.conftest import short_pauses

__all__ = ["gateway", "one_gateway", "refusing", "short_pauses"]


@pytest.fixture(autouse=True)
def _short_pauses(short_pauses: None) -> None:
    """Between the tries of one request a twentieth of the time."""
