"""Bodies are read strictly: what is not exactly right is 400 and names its field; never a 5xx."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Gateway, code_of, open_gateway, order_body


def _with(**fields: Any) -> bytes:
    return json.dumps(order_body(**fields)).encode()


def _item(**fields: Any) -> bytes:
    return _with(items=[{"name": "Chair", "unit_amount": 1} | fields])


def _raw(name: str, text: str) -> bytes:
    """An order body with one more field, spelt as given."""
    return json.dumps(order_body()).replace("{", f'{{"{name}": {text}, ', 1).encode()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (_with(amount=1), "amount"),
        (_item(amount=1), "items[0].amount"),
        (_item(unit_amount="1"), "items[0].unit_amount"),
        (_item(unit_amount=1.0), "items[0].unit_amount"),
        (_item(unit_amount=0), "items[0].unit_amount"),
        (_item(unit_amount=-1), "items[0].unit_amount"),
        (_item(unit_amount=True), "items[0].unit_amount"),
        (_item(unit_amount=10**13 + 1), "items[0].unit_amount"),
        (_item(unit_amount=10**40), "items[0].unit_amount"),
        (_item(quantity=0), "items[0].quantity"),
        (_item(quantity=10_001), "items[0].quantity"),
        (_item(quantity="1"), "items[0].quantity"),
        (_item(name=""), "items[0].name"),
        (_item(name="a\0b"), "name"),
        (_with(items=[]), "items"),
        (_with(items=[{"name": "x", "unit_amount": 1}] * 101), "items"),
        (_with(currency="usd"), "currency"),
        (_with(capture="later"), "capture"),
        (_with(expires_in=1799), "expires_in"),
        (_with(expires_in=86_401), "expires_in"),
        (_with(success_url="javascript:alert(1)"), "success_url"),
        (_with(success_url="https://user@shop.example/"), "success_url"),
        (_with(success_url="https://shop.example/\n"), "success_url"),
        (_with(success_url="https://[::1"), "success_url"),
        (_with(cancel_url="https://\u2100.com/"), "cancel_url"),
        (_with(cancel_url="https://shop.example:99999/"), "cancel_url"),
        (_with(success_url="https://shop.example/\0"), "success_url"),
        (_with(cancel_url="/relative"), "cancel_url"),
        (_with(cancel_url="https://shop.example/a b"), "cancel_url"),
        (_with(customer_email="nobody"), "customer_email"),
        (_with(customer_email="a@b.c\n"), "customer_email"),
        (_with(reference=""), "reference"),
        (_with(reference="a\0b"), "reference"),
        (_with(metadata={"k" * 41: "v"}), "metadata"),
        (_with(metadata={"k": "v" * 501}), "metadata[...]"),
        (_with(metadata={"k": 1}), "metadata[...]"),
        (_with(metadata={"k\0": "v"}), "k"),
        (_with(metadata={str(n): "v" for n in range(51)}), "metadata"),
        (_raw("currency", '"EUR"'), "currency"),
        (_raw("metadata", '{"a": "1", "a": "2"}'), "a"),
        (_raw("reference", "[" * 10_000 + "]" * 10_000), "reference"),
        (_raw("expires_in", "1e400"), "expires_in"),
        (_raw("expires_in", "9" * 5000), "expires_in"),
        (_raw("expires_in", "NaN"), None),
        (_raw("reference", '"\\ud800"'), None),
        (b'{"provider": "\xff"}', None),
        (b"[" * 100_000, None),
        (b"[]", None),
        (b"null", None),
        (b"", None),
        (b"{", None),
        (json.dumps(order_body()).encode("utf-16"), None),
        (_with() + b"x", None),
        (b'{"provider": "fake"}', "currency"),
    ],
)
async def test_a_body_that_is_not_right(refusing: Gateway, body: bytes, path: str | None) -> None:
    answer = await refusing.post("/v1/orders", content=body)
    assert code_of(answer) == (400, "invalid_request"), answer.text
    assert [e["path"] for e in answer.json().get("errors", [])] == ([path] if path else [])
    assert refusing.fake.calls == []


@pytest.mark.parametrize(
    "fields",
    [
        {"success_url": "https://shop.example"},
        {"success_url": "https://shop.example?paid=1"},
        {"success_url": "http://127.0.0.1:8000/ok?a=1&b#c"},
        {"expires_in": 86_400},
        {"customer_email": "ä@münchen.example"},
        {"reference": "☃ \\ ' \" ; --"},
        {"metadata": {"k" * 40: "v" * 500}},
        {"items": [{"name": "x", "unit_amount": 10**13}]},
        {"items": [{"name": "x" * 120, "unit_amount": 1, "quantity": 10_000}] * 100},
    ],
)
async def test_a_body_at_the_edge_of_what_is_right(
    gateway: Gateway, fields: dict[str, Any]
) -> None:
    order = await gateway.order(**fields)
    assert {name: order[name] for name in fields if name not in ("items", "expires_in")} == {
        name: value for name, value in fields.items() if name not in ("items", "expires_in")
    }


@pytest.mark.parametrize("verb", ["capture", "cancel", "refunds", "payments"])
async def test_the_other_bodies_are_as_strict(one_gateway: Gateway, verb: str) -> None:
    order = await one_gateway.paid()
    path = f"/v1/orders/{order['id']}/{verb}"
    calls = len(one_gateway.fake.calls)
    for body in (b"[]", b'"x"', b'{"amuont": 1}', b'{"amount": "1"}', b'{"amount": 1.5}', b"{"):
        assert code_of(await one_gateway.post(path, content=body)) == (400, "invalid_request")
    assert len(one_gateway.fake.calls) == calls


async def test_a_body_above_256_kib_is_too_large(one_gateway: Gateway) -> None:
    body = _with(customer_email="a" * 300_000)
    answer = await one_gateway.post("/v1/orders", content=body)
    assert code_of(answer) == (413, "payload_too_large")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_text = st.text(max_size=60)
_fields = st.fixed_dictionaries(
    {},
    optional={
        "provider": st.just("fake") | _json,
        "currency": st.sampled_from(["USD", "JPY", "KWD", "XXX"]) | _json,
        "items": st.lists(
            st.fixed_dictionaries(
                {"name": _text, "unit_amount": st.integers(1, 10**13) | _json},
                optional={"quantity": st.integers(1, 10_000) | _json, "product": _text},
            ),
            max_size=3,
        )
        | _json,
        "success_url": st.just("https://shop.example/ok")
        | _text.map(lambda text: f"https://shop.example/{text}")
        | _json,
        "cancel_url": st.just("https://shop.example/cart") | _json,
        "reference": _text | _json,
        "customer_email": _text.map(lambda text: f"{text}@b.c") | _json,
        "capture": st.sampled_from(["automatic", "manual"]) | _json,
        "expires_in": st.integers(1800, 86_400) | _json,
        "metadata": st.dictionaries(_text, _text, max_size=3) | _json,
        "amount": _json,
    },
)


async def test_no_order_body_is_ever_a_server_error(database_url: str) -> None:
    async with open_gateway(database_url) as gateway:
        seen: list[bytes] = []

        @settings(max_examples=150, suppress_health_check=list(HealthCheck))
        @given(_fields)
        def collect(fields: dict[str, Any]) -> None:
            seen.append(_with(**fields))  # NaN and lone surrogates too, as a client might

        collect()
        statuses = set()
        for body in seen:
            answer = await gateway.post("/v1/orders", content=body)
            assert answer.status_code in (201, 400, 409), (body, answer.text)
            statuses.add(answer.status_code)
        assert {201, 400} <= statuses


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    from api.bodies import NewOrderBody, decode
    from gateway.errors import InvalidRequest

    with pytest.raises(InvalidRequest):
        decode(body, NewOrderBody)
