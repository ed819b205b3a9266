"""What the OpenAPI document says about the webhooks that we send: its `webhooks` section."""

from typing import Any

from gateway.endpoints import EVENT_TYPES

_MEANING = {
    "order.created": "An order was made; its buyer has not paid.",
    "order.processing": "The buyer is done, and the money has not cleared.",
    "order.authorized": "The amount is held; capture it.",
    "order.paid": "The order is paid: fulfil it.",
    "order.canceled": "The order was canceled, unpaid.",
    "order.expired": "The order ran out, unpaid.",
    "order.attention": "A person should look at the order; see its `attention`.",
    "payment.failed": "An attempt to pay failed; the buyer may try another.",
    "refund.created": "Money is going back.",
    "refund.succeeded": "Money went back.",
    "refund.failed": "A refund failed.",
    "dispute.opened": "The buyer disputes a payment, or the provider took it back.",
    "dispute.closed": "A dispute was decided.",
    "endpoint.disabled": "A webhook endpoint was disabled, and what waited for it canceled.",
    "endpoint.test": "You asked for a test event.",
}
_HEADERS = {
    "webhook-id": "The event's id: the same at every try, and in the feed.",
    "webhook-timestamp": "Seconds since 1970, of this try.",
    "webhook-signature": "`v1,` and the signature; several, separated by spaces, after a rotation.",
}


def webhooks() -> dict[str, Any]:
    """A POST for each type of event. It refers to the schema of DeliveredEvent. Pure."""
    return {kind: {"post": _operation(kind)} for kind in EVENT_TYPES}


def _operation(kind: str) -> dict[str, Any]:
    return {
        "operationId": "on" + "".join(word.capitalize() for word in kind.split(".")),
        "summary": _MEANING[kind],
        "tags": ["Webhooks out"],
        "security": [],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": description,
                "schema": {"type": "string"},
            }
            for name, description in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "allOf": [
                            {"$ref": "#/components/schemas/DeliveredEvent"},
                            {"properties": {"type": {"const": kind}}},
                        ]
                    }
                }
            },
        },
        "responses": {
            "2XX": {"description": "Received. Everything else, redirects too, is tried again."},
            "410": {"description": "No more, please: the endpoint is disabled."},
        },
    }
