"""The certificates that sign PayPal's webhooks: from where they come, and whom they prove.

A certificate is fetched once from one of the pinned addresses and kept. PayPal serves the leaf
alone, so anchors and intermediates come from PAYPAL_CA_FILE, or anchors from certifi.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import anyio
import certifi
import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from gateway.errors import Unavailable, WebhookInvalid
from gateway.ports import Clock

V = TypeVar("V")

MAX_BYTES = 64 * 1024
FETCH_SECONDS = 10.0
#: A kept certificate is fetched and judged anew after this time.
KEEP = timedelta(hours=24)
#: An address that gave no certificate is not asked again for this time.
KEEP_REFUSAL = timedelta(seconds=60)
MAX_KEPT = 64

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A webhook signer's public key. `trusted`: its chain leads to an anchor of ours."""

    key: RSAPublicKey
    trusted: bool
    until: datetime


class Trust:
    """Anchors and intermediates. Self-signed certificates of `ca_pem` are anchors, the others
    intermediates; without an anchor there, certifi's are used."""

    def __init__(self, ca_pem: bytes | None, name: str) -> None:
        given = load_certificates(ca_pem or b"")
        anchors = [one for one in given if one.subject == one.issuer]
        self._intermediates = [one for one in given if one.subject != one.issuer]
        self._store = Store(anchors or _certifi_roots())
        self._name = x509.DNSName(name)

    def proves(
        self, leaf: x509.Certificate, extra: Sequence[x509.Certificate], at: datetime
    ) -> bool:
        """Whether chain, name, purpose and time of `leaf` are right."""
        verifier = PolicyBuilder().store(self._store).time(at).build_server_verifier(self._name)
        try:
            verifier.verify(leaf, [*extra, *self._intermediates])
        except VerificationError:
            return False
        return True


class Certificates:
    """Fetches, judges and keeps signing keys by their address."""

    def __init__(
        self, http: httpx.AsyncClient, prefixes: Sequence[str], trust: Trust, clock: Clock
    ) -> None:
        self._http = http
        self._prefixes = tuple(prefixes)
        self._trust = trust
        self._clock = clock
        self._kept: dict[str, SigningKey] = {}
        self._refused: dict[str, datetime] = {}
        self._fetching = anyio.Lock()

    async def signing_key(self, url: str) -> SigningKey:
        """The key behind a certificate's address.

        Raises WebhookInvalid for an address that is not PayPal's or holds no certificate, and
        Unavailable when PayPal does not answer.
        """
        if not self._is_pinned(url):
            raise WebhookInvalid("the certificate's address is not one of PayPal's")
        known = self._known(url)
        if known is None:
            async with self._fetching:  # one at a time: strangers can name addresses, too
                known = self._known(url) or await self._fetch(url)
        return known

    def _is_pinned(self, url: str) -> bool:
        """Compared as text, so that no two readings of an address can differ."""
        return any(
            url.startswith(prefix) and _NAME.fullmatch(url, len(prefix)) is not None
            for prefix in self._prefixes
        )

    def _known(self, url: str) -> SigningKey | None:
        now = self._clock.now()
        if self._refused.get(url, now) > now:
            raise WebhookInvalid("there is no certificate at the given address")
        kept = self._kept.get(url)
        return kept if kept is not None and kept.until > now else None

    async def _fetch(self, url: str) -> SigningKey:
        now = self._clock.now()
        try:
            signing_key = self._judge(await self._download(url), now)
        except WebhookInvalid:
            _keep(self._refused, url, now + KEEP_REFUSAL)
            raise
        _keep(self._kept, url, signing_key)
        return signing_key

    async def _download(self, url: str) -> bytes:
        """The body of a 200. Redirects are not followed."""
        content = b""
        try:
            with anyio.fail_after(FETCH_SECONDS):
                async with self._http.stream("GET", url) as response:
                    if response.status_code == 429 or response.status_code >= 500:
                        raise Unavailable(f"PayPal's certificates: {response.status_code}")
                    if response.status_code != 200:
                        raise WebhookInvalid("there is no certificate at the given address")
                    async for chunk in response.aiter_bytes():
                        content += chunk
                        if len(content) > MAX_BYTES:
                            raise WebhookInvalid("the certificate is too large")
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable(f"PayPal's certificates: {type(error).__name__}") from error
        return content

    def _judge(self, pem: bytes, now: datetime) -> SigningKey:
        chain = load_certificates(pem)
        key = chain[0].public_key() if chain else None
        if not isinstance(key, RSAPublicKey) or key.key_size < 2048:
            raise WebhookInvalid("the certificate holds no RSA key")
        trusted = self._trust.proves(chain[0], chain[1:], now)
        until = min(now + KEEP, chain[0].not_valid_after_utc) if trusted else now + KEEP
        return SigningKey(key=key, trusted=trusted, until=until)


def load_certificates(pem: bytes) -> list[x509.Certificate]:
    """All certificates of a PEM text, in order; what is not readable is left out."""
    found = []
    with warnings.catch_warnings():
        # Old roots have serial numbers that today's rules forbid; they are anchors all the same.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for block in _PEM.findall(pem):
            try:
                found.append(x509.load_pem_x509_certificate(block))
            except ValueError:
                continue
    return found


def _certifi_roots() -> list[x509.Certificate]:
    with open(certifi.where(), "rb") as file:
        return load_certificates(file.read())


def _keep(kept: dict[str, V], url: str, value: V) -> None:
    """Remember, and forget the oldest beyond MAX_KEPT."""
    kept.pop(url, None)
    kept[url] = value
    while len(kept) > MAX_KEPT:
        del kept[next(iter(kept))]
