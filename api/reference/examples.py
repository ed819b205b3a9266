"""Request bodies to copy, by operation id."""

from typing import Any


def bodies(provider: str) -> dict[str, dict[str, Any]]:
    """An example per operation that takes a body; `provider` is one that is switched on."""
    return {
        "createOrder": {
            "provider": provider,
            "currency": "USD",
            "items": [{"product": "prod_…", "quantity": 2}],
            "success_url": "https://shop.example/thanks",
            "cancel_url": "https://shop.example/cart",
            "reference": "A-1001",
            "metadata": {"cart": "9"},
        },
        "createPayment": {"provider": provider},
        "replaceRouting": {
            "rules": [
                {"currencies": ["USD"], "max_amount": 1000, "providers": [provider]},
                {"providers": [provider, "*"]},
            ],
            "avoid_degraded": True,
        },
        "captureOrder": {"amount": 1500},
        "cancelOrder": {},
        "createRefund": {"amount": 500, "reason": "The mug was chipped"},
        "createProduct": {
            "name": "Ceramic mug",
            "prices": [{"currency": "USD", "unit_amount": 1800}],
        },
        "changeProduct": {"prices": [{"currency": "USD", "unit_amount": 1900}]},
        "createWebhookEndpoint": {
            "url": "https://shop.example/payments",
            "events": ["order.paid", "refund.succeeded"],
        },
        "changeWebhookEndpoint": {"status": "enabled"},
        "recoverWebhookEndpoint": {"since": "2026-01-31T00:00:00Z"},
        "createExport": {
            "kind": "orders",
            "format": "xlsx",
            "tz": "Europe/Berlin",
            "filters": {"status": ["paid"], "created_from": "2026-01-01T00:00:00+01:00"},
        },
        "resolveAttention": {"note": "The buyer was paid back by bank transfer"},
    }
