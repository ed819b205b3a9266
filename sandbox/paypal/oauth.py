"""OAuth 2 client credentials: who may call, and for how long.

A token carries its own expiry under a MAC, so none has to be remembered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import timedelta
from random import Random
from typing import Any

from sandbox.clock import Clock
from sandbox.ids import ALPHANUMERIC
from sandbox.paypal.errors import Unauthorized

LIFE = timedelta(seconds=32_400)
PREFIX = "A21AA"
SCOPE = (
    "https://uri.paypal.com/services/payments/payment/authcapture "
    "https://uri.paypal.com/services/payments/refund "
    "https://uri.paypal.com/services/applications/webhooks "
    "https://uri.paypal.com/services/reporting/search/read"
)


class Credentials:
    """The one application that may call: client id, secret, and the secret of its tokens."""

    def __init__(self, random: Random) -> None:
        self.client_id = "A" + "".join(random.choices(ALPHANUMERIC, k=79))
        self.client_secret = "E" + "".join(random.choices(ALPHANUMERIC, k=79))
        self.token_key = random.randbytes(32)


class Tokens:
    """Issues and checks bearer tokens by the sandbox's clock."""

    def __init__(self, credentials: Credentials, clock: Clock, random: Random) -> None:
        self._credentials = credentials
        self._clock = clock
        self._random = random

    def grant(self, authorization: str | None, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The status and body of `POST /v1/oauth2/token`."""
        if not self._is_client(authorization):
            return 401, {
                "error": "invalid_client",
                "error_description": "Client Authentication failed",
            }
        if form.get("grant_type") != "client_credentials":
            return 400, {
                "error": "unsupported_grant_type",
                "error_description": "Grant Type is not supported",
            }
        return 200, {
            "scope": SCOPE,
            "access_token": self._issue(),
            "token_type": "Bearer",
            "app_id": "APP-80W284485P519543T",
            "expires_in": int(LIFE.total_seconds()),
            "nonce": f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}{self._random.randbytes(16).hex()}",
        }

    def check(self, authorization: str | None) -> None:
        """Raises Unauthorized unless the header carries a good token."""
        if not authorization:
            raise Unauthorized(invalid=False)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not self._good(token.strip()):
            raise Unauthorized(invalid=True)

    def _is_client(self, authorization: str | None) -> bool:
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        wanted = f"{self._credentials.client_id}:{self._credentials.client_secret}"
        return scheme.lower() == "basic" and hmac.compare_digest(given, wanted.encode())

    def _issue(self) -> str:
        expiry = int((self._clock.now() + LIFE).timestamp())
        claims = expiry.to_bytes(8, "big") + self._random.randbytes(10)
        return PREFIX + base64.urlsafe_b64encode(claims + self._mac(claims)).decode().rstrip("=")

    def _good(self, token: str) -> bool:
        encoded = token.removeprefix(PREFIX)
        try:
            raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), "-_", validate=True)
        except (binascii.Error, ValueError):
            return False
        claims, mac = raw[:18], raw[18:]
        expiry = int.from_bytes(claims[:8], "big")
        return hmac.compare_digest(mac, self._mac(claims)) and expiry > self._clock.timestamp()

    def _mac(self, claims: bytes) -> bytes:
        return hmac.digest(self._credentials.token_key, claims, hashlib.sha256)
