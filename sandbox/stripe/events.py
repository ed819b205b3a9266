"""The signature of Stripe's webhooks."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

WEBHOOK_SECRET = "whsec_sandbox"


def sign(body: bytes, moment: datetime) -> dict[str, str]:
    """The headers of a webhook: HMAC-SHA256 over the time and the raw body."""
    timestamp = int(moment.timestamp())
    message = f"{timestamp}.".encode() + body
    digest = hmac.new(WEBHOOK_SECRET.encode(), message, hashlib.sha256).hexdigest()
    return {
        "stripe-signature": f"t={timestamp},v1={digest}",
        "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "content-type": "application/json; charset=utf-8",
    }
