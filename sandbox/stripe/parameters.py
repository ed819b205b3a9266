"""The parameters of every simulated call, in the names of API version 2026-05-27.dahlia.

What cannot change anything in the sandbox is accepted (`anything`); what would change amounts or
flows that it does not have is refused (`unsupported`), so that nobody believes it was tried.
"""

from __future__ import annotations

from typing import Any

from sandbox.stripe import currencies
from sandbox.stripe.errors import StripeError
from sandbox.stripe.schema import (
    Check,
    anything,
    boolean,
    choice,
    email,
    integer,
    items,
    metadata,
    record,
    string,
    unsupported,
    url,
)


def currency(value: Any, param: str) -> str:
    """A currency that Stripe charges in; upper case is taken as lower case."""
    code = value.lower() if isinstance(value, str) else ""
    if code not in currencies.SUPPORTED:
        message = f"Invalid currency: {code[:10]}. Stripe currently supports these currencies: "
        raise StripeError(message + ", ".join(sorted(currencies.SUPPORTED)), param=param)
    return code


def off(value: Any, param: str) -> dict[str, Any]:
    """A feature with an `enabled` switch that the sandbox only knows as switched off."""
    checked: dict[str, Any] = record({"enabled": boolean, "liability": anything}, ["enabled"])(
        value, param
    )
    return unsupported(value, param) if checked["enabled"] else checked


EXPAND = items(string(), 20)
EXPAND_ONLY = record({"expand": EXPAND})
MOMENT = integer(0, 10**12)
AMOUNT = integer(0)


def created(value: Any, param: str) -> dict[str, int]:
    """A filter by time: one second, or bounds `gt`, `gte`, `lt`, `lte`."""
    if isinstance(value, dict):
        bounds: dict[str, int] = record(dict.fromkeys(("gt", "gte", "lt", "lte"), MOMENT))(
            value, param
        )
        return bounds
    return {"eq": MOMENT(value, param)}


def listing(**filters: Check) -> Check:
    """The parameters of a list call: pagination, `created`, and its own filters."""
    return record(
        {
            "limit": integer(1, 100),
            "starting_after": string(),
            "ending_before": string(),
            "created": created,
            "expand": EXPAND,
            **filters,
        }
    )


PRODUCT_DATA = record(
    {
        "name": string(),
        "description": string(40000),
        "images": anything,
        "metadata": metadata,
        "tax_code": anything,
        "unit_label": string(12),
    },
    ["name"],
)
PRICE_DATA = record(
    {
        "currency": currency,
        "product": unsupported,
        "product_data": PRODUCT_DATA,
        "unit_amount": AMOUNT,
        "unit_amount_decimal": unsupported,
        "recurring": unsupported,
        "tax_behavior": choice("exclusive", "inclusive", "unspecified"),
    },
    ["currency", "product_data", "unit_amount"],
)
LINE_ITEM = record(
    {
        "price": string(),
        "price_data": PRICE_DATA,
        "quantity": integer(1, 999_999),
        "metadata": metadata,
        "adjustable_quantity": off,
        "tax_rates": unsupported,
        "dynamic_tax_rates": unsupported,
    }
)
INTENT_DATA = record(
    {
        "capture_method": choice("automatic", "automatic_async", "manual"),
        "description": string(1000),
        "metadata": metadata,
        "receipt_email": email,
        "setup_future_usage": choice("off_session", "on_session"),
        "shipping": anything,
        "statement_descriptor": string(22),
        "statement_descriptor_suffix": string(22),
        "transfer_group": string(),
        "application_fee_amount": unsupported,
        "on_behalf_of": unsupported,
        "transfer_data": unsupported,
    }
)
CREATE_SESSION = record(
    {
        "mode": choice("payment", "setup", "subscription"),
        "line_items": items(LINE_ITEM),
        "success_url": url,
        "cancel_url": url,
        "expires_at": MOMENT,
        "client_reference_id": string(200),
        "customer_email": email,
        "metadata": metadata,
        "payment_intent_data": INTENT_DATA,
        "payment_method_types": items(string()),
        "expand": EXPAND,
        "currency": currency,
        "locale": string(),
        "ui_mode": choice("elements", "embedded_page", "hosted_page"),
        "submit_type": choice("auto", "book", "donate", "pay", "subscribe"),
        "billing_address_collection": choice("auto", "required"),
        "customer_creation": choice("always", "if_required"),
        "integration_identifier": string(200),
        "origin_context": choice("mobile_app", "web"),
        "allow_promotion_codes": boolean,
        "adaptive_pricing": off,
        "automatic_tax": off,
        "invoice_creation": off,
        "managed_payments": off,
        "phone_number_collection": off,
        "tax_id_collection": off,
        **dict.fromkeys(
            ("branding_settings", "custom_text", "payment_method_options", "wallet_options"),
            anything,
        ),
        **dict.fromkeys(
            (
                "after_expiration",
                "consent_collection",
                "custom_fields",
                "customer",
                "customer_account",
                "customer_update",
                "discounts",
                "excluded_payment_method_types",
                "name_collection",
                "optional_items",
                "payment_method_collection",
                "payment_method_configuration",
                "payment_method_data",
                "permissions",
                "redirect_on_completion",
                "return_url",
                "saved_payment_method_options",
                "setup_intent_data",
                "shipping_address_collection",
                "shipping_options",
                "subscription_data",
            ),
            unsupported,
        ),
    },
    ["mode"],
)
CAPTURE = record(
    {
        "amount_to_capture": integer(1),
        "final_capture": boolean,
        "metadata": metadata,
        "statement_descriptor": string(22),
        "statement_descriptor_suffix": string(22),
        "expand": EXPAND,
        **dict.fromkeys(("amount_details", "hooks", "payment_details"), anything),
        **dict.fromkeys(("application_fee_amount", "transfer_data"), unsupported),
    }
)
CANCEL_INTENT = record(
    {
        "cancellation_reason": choice(
            "duplicate", "fraudulent", "requested_by_customer", "abandoned"
        ),
        "expand": EXPAND,
    }
)
CREATE_REFUND = record(
    {
        "payment_intent": string(),
        "charge": string(),
        "amount": integer(1),
        "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
        "metadata": metadata,
        "instructions_email": email,
        "expand": EXPAND,
        **dict.fromkeys(
            ("currency", "customer", "origin", "refund_application_fee", "reverse_transfer"),
            unsupported,
        ),
    }
)
LIST_SESSIONS = listing(
    payment_intent=string(),
    status=choice("complete", "expired", "open"),
    customer_details=record({"email": string()}, ["email"]),
    **dict.fromkeys(("customer", "customer_account", "payment_link", "subscription"), unsupported),
)
LIST_LINE_ITEMS = listing()
LIST_INTENTS = listing(customer=unsupported, customer_account=unsupported)
LIST_CHARGES = listing(payment_intent=string(), customer=unsupported, transfer_group=string())
LIST_REFUNDS = listing(payment_intent=string(), charge=string())
LIST_DISPUTES = listing(payment_intent=string(), charge=string())
LIST_TRANSACTIONS = listing(payout=string(), source=string(), type=string(), currency=currency)
LIST_PAYOUTS = listing(arrival_date=created, status=string(), destination=unsupported)
LIST_EVENTS = listing(type=string(), types=items(string(), 20), delivery_success=anything)
LIST_ENDPOINTS = listing()
CREATE_ENDPOINT = record(
    {
        "url": url,
        "enabled_events": items(string()),
        "api_version": string(),
        "description": string(),
        "metadata": metadata,
        "connect": unsupported,
        "expand": EXPAND,
    },
    ["url", "enabled_events"],
)
