"""Where few values are possible and another one is given, the answer names them."""

from typing import Any, Literal, get_args

import msgspec
import pytest

from api.bodies import decode
from api.choices import with_choices
from gateway.errors import InvalidRequest
from gateway.order import OrderStatus
from tests.api.conftest import Gateway, order_body


class Inner(msgspec.Struct, rename="camel"):
    kind_of: Literal["a", "b"] | None = None


class Outer(msgspec.Struct):
    word: Literal["x", "y"] | msgspec.UnsetType = msgspec.UNSET
    numbers: list[Literal[1, 2]] = []
    some: tuple[Literal["t"], ...] = ()
    inner: list[Inner] = []
    by_name: dict[str, Inner] = {}
    size: int = 0


@pytest.mark.parametrize(
    ("body", "path", "choices"),
    [
        ({"word": "z"}, "word", "x, y"),
        ({"numbers": [1, 3]}, "numbers[1]", "1, 2"),
        ({"some": ["u"]}, "some[0]", "t"),
        ({"inner": [{"kindOf": "c"}]}, "inner[0].kindOf", "a, b"),
        ({"by_name": {"any": {"kindOf": "c"}}}, "by_name[...].kindOf", "a, b"),
    ],
)
def test_what_a_field_may_be_is_said(body: dict[str, Any], path: str, choices: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(msgspec.json.encode(body), Outer)
    assert caught.value.path == path
    assert caught.value.detail.endswith(f": give one of {choices}")


def test_another_complaint_is_left_as_it_is() -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(b'{"size": "1"}', Outer)
    assert caught.value.detail == "Expected `int`, got `str`"
    assert with_choices("Invalid enum value 1", Outer, "size") == "Invalid enum value 1"


async def test_in_a_body_and_in_a_filter(refusing: Gateway) -> None:
    body = (await refusing.post("/v1/orders", order_body(capture="later"))).json()
    assert body["detail"] == "Invalid enum value 'later': give one of automatic, manual"
    statuses = ", ".join(sorted(get_args(OrderStatus)))
    for path, name in (("/v1/orders", "status"), ("/v1/exports/orders", "status[0]")):
        answer = await refusing.get(path, status="gone")
        assert answer.json()["errors"] == [
            {"path": name, "message": f"Invalid enum value 'gone': give one of {statuses}"}
        ]
