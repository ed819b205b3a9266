"""Passwords as argon2id hashes (RFC 9106's second recommended setting, argon2-cffi's default)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.errors import InvalidRequest

SHORTEST, LONGEST = 12, 200
_hasher = PasswordHasher()
#: Each takes 64 MiB and a core for some 50 ms: no more than two at once.
_pool = ThreadPoolExecutor(2, thread_name_prefix="argon2")
#: Of a password that nobody has: an unknown user takes as long as a known one.
_NOBODY = _hasher.hash("nobody's password")


def check_strength(password: str) -> None:
    """Long enough is strong enough (NIST SP 800-63B). Raises InvalidRequest."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidRequest(f"a password has {SHORTEST} to {LONGEST} characters", path="password")


def hash_password(password: str) -> str:
    """A fresh hash with its own salt."""
    return _hasher.hash(password)


async def hashed(password: str) -> str:
    """As hash_password, without holding up the others."""
    return await asyncio.get_running_loop().run_in_executor(_pool, hash_password, password)


async def matches(password: str, password_hash: str | None) -> bool:
    """Whether it is that password; without a hash never, and as slowly."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_pool, _verify, password_hash or _NOBODY, password)
    return found and bool(password_hash)


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
