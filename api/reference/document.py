"""The OpenAPI document: what Litestar finds in the handlers, put in the form that readers expect.

Litestar collects the operations. The schemas are msgspec's own, which are exactly what is decoded
and encoded, docstrings included. What holds for whole groups of operations (problems, security,
headers) is said here, once.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, Schema, SecurityScheme, Tag
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from api.outgoing import webhooks
from api.problems import CODES, Problem
from api.reference.examples import bodies
from gateway.endpoints import DeliveredEvent
from gateway.exports import MEDIA_TYPES

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator

_REF = "#/components/schemas/"
_DESCRIPTION = """One payment interface, many providers: an order has the same shape whichever
provider it is paid with.

Money is an integer in the currency's minor units (1234 USD is 12.34 dollars, 1234 JPY is 1,234 yen)
beside an upper-case ISO 4217 code. Times are RFC 3339, UTC. Unknown request fields are refused."""
_KEY = """`Authorization: Bearer <key>`. A key belongs to one merchant and one mode. A secret key
(`sk_test_…`, `sk_live_…`) may do everything of its merchant; a publishable key (`pk_…`) may create
orders of catalogue products, and read and confirm them by their `client_token`; a restricted key
(`rk_…`) has the scopes it was made with."""
_TAGS = [
    Tag("Orders", "One order record, whatever the provider."),
    Tag("Refunds", "Money going back. Refunds are made at the order."),
    Tag("Catalogue", "Products and the prices that orders are made with."),
    Tag("Providers", "What a merchant chooses from, per checkout."),
    Tag("Events", "What happened, in order: what webhooks tell, to be read."),
    Tag("Webhooks out", "Where a merchant is told, and what came of telling it."),
    Tag("Finance", "Money that moved, line by line, and the ledger that proves it."),
    Tag("Attention", "What the machine could not settle, for people."),
    Tag("Webhooks in", "Where providers deliver their events."),
    Tag("Operations", "Health and metrics."),
]
_HEADERS: dict[str, Any] = {
    "X-Request-Id": {
        "description": "The request's id, in every answer, problem and log line.",
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "`true` when this is the first answer again, for a repeated key.",
        "schema": {"type": "string", "const": "true"},
    },
}
_METADATA: dict[str, Any] = {
    "name": "metadata",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": "Of orders with this metadata, as in `metadata[cart]=9`.",
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
}
#: Parameters that are not in a handler's signature, since their names vary.
_MORE_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "listOrders": [_METADATA],
    "listRefunds": [_METADATA],
    "listBalanceTransactions": [_METADATA],
}
#: Operations with the filters of a list.
_FILTERED_AS = {
    "exportOrders": "listOrders",
    "exportRefunds": "listRefunds",
    "exportBalanceTransactions": "listBalanceTransactions",
}
_NO_FILTERS = ("limit", "cursor")
#: Operations that answer with a file, not with JSON.
_FILES = (*_FILTERED_AS, "downloadExport")
#: Bodies that handlers read as bytes.
_RAW_BODIES: dict[str, dict[str, Any]] = {
    "importProducts": {"text/csv": {"schema": {"type": "string"}}},
    "receiveWebhook": {"application/json": {"schema": {"type": "object"}}},
    "receiveWebhookOfAccount": {"application/json": {"schema": {"type": "object"}}},
}


class Structs(OpenAPISchemaPlugin):
    """Remembers the structs that operations use; msgspec describes them (`_components`)."""

    def __init__(self) -> None:
        self.kinds: list[Any] = [Problem, DeliveredEvent]

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Structs, generic ones too."""
        return not field_definition.is_union and field_definition.is_subclass_of(msgspec.Struct)

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: "SchemaCreator"
    ) -> Schema:
        """A component that is only a name for now."""
        self.kinds.append(field_definition.annotation)
        return schema_creator.create_component_schema(
            field_definition, required=[], property_fields={}
        )


def config(version: str, router: Router, pages: Sequence[OpenAPIRenderPlugin]) -> OpenAPIConfig:
    """What Litestar is told. Its own pages stay off: they load their scripts from elsewhere."""
    key = SecurityScheme(type="http", scheme="bearer", description=_KEY)
    return OpenAPIConfig(
        title="Payment gateway",
        version=version,
        description=_DESCRIPTION,
        tags=_TAGS,
        security=[{"key": []}],
        components=Components(security_schemes={"key": key}),
        use_handler_docstrings=True,
        openapi_router=router,
        render_plugins=pages,
    )


def finished(
    collected: dict[str, Any], structs: Structs, public_url: str, provider: str
) -> dict[str, Any]:
    """The document as it is served, from what Litestar collected. Pure.

    `provider` is the one that the examples name.
    """
    examples = bodies(provider)
    document: dict[str, Any] = _tidy(msgspec.to_builtins(collected, str_keys=True))
    document["servers"] = [{"url": public_url}]
    document["webhooks"] = _tidy(webhooks())
    document["components"] |= {
        "schemas": _components(structs),
        "headers": _HEADERS,
        "responses": {"Problem": _problem_response()},
    }
    _share_filters(document["paths"])
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _finish_operation(path, method, operation, document["components"]["schemas"])
            if example := examples.get(operation["operationId"]):
                operation["requestBody"]["content"]["application/json"]["example"] = example
    return document


def _components(structs: Structs) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(structs.kinds, ref_template=_REF + "{name}")
    named: dict[str, Any] = {}
    for name, schema in schemas.items():
        schema.pop("title", None)
        if named.setdefault(_name(name), schema) is not schema:
            raise ValueError(f"two schemas are called {_name(name)}")
    tidied: dict[str, Any] = _tidy(named)
    return dict(sorted(tidied.items()))


def _name(name: str) -> str:
    """`Page_api.products.ProductResource_` is ProductPage, and NewOrderBody is NewOrder."""
    page = re.fullmatch(r"Page_(.+)_", name)
    if page:
        return _name(page[1]) + "Page"
    return re.sub(r"(Resource|Body)$", "", name.rpartition(".")[2])


def _tidy(value: Any) -> Any:
    """Renamed references, nullable types in one word, and none of the noise."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, dict):
        return value
    tidied = {name: _tidy(item) for name, item in value.items() if (name, item) not in _NOISE}
    if "enum" in tidied and "type" not in tidied:
        tidied = {"type": "string"} | tidied  # msgspec leaves it out; ours are words, all of them
    if isinstance(tidied.get("$ref"), str):
        tidied["$ref"] = _REF + _name(tidied["$ref"].removeprefix(_REF))
    if isinstance(tidied.get("description"), str):
        tidied["description"] = _flowing(tidied["description"])
    return _merged(_merged(tidied, "oneOf"), "anyOf")


#: Defaults of OpenAPI and of Litestar that say nothing.
_NOISE: list[tuple[str, Any]] = [
    ("deprecated", False),
    ("allowEmptyValue", False),
    ("allowReserved", False),
    ("headers", {}),
]


def _flowing(text: str) -> str:
    """A docstring without its line breaks; paragraphs stay apart."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _merged(schema: dict[str, Any], word: str) -> dict[str, Any]:
    """`{"oneOf": [{"type": "string"}, {"type": "null"}]}` as `{"type": ["string", "null"]}`."""
    options = schema.get(word)
    if not isinstance(options, list):
        return schema
    plain = [option for option in options if option != {"type": "null"}]
    if len(plain) != 1 or "$ref" in plain[0] or "type" not in plain[0]:
        return schema
    only = dict(plain[0])
    if len(plain) < len(options):
        only["type"] = [only["type"], "null"]
        if "enum" in only:
            only["enum"] = [*only["enum"], None]
    rest = {name: item for name, item in schema.items() if name != word}
    return only | rest


def _share_filters(paths: dict[str, Any]) -> None:
    """An export takes the filters of the list that it holds the whole of."""
    named = {
        operation["operationId"]: operation
        for operations in paths.values()
        for operation in operations.values()
    }
    for export, listing in _FILTERED_AS.items():
        filters = [*named[listing]["parameters"], *_MORE_PARAMETERS[listing]]
        shared = [one for one in filters if one["name"] not in _NO_FILTERS]
        named[export]["parameters"] = [*named[export]["parameters"], *shared]


def _problem_response() -> dict[str, Any]:
    return {
        "description": "A problem; `code` says which, see /docs/errors.",
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        "content": {"application/problem+json": {"schema": {"$ref": _REF + "Problem"}}},
    }


def _finish_operation(
    path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]
) -> None:
    operation["parameters"] = [
        *operation.get("parameters", []),
        *_MORE_PARAMETERS.get(operation["operationId"], []),
    ]
    if raw := _RAW_BODIES.get(operation["operationId"]):
        operation["requestBody"] = {"required": True, "content": raw}
    elif body := operation.get("requestBody"):
        reference = body["content"]["application/json"]["schema"]["$ref"]
        required = schemas[reference.removeprefix(_REF)].get("required")
        body["required"] = bool(required) or method != "post"
    if not path.startswith("/v1/"):
        operation["security"] = []
    keyed = any(item["name"] == "Idempotency-Key" for item in operation["parameters"])
    _finish_answers(operation, path, keyed)


def _finish_answers(operation: dict[str, Any], path: str, keyed: bool) -> None:
    """Success answers get their headers; which problems can come follows from the operation."""
    answers = {status: answer for status, answer in operation["responses"].items() if status < "4"}
    for answer in answers.values():
        names = ["X-Request-Id", *(["Idempotent-Replayed"] if keyed else [])]
        answer["description"] = operation["summary"]
        if operation["operationId"] in _FILES:
            answer["content"] = {kind: {"schema": {}} for kind in MEDIA_TYPES.values()}
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    problems = {"default"}
    if operation["parameters"] or "requestBody" in operation:
        problems.add("400")
    if path.startswith("/v1/"):
        problems |= {"401", "403"}
    if "{" in path:
        problems.add("404")
    if operation["operationId"] in _CONFLICTING:
        problems.add("409")
    if operation["operationId"] in _FILTERED_AS:
        problems |= {"422", "429"}
    if keyed:
        problems |= {"409", "422", "502", "503"}
    operation["responses"] = answers | {
        status: _problems(status, operation["operationId"], keyed) for status in sorted(problems)
    }


#: Operations without an Idempotency-Key that the state of things can refuse.
_CONFLICTING = {
    "createWebhookEndpoint",
    "testWebhookEndpoint",
    "recoverWebhookEndpoint",
    "resendDelivery",
    "downloadExport",
}
#: Codes that only some operations answer with.
_ONLY = {
    "unknown_product": {"createOrder"},
    "no_price_in_currency": {"createOrder"},
    "reference_taken": {"createOrder"},
    "unknown_provider": {"createOrder", "createPayment", "replaceRouting"},
    "no_provider": {"createOrder", "createPayment"},
    "currency_not_supported": {"createOrder", "createPayment"},
    "not_supported_by_provider": {"createOrder", "createPayment", "captureOrder"},
    "order_not_authorized": {"captureOrder"},
    "capture_exceeds_authorized": {"captureOrder"},
    "order_already_paid": {"createPayment", "captureOrder", "cancelOrder"},
    "order_closed": {"createPayment", "captureOrder", "cancelOrder"},
    "nothing_to_refund": {"createRefund"},
    "payment_in_doubt": {"createPayment", "captureOrder", "cancelOrder"},
    "refund_exceeds_captured": {"createRefund"},
    "invalid_amount": {
        "createOrder",
        "createRefund",
        "captureOrder",
        "createProduct",
        "replaceRouting",
        "listProviders",
    },
    "webhook_invalid": {"receiveWebhook", "receiveWebhookOfAccount"},
    "export_not_ready": {"downloadExport"},
    "export_too_large": {"exportOrders", "exportRefunds", "exportBalanceTransactions"},
}


def _problems(status: str, operation_id: str, keyed: bool) -> dict[str, Any]:
    """The codes that a status can mean; `default`, a reference, stands for all others."""
    if status == "default":
        return {"$ref": "#/components/responses/Problem"}
    codes = [
        name
        for name, code in CODES.items()
        if str(code.status) == status
        and operation_id in _ONLY.get(name, {operation_id})
        and (keyed or not name.startswith("idempotency_"))
    ]
    description = f"One of these problems: {', '.join(f'`{name}`' for name in codes)}."
    return _problem_response() | {"description": description}
