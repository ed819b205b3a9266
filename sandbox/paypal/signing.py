"""Signs webhooks as PayPal does, and verifies them for the postback call.

The message is `transmission-id|transmission-time|webhook-id|crc32`, the CRC-32 of the raw body as
an unsigned decimal number; RSA with SHA-256 and PKCS#1 v1.5.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
import zlib
from datetime import datetime
from random import Random

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from sandbox.paypal.certificates import Authority
from sandbox.paypal.errors import Problem
from sandbox.paypal.represent import seconds

ALGORITHM = "SHA256withRSA"


class Postback(msgspec.Struct):
    """The body of `verify-webhook-signature`; `webhook_event` keeps its bytes as they were sent,
    for re-serialising it would break the signature."""

    auth_algo: str
    cert_url: str
    transmission_id: str
    transmission_sig: str
    transmission_time: str
    webhook_id: str
    webhook_event: msgspec.Raw


class Signer:
    """Signs for one webhook of the merchant, under a certificate served at `cert_url`."""

    def __init__(
        self, authority: Authority, webhook_id: str, cert_url: str, random: Random
    ) -> None:
        self.webhook_id = webhook_id
        self.cert_url = cert_url
        self._key = authority.key
        self._random = random

    def __call__(self, body: bytes, moment: datetime) -> dict[str, str]:
        """The headers of one transmission of a body."""
        transmission_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        time = seconds(moment)
        signature = self._key.sign(
            self._message(transmission_id, time, body), padding.PKCS1v15(), hashes.SHA256()
        )
        return {
            "paypal-transmission-id": transmission_id,
            "paypal-transmission-time": time,
            "paypal-transmission-sig": base64.b64encode(signature).decode(),
            "paypal-cert-url": self.cert_url,
            "paypal-auth-algo": ALGORITHM,
            "content-type": "application/json",
        }

    def verify(self, raw: bytes) -> bool:
        """Whether a postback body describes a transmission that was signed here.

        Raises:
            Problem: the body is not of the form that the call needs.
        """
        try:
            asked = msgspec.json.decode(raw, type=Postback)
        except msgspec.ValidationError as error:
            missing = re.search(r"missing required field `(\w+)`", str(error))
            if missing:
                raise Problem("MISSING_REQUIRED_PARAMETER", f"/{missing[1]}") from None
            raise Problem("INVALID_PARAMETER_SYNTAX") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Problem("MALFORMED_REQUEST_JSON") from None
        ours = (self.webhook_id, self.cert_url, ALGORITHM)
        if (asked.webhook_id, asked.cert_url, asked.auth_algo) != ours:
            return False
        message = self._message(
            asked.transmission_id, asked.transmission_time, bytes(asked.webhook_event)
        )
        try:
            signature = base64.b64decode(asked.transmission_sig, validate=True)
            self._key.public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def _message(self, transmission_id: str, time: str, body: bytes) -> bytes:
        return f"{transmission_id}|{time}|{self.webhook_id}|{zlib.crc32(body)}".encode()
