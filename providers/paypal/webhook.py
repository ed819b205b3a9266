"""Whether a delivery is PayPal's: its signature, checked here; PayPal itself asked if need be.

The signed message is `transmission-id|transmission-time|webhook-id|crc32`, the CRC-32 of the raw
body as an unsigned decimal number, under SHA256withRSA (PKCS#1 v1.5). The algorithm is fixed here
and not read from the delivery. Source:
https://developer.paypal.com/api/rest/webhooks/rest/#link-messageverification
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.errors import Unavailable, WebhookInvalid
from gateway.ports import Clock
from gateway.provider import ProviderEvent
from providers.paypal.certificates import Certificates
from providers.paypal.events import read_event
from providers.paypal.mapping import moment
from providers.paypal.resources import Verification
from providers.paypal.sdk import Sdk

#: PayPal delivers up to 25 times over 3 days, and does not say whether a repeat is signed anew. A
#: delivery that is refused for its age is lost, one that is replayed meets events and facts that
#: are stored once: so the bound is what PayPal may need, and an hour.
OLDEST = timedelta(days=3, hours=1)
#: Clocks differ; a time beyond that was not written by PayPal.
NEWEST = timedelta(minutes=5)
ALGORITHM = "SHA256withRSA"
POSTBACK_PATH = "/v1/notifications/verify-webhook-signature"

_HEADERS = {
    "paypal-transmission-id": re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"),
    "paypal-transmission-time": re.compile(r"[0-9TZtz:.+-]{20,64}"),
    "paypal-transmission-sig": re.compile(r"[A-Za-z0-9+/=]{1,2048}"),
    "paypal-cert-url": re.compile(r"[!-~]{1,500}"),
}


@dataclass(frozen=True, slots=True)
class Transmission:
    """The delivery's headers, well-formed but not yet believed."""

    id: str
    time: str
    signature: str
    cert_url: str

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "Transmission":
        """From lower-case header names. Raises WebhookInvalid."""
        values = []
        for name, form in _HEADERS.items():
            value = headers.get(name, "")
            if not form.fullmatch(value):
                raise WebhookInvalid(f"the header {name} is missing or malformed")
            values.append(value)
        return cls(*values)

    def check_time(self, now: datetime) -> None:
        """Raises WebhookInvalid when it was sent too long ago, or in the future."""
        sent = moment(self.time)
        if sent is None or not now - OLDEST <= sent <= now + NEWEST:
            raise WebhookInvalid("the transmission time is too far from now")


class Postback:
    """Asks PayPal whether it has signed a delivery."""

    def __init__(self, http: httpx.AsyncClient, sdk: Sdk, base: str, webhook_id: str) -> None:
        self._http = http
        self._sdk = sdk
        self._url = base + POSTBACK_PATH
        self._webhook_id = webhook_id

    async def confirms(self, transmission: Transmission, body: bytes) -> bool:
        """PayPal's verdict. `body` must be JSON, for its bytes are put into the question as they
        are: written anew, they would no longer be what was signed.

        Raises Unavailable when PayPal does not say.
        """
        question = json.dumps(
            {
                "auth_algo": ALGORITHM,
                "cert_url": transmission.cert_url,
                "transmission_id": transmission.id,
                "transmission_sig": transmission.signature,
                "transmission_time": transmission.time,
                "webhook_id": self._webhook_id,
            }
        )
        content = question[:-1].encode() + b', "webhook_event": ' + body + b"}"
        response = await self._ask(content)
        if response.status_code == 400:  # PayPal cannot read what it is said to have written
            return False
        try:
            if response.status_code != 200:
                raise ValueError
            answer = msgspec.json.decode(response.content, type=Verification)
        except (msgspec.DecodeError, ValueError):
            raise Unavailable(
                f"PayPal's webhook verification answered {response.status_code}"
            ) from None
        return answer.verification_status == "SUCCESS"

    async def _ask(self, content: bytes) -> httpx.Response:
        """With a token, and once more with a new one."""
        response = await self._post(content, await self._sdk.bearer())
        if response.status_code == 401:
            await self._sdk.refuse(response.request.headers["authorization"])
            response = await self._post(content, await self._sdk.bearer())
        return response

    async def _post(self, content: bytes, bearer: str) -> httpx.Response:
        headers = {"authorization": bearer, "content-type": "application/json"}
        try:
            return await self._http.post(self._url, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(f"PayPal's webhook verification: {type(error).__name__}") from error


class WebhookVerifier:
    """Turns a genuine delivery into an event and refuses every other."""

    def __init__(
        self, certificates: Certificates, postback: Postback, webhook_id: str, clock: Clock
    ) -> None:
        self._certificates = certificates
        self._postback = postback
        self._webhook_id = webhook_id
        self._clock = clock

    async def verify(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """The event, proven by the certificate; where the certificate's chain does not lead to one
        of our anchors, by PayPal's own word.

        Raises WebhookInvalid for whatever is not a genuine, fresh delivery to this webhook, and
        Unavailable when PayPal is needed to tell and does not answer.
        """
        transmission = Transmission.read(headers)
        transmission.check_time(self._clock.now())
        event = read_event(body)
        signing_key = await self._certificates.signing_key(transmission.cert_url)
        message = f"{transmission.id}|{transmission.time}|{self._webhook_id}|{zlib.crc32(body)}"
        try:
            signature = base64.b64decode(transmission.signature, validate=True)
            signing_key.key.verify(signature, message.encode(), PKCS1v15(), SHA256())
        except (InvalidSignature, binascii.Error):
            raise WebhookInvalid("the signature is not PayPal's") from None
        if not signing_key.trusted and not await self._postback.confirms(transmission, body):
            raise WebhookInvalid("PayPal does not know this delivery")
        return event
