"""A certificate authority of the tests' own, and deliveries signed under it as PayPal signs."""

import base64
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME = "messageverificationcerts.sandbox.paypal.com"
NOW = datetime(2026, 3, 1, 10, 5, 2, tzinfo=UTC)
WEBHOOK_ID = "8PT597110X687430L"
PREFIX = "https://api.sandbox.paypal.com/v1/notifications/certs/"
CERT_URL = f"{PREFIX}CERT-360caa42-fca2a594-1d93a270"


@dataclass
class FixedClock:
    """A clock that a test sets."""

    at: datetime = NOW

    def now(self) -> datetime:
        """What was set."""
        return self.at


def key(name: str, size: int = 2048) -> RSAPrivateKey:
    """The key of that name; made once."""
    return _key(name, size)


@cache
def _key(name: str, size: int) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=size)


def _certificate(
    name: str, issuer: str, *, is_ca: bool, dns: str = NAME, signer_key: RSAPrivateKey | None = None
) -> x509.Certificate:
    public, issuer_key = (signer_key or key(name)).public_key(), key(issuer)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=100))
        .not_valid_after(NOW + timedelta(days=100))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if not is_ca:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(issuer_key, SHA256())


@cache
def root(name: str = "root") -> bytes:
    """A self-signed root, in PEM."""
    return _certificate(name, name, is_ca=True).public_bytes(Encoding.PEM)


@cache
def intermediate() -> bytes:
    """What stands between root and leaf, in PEM."""
    return _certificate("middle", "root", is_ca=True).public_bytes(Encoding.PEM)


@cache
def leaf(dns: str = NAME, key_size: int = 2048) -> bytes:
    """What signs, in PEM, without its intermediate."""
    signer = key("leaf", key_size)
    made = _certificate("leaf", "middle", is_ca=False, dns=dns, signer_key=signer)
    return made.public_bytes(Encoding.PEM)


def signed(
    body: bytes, *, at: datetime = NOW, webhook_id: str = WEBHOOK_ID, cert_url: str = CERT_URL
) -> dict[str, str]:
    """The headers of a genuine delivery of `body`."""
    time = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    transmission_id = "69cd13f0-d67a-11e5-baa3-778b53f4ae55"
    message = f"{transmission_id}|{time}|{webhook_id}|{zlib.crc32(body)}"
    signature = key("leaf").sign(message.encode(), PKCS1v15(), SHA256())
    return {
        "paypal-transmission-id": transmission_id,
        "paypal-transmission-time": time,
        "paypal-transmission-sig": base64.b64encode(signature).decode(),
        "paypal-cert-url": cert_url,
        "paypal-auth-algo": "SHA256withRSA",
    }
