"""Secrets that must be read again: encrypted under a key derived from the server's own."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken


class Sealer:
    """Encrypts with Fernet (AES-128-CBC and HMAC-SHA-256) under a key of its own for `purpose`."""

    def __init__(self, secret_key: str, purpose: str) -> None:
        key = hmac.digest(secret_key.encode(), purpose.encode(), hashlib.sha256)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def __repr__(self) -> str:
        return "Sealer()"

    def seal(self, text: str) -> bytes:
        """Encrypted, to be stored."""
        return self._fernet.encrypt(text.encode())

    def unseal(self, sealed: bytes) -> str | None:
        """The text; None when it was sealed under another key."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None
