"""The town, once for the run, and a mailbox for each test."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.conformance import Mailbox, open_mailbox
from tests.conformance.town import Town, open_town


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The sandbox."""
    with open_town(tmp_path_factory.mktemp("sandbox")) as town:
        yield town


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """Where the providers deliver."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    async with open_mailbox() as mailbox:
        yield mailbox
