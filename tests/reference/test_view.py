"""What the reference page makes of schemas."""

from typing import Any

import pytest

from api.reference import view


def document(schema: dict[str, Any]) -> dict[str, Any]:
    item = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"n": {"type": "integer"}},
    }
    return {"components": {"schemas": {"Subject": schema, "Item": item}}}


def fields(properties: dict[str, Any], **more: Any) -> tuple[view.Field, ...]:
    """The fields of a schema with these properties, as the page lists them."""
    schema = {"type": "object", "properties": properties} | more
    return view.schemas(document(schema))[0].fields


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"type": "string", "format": "date-time"}, "time"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Item"}}, "list of Item"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "map of string"),
        ({"anyOf": [{"$ref": "#/components/schemas/Item"}, {"type": "null"}]}, "Item or null"),
        ({}, "any"),
    ],
)
def test_types_in_words(schema: dict[str, Any], words: str) -> None:
    assert fields({"field": schema})[0].type == words


@pytest.mark.parametrize(
    ("schema", "rules"),
    [
        ({"enum": ["a", "b", None]}, ("one of `a`, `b`",)),
        ({"type": "integer", "minimum": 1, "maximum": 10000}, ("≥ 1", "≤ 10,000")),
        ({"type": "string", "minLength": 1, "maxLength": 9}, ("at most 9 characters",)),
        ({"type": "string", "default": "automatic"}, ("default `automatic`",)),
        ({"type": "boolean", "default": False}, ("default `false`",)),
        ({"type": "object", "default": {}}, ()),
    ],
)
def test_rules_in_words(schema: dict[str, Any], rules: tuple[str, ...]) -> None:
    assert fields({"field": schema})[0].rules == rules


def test_only_what_is_sent_is_marked_as_required() -> None:
    sent = fields({"a": {}}, required=["a"], additionalProperties=False)
    answered = fields({"a": {}}, required=["a"])
    assert (sent[0].required, answered[0].required) == (True, False)


def test_links_lead_to_the_named_schema() -> None:
    schema = {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    assert fields({"field": schema})[0].link == "Item"
