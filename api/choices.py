"""Names the choices where a value is none of them: msgspec only says that it is not."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

_COMPLAINT = "Invalid enum value"
_STEP = re.compile(r"\[[^\]]*\]|[^.\[\]]+")


def with_choices(complaint: str, kind: Any, path: str) -> str:
    """msgspec's complaint about the value at `path` of a `kind`, and what it may be.

    `path` is as msgspec writes it (`items[0].name`, `prices[...]`); empty for the value itself.
    """
    if not complaint.startswith(_COMPLAINT):
        return complaint
    nodes = [inspect.type_info(kind)]
    for step in _STEP.findall(path):
        nodes = [below for node in nodes for below in _below(node, step)]
    choices = ", ".join(map(str, (value for node in nodes for value in _values(node))))
    return f"{complaint}: give one of {choices}" if choices else complaint


def _below(node: inspect.Type, step: str) -> Iterator[inspect.Type]:
    """The types of what is in a value: under a name, or in brackets."""
    match node:
        case inspect.StructType(fields=fields):
            yield from (field.type for field in fields if field.encode_name == step)
        case inspect.UnionType(types=types):
            yield from (below for one in types for below in _below(one, step))
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            yield item
        case inspect.DictType(value_type=value):
            yield value


def _values(node: inspect.Type) -> Iterator[Any]:
    """The values of a type that has few; of a list, those of its items."""
    match node:
        case inspect.LiteralType(values=values):
            yield from values
        case inspect.UnionType(types=types):
            yield from (value for one in types for value in _values(one))
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            yield from _values(item)
