"""Bugs for Stripe's adapter."""

from bench.mutations.planting import Bug


def _bug(name: str, *changes: tuple[str, str, str]) -> Bug:
    return Bug(name, "stripe", changes)


BUGS = (
    _bug(
        "yen are counted in hundredths",
        ("money.py", "**dict.fromkeys(_ZERO_DECIMAL, 0),", "**dict.fromkeys(_ZERO_DECIMAL, 2),"),
    ),
    _bug(
        "three-decimal currencies are counted in hundredths",
        ("money.py", "**dict.fromkeys(_THREE_DECIMAL, 3),", "**dict.fromkeys(_THREE_DECIMAL, 2),"),
        ("money.py", "**dict.fromkeys(_THREE_DECIMAL, 10),", ""),
    ),
    _bug(
        "the idempotency key is not passed",
        ("client.py", "method, url, idempotency_key=key, **params", "method, url, **params"),
    ),
    _bug(
        "the key is made anew for each try",
        (
            "client.py",
            "method, url, idempotency_key=key, **params",
            (
                'method, url, idempotency_key=key and f"{key}{id(object())}{len(str(params))}"'
                " + __import__('uuid').uuid4().hex, **params"
            ),
        ),
    ),
    _bug("the signature is not checked", ("webhook.py", "if not genuine:", "if not signatures:")),
    _bug(
        "only the beginning of the signature is checked",
        (
            "webhook.py",
            "hmac.compare_digest(expected, signature)",
            "hmac.compare_digest(expected[:8], signature[:8])",
        ),
    ),
    _bug(
        "stale deliveries are accepted",
        (
            "webhook.py",
            "if abs(now.timestamp() - int(timestamp)) > TOLERANCE:",
            "if int(timestamp) - now.timestamp() > TOLERANCE:",
        ),
    ),
    _bug(
        "deliveries from the future are accepted",
        (
            "webhook.py",
            "if abs(now.timestamp() - int(timestamp)) > TOLERANCE:",
            "if now.timestamp() - int(timestamp) > TOLERANCE:",
        ),
    ),
    _bug(
        "an empty webhook secret is accepted",
        ("settings.py", 'value.split(",") if secret.strip())', 'value.split(","))'),
        ("settings.py", 'r"whsec_[!-~]{1,240}")', 'r"(whsec_[!-~]{1,240})?")'),
    ),
    _bug(
        "only the first of two webhook secrets is used",
        ("adapter.py", "tuple(webhook_secrets)", "tuple(webhook_secrets)[:1]"),
    ),
    _bug(
        "an event of an unknown type is refused",
        (
            "events.py",
            "    if reader is None:\n",
            "    if reader is None:\n        raise WebhookInvalid(event.type)\n",
        ),
    ),
    _bug(
        "no answer is taken for a refusal",
        (
            "errors.py",
            'return OutcomeUnknown(f"no answer from Stripe',
            'return Rejected(f"no answer from Stripe',
        ),
    ),
    _bug(
        "no answer is taken for nothing done",
        (
            "errors.py",
            'return OutcomeUnknown(f"no answer from Stripe',
            'return Unavailable(f"no answer from Stripe',
        ),
    ),
    _bug(
        "429 is taken for a refusal",
        ("errors.py", "if status in (409, 429) or", "if status == 409 or"),
        ("errors.py", "frozenset({400, 402, 404})", "frozenset({400, 402, 404, 429})"),
    ),
    _bug(
        "500 is taken for a refusal",
        ("errors.py", "frozenset({400, 402, 404})", "frozenset({400, 402, 404, 500, 502, 504})"),
    ),
    _bug(
        "a wrong key is taken for a refusal",
        ("errors.py", "if status in (401, 403):", "if status == 0:"),
        ("errors.py", "frozenset({400, 402, 404})", "frozenset({400, 401, 402, 403, 404})"),
    ),
    _bug(
        "already refunded is taken for success",
        (
            "adapter.py",
            "            if isinstance(failure, ReplayedFailure) or failure.provider_code ==",
            (
                '            if failure.provider_code == "charge_already_refunded":\n'
                "                return await self._refunds(request.capture_id)\n"
                "            if isinstance(failure, ReplayedFailure) or failure.provider_code =="
            ),
        ),
    ),
    _bug(
        "a refund without a readable answer is taken for success",
        (
            "adapter.py",
            "        except (Rejected, ReplayedFailure) as failure:\n            # Kept",
            (
                "        except OutcomeUnknown:\n"
                "            return []\n"
                "        except (Rejected, ReplayedFailure) as failure:\n            # Kept"
            ),
        ),
    ),
    _bug(
        "a partial refund gives back everything",
        (
            "parameters.py",
            '        "amount": to_units(request.money.amount, request.money.currency),\n',
            "",
        ),
    ),
    _bug(
        "the amount of a refund is that of the request",
        (
            "adapter.py",
            "        return list(refund_facts(refund, self._now()))",
            (
                "        return [\n"
                "            msgspec.structs.replace(fact, amount=request.money.amount)\n"
                '            if fact.kind == "refund_updated" else fact\n'
                "            for fact in refund_facts(refund, self._now())\n"
                "        ]"
            ),
        ),
    ),
    _bug(
        "the amount of a payment is that of the request",
        (
            "adapter.py",
            "return await self._truth(await self._session(payment))\n\n    async def verify",
            (
                "return [\n"
                "            msgspec.structs.replace(fact, amount=payment.money.amount)\n"
                '            if fact.kind == "captured" else fact\n'
                "            for fact in await self._truth(await self._session(payment))\n"
                "        ]\n\n    async def verify"
            ),
        ),
    ),
    _bug(
        "an unknown state is taken for paid",
        (
            "mapping.py",
            '_unknown("payment_intent", intent.id, intent.status, as_of)',
            "_captured(intent.id, intent.amount_received, intent.currency, as_of)",
        ),
    ),
    _bug(
        "money that has not cleared is taken for paid",
        (
            "mapping.py",
            'yield Pending(object_id=intent.id, at=as_of, reason="processing")',
            "yield _captured(intent.id, 5400, intent.currency, as_of)",
        ),
    ),
    _bug(
        "a pending refund is taken for done",
        ("mapping.py", '"pending": "pending",', '"pending": "succeeded",'),
    ),
    _bug(
        "a refund that failed is not told",
        ("mapping.py", '"failed": "failed",', '"failed": "succeeded",'),
    ),
    _bug(
        "the currency is in lower case",
        (
            "mapping.py",
            "amount=money.amount, currency=money.currency, at=at)",
            "amount=money.amount, currency=money.currency.lower(), at=at)",
        ),
    ),
    _bug(
        "the amount that is released is reported as a refund",
        ("mapping.py", "    if _is_release(refund):\n        return\n", ""),
    ),
    _bug(
        "seconds are read as milliseconds",
        (
            "mapping.py",
            "datetime.fromtimestamp(seconds, UTC)",
            "datetime.fromtimestamp(seconds / 1000, UTC)",
        ),
    ),
    _bug(
        "the payment's id is not echoed",
        (
            "parameters.py",
            '"client_reference_id": request.payment_id,',
            '"client_reference_id": request.order_id,',
        ),
    ),
    _bug(
        "manual capture is forgotten",
        ("parameters.py", '"capture_method": request.capture,', '"capture_method": "automatic",'),
    ),
    _bug(
        "the expiry is sent as it was asked for",
        (
            "parameters.py",
            "int(_expiry(request).timestamp())",
            "int(request.expires_at.timestamp())",
        ),
    ),
    _bug(
        "what was paid in the meantime is called canceled",
        (
            "adapter.py",
            "            return await self._truth(session)\n        # Expired by us",
            (
                "            return [Canceled(object_id=session.id, at=self._now())]\n"
                "        # Expired by us"
            ),
        ),
    ),
    _bug(
        "the secret key is in the repr of the settings",
        ("settings.py", "    secret_key: str = field(repr=False)", "    secret_key: str"),
        (
            "settings.py",
            "    webhook_secrets: tuple[str, ...] = field(repr=False)",
            "    webhook_secrets: tuple[str, ...]",
        ),
    ),
    _bug(
        "requests are logged",
        (
            "client.py",
            '        url = "/v1/" +',
            (
                '        logging.getLogger("payments").debug("%s %s", path, params)\n'
                '        url = "/v1/" +'
            ),
        ),
    ),
    _bug(
        "connections are left open",
        (
            "client.py",
            "connector=aiohttp.TCPConnector(ssl=tls),",
            "connector=aiohttp.TCPConnector(ssl=tls),\n        connector_owner=False,",
        ),
    ),
)
