"""The objects of Razorpay's API, as they are when they are new.

Their fields are those of the documented samples: https://razorpay.com/docs/api/
"""

import secrets
from typing import Any

Json = dict[str, Any]

DAY = 86_400
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
ZERO_DECIMALS = frozenset(_ZERO.split())
THREE_DECIMALS = frozenset({"BHD", "IQD", "JOD", "KWD", "OMR", "TND"})
#: Rupees for one unit of any other currency, say, in this make-believe world.
RATE = 80


def new_link(body: Json, now: int, page: str) -> Json:
    """A payment link; it has no order yet."""
    number = secrets.token_hex(7)
    return {
        "accept_partial": body.get("accept_partial", False),
        "amount": body["amount"],
        "amount_paid": 0,
        "callback_method": body.get("callback_method", ""),
        "callback_url": body.get("callback_url", ""),
        "cancelled_at": 0,
        "created_at": now,
        "currency": body.get("currency", "INR"),
        "customer": body.get("customer", []),
        "description": body.get("description", ""),
        "expire_by": body.get("expire_by", 0),
        "expired_at": 0,
        "first_min_partial_amount": 0,
        "id": f"plink_{number}",
        "notes": body.get("notes") or [],
        "notify": body.get("notify", {}),
        "payments": None,
        "reference_id": body.get("reference_id", ""),
        "reminder_enable": body.get("reminder_enable", False),
        "reminders": [],
        "short_url": page + number,
        "status": "created",
        "updated_at": now,
        "upi_link": False,
        "user_id": "",
    }


def new_payment(link: Json, method: str, now: int, settles_in: str) -> Json:
    """A payment that the bank has authorized."""
    payment: Json = {
        "id": f"pay_{secrets.token_hex(7)}",
        "entity": "payment",
        "amount": link["amount"],
        "currency": link["currency"],
        "status": "authorized",
        "order_id": link["order_id"],
        "invoice_id": None,
        "international": link["currency"] != settles_in,
        "method": method,
        "amount_refunded": 0,
        "refund_status": None,
        "captured": False,
        "description": "#" + link["id"].removeprefix("plink_"),
        "card_id": None,
        "bank": "HDFC" if method == "netbanking" else None,
        "wallet": None,
        "vpa": None,
        "email": "buyer@example.com",
        "contact": "+919000090000",
        "notes": [],
        "fee": None,
        "tax": None,
        "error_code": None,
        "error_description": None,
        "error_source": None,
        "error_step": None,
        "error_reason": None,
        "created_at": now,
    }
    if method == "card":
        payment["card_id"] = f"card_{secrets.token_hex(7)}"
        payment["card"] = {
            "id": payment["card_id"],
            "entity": "card",
            "name": "A Buyer",
            "last4": "1111",
            "network": "Visa",
            "type": "credit",
        }
    if link["currency"] != settles_in:
        payment |= {"base_amount": _converted(link), "base_currency": settles_in}
    return payment


def new_refund(payment: Json, amount: int, notes: Any, status: str, now: int) -> Json:
    """A refund of normal speed."""
    return {
        "id": f"rfnd_{secrets.token_hex(7)}",
        "entity": "refund",
        "amount": amount,
        "currency": payment["currency"],
        "payment_id": payment["id"],
        "notes": notes,
        "receipt": None,
        "acquirer_data": {"arn": None},
        "created_at": now,
        "batch_id": None,
        "status": status,
        "speed_processed": "normal",
        "speed_requested": "normal",
    }


def _converted(link: Json) -> int:
    """The amount in paise, say."""
    decimals = 0 if link["currency"] in ZERO_DECIMALS else 2
    decimals = 3 if link["currency"] in THREE_DECIMALS else decimals
    paise: int = link["amount"] * RATE * 100 // 10**decimals
    return paise
