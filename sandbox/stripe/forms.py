"""Stripe's request encoding: forms and query strings with brackets, `a[b][0][c]=1`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe.errors import StripeError

Node = str | dict[str, Any]
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
DEPTH = 10


def parse(encoded: bytes) -> dict[str, Any]:
    """The nested mapping behind a form; list items are keyed `"0"`, `"1"`, … in their order.

    Raises StripeError (400) for what is not UTF-8, for a malformed key, for a key that is both a
    value and a mapping, and for a value given twice.
    """
    try:
        pairs = parse_qsl(
            encoded.decode(), keep_blank_values=True, max_num_fields=2000, errors="strict"
        )
    except ValueError:
        raise StripeError("Invalid request: the body is not a valid form.") from None
    tree: dict[str, Any] = {}
    for key, value in pairs:
        _insert(tree, key, value)
    return tree


def _insert(tree: dict[str, Any], key: str, value: str) -> None:
    match = _KEY.fullmatch(key)
    if match is None:
        raise StripeError(f"Invalid request: malformed parameter name {key!r}.", param=key)
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if len(path) > DEPTH:
        raise StripeError("Invalid request: parameters are nested too deeply.", param=key)
    node = tree
    for part in path[:-1]:
        child = node.setdefault(_position(node, part), {})
        if not isinstance(child, dict):
            raise StripeError("Invalid request: a parameter is both a value and a hash.", param=key)
        node = child
    last = _position(node, path[-1])
    if last in node:
        raise StripeError(f"Invalid request: {key} was given twice.", param=key)
    node[last] = value


def _position(node: dict[str, Any], part: str) -> str:
    """`[]` appends to the list."""
    return part or str(len(node))
