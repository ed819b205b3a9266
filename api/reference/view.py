"""What the reference page shows of an OpenAPI document: references resolved, constraints in words.

Pure functions. They know the parts of OpenAPI and JSON Schema that our own document uses.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_REF = "#/components/schemas/"
_METHODS = ("get", "post", "patch", "put", "delete")
#: How deep objects in objects are unfolded; deeper ones are linked.
_DEPTH = 3


class Field(NamedTuple):
    """One parameter or property. `type` in words; `link`: the schema that it is of, or empty."""

    name: str
    type: str
    link: str
    required: bool
    description: str
    rules: tuple[str, ...]
    children: tuple["Field", ...] = ()
    place: str = ""


class Answer(NamedTuple):
    """One status that an operation can answer with."""

    status: str
    description: str
    link: str
    codes: tuple[str, ...]


class Operation(NamedTuple):
    """One call."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    needs_key: bool
    idempotent: bool
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_name: str
    body_media: str
    body_required: bool
    answers: tuple[Answer, ...]
    curl: str


class Group(NamedTuple):
    """The operations of one tag."""

    name: str
    description: str
    operations: tuple[Operation, ...]


class SchemaView(NamedTuple):
    """A named schema with its fields."""

    name: str
    description: str
    fields: tuple[Field, ...]


def groups(document: dict[str, Any]) -> list[Group]:
    """All operations by tag, tags in the document's order."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = _operation(document, path, method, methods[method])
                found[methods[method]["tags"][0]].append(operation)
    words = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    return [Group(name, words[name], tuple(items)) for name, items in found.items() if items]


def schemas(document: dict[str, Any]) -> list[SchemaView]:
    """The named schemas, each with its own fields; others that they hold are links."""
    return [
        SchemaView(name, schema.get("description", ""), tuple(_fields(document, schema, 0)))
        for name, schema in document["components"]["schemas"].items()
    ]


def _operation(
    document: dict[str, Any], path: str, method: str, source: dict[str, Any]
) -> Operation:
    parameters = source.get("parameters", [])
    content: dict[str, Any] = source.get("requestBody", {}).get("content", {})
    media: dict[str, Any] = next(iter(content.values()), {})
    needs_key = source.get("security", document.get("security", [])) != []
    keyed = any(item["name"] == "Idempotency-Key" for item in parameters)
    body = _resolved(document, media.get("schema", {}))
    return Operation(
        id=source["operationId"],
        method=method.upper(),
        path=path,
        summary=source["summary"],
        description=source.get("description", ""),
        needs_key=needs_key,
        idempotent=keyed,
        parameters=tuple(_parameter(document, item) for item in parameters),
        body=tuple(_fields(document, body, _DEPTH)),
        body_name=_link(media.get("schema", {})),
        body_media=next(iter(content), ""),
        body_required=source.get("requestBody", {}).get("required", False),
        answers=tuple(_answers(document, source["responses"])),
        curl=_curl(document, path, method, needs_key, keyed, content),
    )


def _parameter(document: dict[str, Any], source: dict[str, Any]) -> Field:
    schema = _without_null(source["schema"])
    field = _field(document, source["name"], schema, source.get("required", False), 0)
    description = source.get("description") or schema.get("description", "")
    return field._replace(description=description, place=source["in"])


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is sent or not; that it may be null is of the handler only."""
    kind = schema.get("type")
    if isinstance(kind, list):
        return schema | {"type": next(word for word in kind if word != "null")}
    return schema


def _fields(document: dict[str, Any], schema: dict[str, Any], depth: int) -> Iterator[Field]:
    # What we answer with is always whole: there, "required" would stand at every field.
    required = schema.get("required", []) if schema.get("additionalProperties") is False else []
    for name, inner in schema.get("properties", {}).items():
        yield _field(document, name, inner, name in required, depth)


def _field(
    document: dict[str, Any], name: str, schema: dict[str, Any], required: bool, depth: int
) -> Field:
    link = _link(schema)
    children: tuple[Field, ...] = ()
    if link and depth > 0:
        children = tuple(_fields(document, document["components"]["schemas"][link], depth - 1))
    return Field(
        name,
        _type(schema),
        link,
        required,
        schema.get("description", ""),
        tuple(_rules(schema)),
        children,
    )


def _link(schema: dict[str, Any]) -> str:
    """The name of the schema that this one is, or is a list of; empty without one."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF)
    if "items" in schema:
        return _link(schema["items"])
    for option in schema.get("anyOf", schema.get("oneOf", [])):
        if link := _link(option):
            return link
    return ""


def _type(schema: dict[str, Any]) -> str:
    """In words: `string or null`, `list of Item`, `map of string`."""
    options = schema.get("anyOf", schema.get("oneOf"))
    if options:
        return " or ".join(_type(option) for option in options)
    if "$ref" in schema:
        return _link(schema)
    kinds = schema.get("type", "any")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return " or ".join(_one_type(schema, kind) for kind in kinds)


def _one_type(schema: dict[str, Any], kind: str) -> str:
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'])}"
    return {"date-time": "time"}.get(schema.get("format", ""), kind) if kind == "string" else kind


_BOUNDS = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {}"),
    ("maxItems", "at most {}"),
    ("maxProperties", "at most {} keys"),
    ("minimum", "≥ {:,}"),
    ("maximum", "≤ {:,}"),
    ("pattern", "matches `{}`"),
)


def _rules(schema: dict[str, Any]) -> Iterator[str]:
    inner = schema.get("items", {})
    choices = schema.get("enum") or inner.get("enum")
    if choices:
        yield "one of " + ", ".join(f"`{choice}`" for choice in choices if choice is not None)
    if "const" in schema:
        yield f"always `{schema['const']}`"
    for word, text in _BOUNDS:
        if word in schema and (word, schema[word]) != ("minLength", 1):
            yield text.format(schema[word])
    if schema.get("default") not in (None, {}, []):
        yield f"default `{json.dumps(schema['default']).strip(chr(34))}`"


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    link = schema.get("$ref")
    if link is None:
        return schema
    resolved: dict[str, Any] = document["components"]["schemas"][link.removeprefix(_REF)]
    return resolved


def _answers(document: dict[str, Any], responses: dict[str, Any]) -> Iterator[Answer]:
    for status, source in responses.items():
        answer = source
        if "$ref" in source:
            answer = document["components"]["responses"][source["$ref"].rpartition("/")[2]]
        media: dict[str, Any] = next(iter(answer.get("content", {}).values()), {})
        link = _link(media.get("schema", {}))
        codes = tuple(re.findall(r"`(\w+)`", answer["description"])) if status[0] in "45" else ()
        yield Answer(status, answer["description"], link, codes)


def _curl(
    document: dict[str, Any],
    path: str,
    method: str,
    needs_key: bool,
    keyed: bool,
    content: dict[str, Any],
) -> str:
    """The call as one would type it, with `$KEY` for the API key and `$ORDER_ID` for an id."""
    filled = re.sub(r"{(\w+)}", lambda found: f"${found[1].upper()}", path)
    url = document["servers"][0]["url"] + filled
    parts = [f"curl {'' if method == 'get' else f'-X {method.upper()} '}{url}"]
    if needs_key:
        parts.append('-H "Authorization: Bearer $KEY"')
    if keyed:
        parts.append('-H "Idempotency-Key: $(uuidgen)"')
    for media, body in content.items():
        if example := body.get("example"):
            text = json.dumps(example, indent=2, ensure_ascii=False)
            parts += [f'-H "Content-Type: {media}"', f"-d '{text}'"]
        elif media == "text/csv":
            parts += [f'-H "Content-Type: {media}"', "--data-binary @file.csv"]
    return " \\\n  ".join(parts)
