"""docs/webhooks.md: its example works, and its tables say what the code does."""

import re
from datetime import timedelta
from typing import Any

from gateway.deliveries import PAUSES
from gateway.endpoints import EVENT_TYPES
from tests.project.files import ROOT
from tests.webhooks.conftest import Gateway
from tests.webhooks.receiver import Receiver

PAGE = (ROOT / "docs" / "webhooks.md").read_text()


def block(language: str) -> str:
    """The page's one block of code in this language."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert isinstance(code, str)
    return code


async def test_the_python_example_verifies(lone: Gateway, receiver: Receiver) -> None:
    fulfilled: list[str] = []
    seen: set[str] = set()

    def first_time(event: str) -> bool:
        new = event not in seen
        seen.add(event)
        return new

    names: dict[str, Any] = {"first_time": first_time, "fulfil": fulfilled.append}
    exec(compile(block("python"), "docs/webhooks.md", "exec"), names)  # noqa: S102
    receive = names["receive"]
    endpoint = await lone.endpoint(receiver.url)
    await lone.tell("order.paid")
    await lone.deliver()
    (got,) = receiver.got
    forged = got.body.replace(b"ord_1", b"ord_2")
    assert receive(endpoint["secret"], got.headers, forged) == 400
    assert fulfilled == []
    for _ in range(2):  # the second time it has been seen
        assert receive(endpoint["secret"], got.headers, got.body) == 204
        assert fulfilled == ["ord_1"]


def test_every_type_is_described() -> None:
    assert re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", PAGE, re.MULTILINE) == list(EVENT_TYPES)


def test_the_retry_table() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) (\w+) \|", PAGE, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(2, len(PAUSES) + 2))
    assert [timedelta(**{unit: int(count)}) for _, count, unit in rows] == list(PAUSES)
