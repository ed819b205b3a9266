"""Links to finished files that need no key: for browsers, which send none."""

import hashlib
import hmac
from datetime import datetime

from api.security import Caller, Unauthenticated
from gateway.exports import LINK


def link_token(secret: str, merchant_id: str, livemode: bool, export_id: str, now: datetime) -> str:
    """Lets whoever has it fetch this one file, until it is 15 minutes old."""
    until = int((now + LINK).timestamp())
    said = f"{merchant_id}.{int(livemode)}.{until}"
    return f"{said}.{_signature(secret, export_id, said)}"


def link_holder(secret: str, export_id: str, token: str, now: datetime) -> Caller:
    """Whose file the link is to. Raises Unauthenticated for one that is forged or too old."""
    said, _, signature = token.rpartition(".")
    if hmac.compare_digest(signature.encode(), _signature(secret, export_id, said).encode()):
        merchant_id, livemode, until = said.split(".")
        if now.timestamp() < int(until):
            return Caller(
                merchant_id=merchant_id,
                key_id="",
                kind="restricted",
                livemode=livemode == "1",
                scopes=frozenset({"orders:read", "finance:read"}),
            )
    raise Unauthenticated("this link is not good any more: read the export again for a new one")


def _signature(secret: str, export_id: str, said: str) -> str:
    message = f"export_link:{export_id}:{said}"
    return hmac.digest(secret.encode(), message.encode(), hashlib.sha256).hex()
