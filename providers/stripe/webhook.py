"""Stripe's webhook signature: HMAC-SHA256 over "timestamp.body", the raw bytes.

Our own rather than the package's verifier, which lets future timestamps pass, reads the machine's
clock, and leaks half a dozen exceptions on hostile input.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256

from gateway.errors import WebhookInvalid

HEADER = "stripe-signature"
#: Seconds that a delivery's timestamp may be off, either way.
TOLERANCE = 300

_LONGEST_HEADER = 4096
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
#: Two secrets while one is rolled; nobody genuine needs more than a few.
_MOST_SIGNATURES = 16


def verify(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: datetime) -> None:
    """Return if any of `secrets` signed `body` at about `now`. Raises WebhookInvalid otherwise.

    `headers` have lower-case names.
    """
    timestamp, signatures = _parse(headers.get(HEADER, ""))
    signed = timestamp.encode() + b"." + body
    genuine = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), signed, sha256).hexdigest()
        for signature in signatures:
            genuine |= hmac.compare_digest(expected, signature)
    if not genuine:
        raise WebhookInvalid("the signature does not match the body")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        raise WebhookInvalid(f"the delivery is more than {TOLERANCE} seconds old, or ahead of time")


def _parse(header: str) -> tuple[str, list[str]]:
    """The timestamp, as written, and the v1 signatures of `t=…,v1=…[,v1=…]`."""
    if not header or len(header) > _LONGEST_HEADER:
        raise WebhookInvalid("the Stripe-Signature header is missing or too long")
    items = [item.partition("=") for item in header.split(",")]
    timestamps = [value for name, _, value in items if name == "t"]
    signatures = [value for name, _, value in items if name == "v1"]
    if len(timestamps) != 1 or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise WebhookInvalid("the Stripe-Signature header has no timestamp")
    if not 1 <= len(signatures) <= _MOST_SIGNATURES:
        raise WebhookInvalid("the Stripe-Signature header has no signature of scheme v1")
    if not all(_SIGNATURE.fullmatch(signature) for signature in signatures):
        raise WebhookInvalid("the Stripe-Signature header has a malformed signature")
    return timestamps[0], signatures
