"""Mollie's classic webhook: a form with an id, and nothing else.

There is no signature: whoever sends it may have made it up. So it proves nothing, and is only a
reason to ask. It is genuine if Mollie, asked with our key, knows the payment.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import msgspec

from gateway.errors import WebhookInvalid
from gateway.facts import ProviderFact
from gateway.provider import ProviderEvent

_PAYMENT_ID = re.compile(r"tr_[A-Za-z0-9]{4,64}")
_LONGEST_BODY = 1000
_NO_TIME = datetime.fromtimestamp(0, UTC)


def read_event(body: bytes) -> ProviderEvent:
    """The form as an event that asks the core to confirm. It holds no time, and no id of its own.

    Raises WebhookInvalid for whatever is no form with the id of a payment.
    """
    try:
        form = parse_qsl(body[: _LONGEST_BODY + 1].decode("ascii"), max_num_fields=8)
    except ValueError:
        form = []
    ids = [value for name, value in form if name == "id"]
    if len(body) > _LONGEST_BODY or len(ids) != 1 or not _PAYMENT_ID.fullmatch(ids[0]):
        raise WebhookInvalid("the body is no webhook of Mollie's: a form with a payment's id")
    return ProviderEvent(
        id=ids[0], type="payment.changed", at=_NO_TIME, provider_ids=(ids[0],), confirm=True
    )


def identified(event: ProviderEvent, facts: Iterable[ProviderFact], at: datetime) -> ProviderEvent:
    """The event under an id made of what Mollie knows of the payment at this moment.

    All webhooks about one payment look the same. With this id those of one state are repetitions
    of each other, and those of two states are not.
    """
    state = "\n".join(sorted(fact.key for fact in facts))
    digest = hashlib.sha256(state.encode()).hexdigest()[:24]
    return msgspec.structs.replace(event, id=f"{event.id}:{digest}", at=at)
