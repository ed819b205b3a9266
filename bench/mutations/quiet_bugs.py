"""Bugs that lose money slowly, found by a reader who tried to get past the kit with each."""

from bench.mutations.planting import Bug


def _bug(name: str, *changes: tuple[str, str, str]) -> Bug:
    return Bug(name, "stripe", changes)


BUGS = (
    _bug(
        "each process has keys of its own",
        ("client.py", "import logging\n", "import logging\nimport os\n"),
        (
            "client.py",
            "        self._client = client\n",
            "        self._client = client\n        self._mine = os.urandom(4).hex()\n",
        ),
        ("client.py", "idempotency_key=key,", "idempotency_key=key and key + self._mine,"),
    ),
    _bug(
        "a key that is in flight is called refused",
        ("errors.py", "status in (409, 429) or", "status == 429 or"),
        ("errors.py", "frozenset({400, 402, 404})", "frozenset({400, 402, 404, 409})"),
    ),
    _bug(
        "a proxy's page is called refused",
        ("errors.py", "    if status in _REFUSALS and told:", "    if status in _REFUSALS:"),
    ),
    _bug(
        "live is called test",
        ("settings.py", '"live" if match[1] == "live" else "test"', '"test"'),
    ),
    _bug(
        "the return addresses are swapped",
        (
            "parameters.py",
            '"success_url": request.success_url',
            '"success_url": request.cancel_url',
        ),
        ("parameters.py", '"cancel_url": request.cancel_url', '"cancel_url": request.success_url'),
    ),
    _bug(
        "the expiry is always the longest",
        (
            "parameters.py",
            "min(max(request.expires_at, since + _SHORTEST), since + _LONGEST)",
            "since + _LONGEST",
        ),
    ),
    _bug(
        "refunds that cannot be read are none",
        (
            "adapter.py",
            "        return [] if intent_id is None else await self._refunds(intent_id)\n",
            (
                "        try:\n"
                "            return [] if intent_id is None else await self._refunds(intent_id)\n"
                "        except ProviderError:\n"
                "            return []\n"
            ),
        ),
    ),
    _bug(
        "a refund is told in euros",
        (
            "mapping.py",
            "            currency=money.currency,\n            at=time(refund.created)",
            '            currency="EUR",\n            at=time(refund.created)',
        ),
    ),
    _bug(
        "all refusals have one id",
        (
            "mapping.py",
            'attempt_id=error.charge or f"{intent_id}:{_reason(error)}"',
            "attempt_id=intent_id",
        ),
    ),
    _bug(
        "amounts are held in a float of 32 bits",
        (
            "money.py",
            "from gateway.errors import InvalidAmount",
            "import struct\n\nfrom gateway.errors import InvalidAmount",
        ),
        (
            "money.py",
            "    return SCALE.to_provider(Money(amount, currency))",
            (
                "    exact = SCALE.to_provider(Money(amount, currency))\n"
                '    return int(struct.unpack("f", struct.pack("f", exact))[0])'
            ),
        ),
    ),
    _bug(
        "a payment that has not cleared is called canceled",
        (
            "adapter.py",
            "            return await self._truth(session)\n        # Expired by us",
            (
                '            if session.payment_status == "unpaid":\n'
                "                return [Canceled(object_id=session.id, at=self._now())]\n"
                "            return await self._truth(session)\n"
                "        # Expired by us"
            ),
        ),
    ),
)
