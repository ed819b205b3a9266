"""The certificates behind webhook signatures: a root, an intermediate, and the leaf that signs.

As with PayPal, the leaf is served without its intermediate: whoever verifies must bring both the
root and the intermediate along.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_NAME = "messageverificationcerts.sandbox.paypal.com"
LIFE = timedelta(days=3650)
ALL_OFF = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True)
class Authority:
    """The key that signs, the leaf that proves it, and what vouches for the leaf."""

    key: rsa.RSAPrivateKey
    leaf_pem: bytes
    chain_pem: bytes
    """Root and intermediate, for `PAYPAL_CA_FILE`."""
    leaf_id: str
    """As in the certificate's address: `CERT-…`."""

    def write_chain(self, folder: Path) -> Path:
        """Write root and intermediate into a folder, once, and return the file's path."""
        path = folder / f"paypal-ca-{self.leaf_id.removeprefix('CERT-')}.pem"
        if not path.exists():
            path.write_bytes(self.chain_pem)
        return path.resolve()


@cache
def authority() -> Authority:
    """Make the keys and certificates; once in a process, for key generation is slow."""
    root_key, middle_key, leaf_key = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)
    )
    root_name, middle_name = _name("Sandbox Root CA"), _name("Sandbox Intermediate CA")
    root = _ca(root_name, root_key.public_key(), root_name, root_key, 1)
    middle = _ca(middle_name, middle_key.public_key(), root_name, root_key, 0)
    leaf = _leaf(leaf_key.public_key(), middle_name, middle_key)
    fingerprint = leaf.fingerprint(hashes.SHA256()).hex()
    pem = serialization.Encoding.PEM
    return Authority(
        key=leaf_key,
        leaf_pem=leaf.public_bytes(pem),
        chain_pem=root.public_bytes(pem) + middle.public_bytes(pem),
        leaf_id=f"CERT-{fingerprint[:8]}-{fingerprint[8:16]}-{fingerprint[16:24]}",
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name,
    public_key: rsa.RSAPublicKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(days=1)
    vouches = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(vouches, critical=False)
    )


def _ca(
    subject: x509.Name,
    public_key: rsa.RSAPublicKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    depth: int,
) -> x509.Certificate:
    usage = x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **ALL_OFF)
    return (
        _certificate(subject, public_key, issuer, issuer_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=depth), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def _leaf(
    public_key: rsa.RSAPublicKey, issuer: x509.Name, issuer_key: rsa.RSAPrivateKey
) -> x509.Certificate:
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **ALL_OFF)
    names = x509.SubjectAlternativeName([x509.DNSName(LEAF_NAME)])
    purposes = x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    return (
        _certificate(_name(LEAF_NAME), public_key, issuer, issuer_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(names, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
