"""Bugs for PayPal's adapter."""

from bench.mutations.planting import Bug


def _bug(name: str, *changes: tuple[str, str, str]) -> Bug:
    return Bug(name, "paypal", changes)


BUGS = (
    _bug(
        "yen are written with decimals",
        ("bodies.py", '{"HUF": 0, "JPY": 0, "TWD": 0}', '{"HUF": 0, "JPY": 2, "TWD": 0}'),
    ),
    _bug(
        "forint are written with decimals",
        ("bodies.py", '{"HUF": 0, "JPY": 0, "TWD": 0}', '{"JPY": 0, "TWD": 0}'),
    ),
    _bug(
        "the request id is not passed",
        ("client.py", '{"paypal_request_id": key, "prefer": _WHOLE}', '{"prefer": _WHOLE}'),
    ),
    _bug(
        "an approval is not captured",
        (
            "adapter.py",
            'if order.status != "APPROVED" or _is_paid(facts):',
            "if order.status:",
        ),
    ),
    _bug(
        "an approval is taken for paid",
        (
            "mapping.py",
            "            facts.append(BuyerApproved(provider_order_id=order.id, at=at))\n",
            (
                "            facts.append(BuyerApproved(provider_order_id=order.id, at=at))\n"
                "            money = money_of(order.purchase_units[0].amount) or Money(0, 'EUR')\n"
                "            facts.append(Captured(capture_id=order.id, amount=money.amount, "
                "currency=money.currency, at=at))\n"
            ),
        ),
    ),
    _bug(
        "money that has not cleared is taken for paid",
        (
            "mapping.py",
            'case "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED":',
            'case "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED" | "PENDING":',
        ),
    ),
    _bug(
        "an unknown state is taken for paid",
        (
            "mapping.py",
            'case "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED":',
            'case state if state not in ("PENDING", "DECLINED", "FAILED"):',
        ),
    ),
    _bug(
        "an order that is COMPLETED is taken for paid",
        (
            "mapping.py",
            '        case "COMPLETED" if paid:\n            pass\n',
            (
                '        case "COMPLETED":\n'
                "            money = money_of(order.purchase_units[0].amount) or Money(0, 'EUR')\n"
                "            facts.append(Captured(capture_id=order.id, amount=money.amount, "
                "currency=money.currency, at=at))\n"
            ),
        ),
    ),
    _bug(
        "in manual mode the money is taken at once",
        ("bodies.py", '"AUTHORIZE" if request.capture == "manual" else "CAPTURE"', '"CAPTURE"'),
    ),
    _bug(
        "the signature is not checked",
        (
            "webhook.py",
            "signing_key.key.verify(signature, message.encode(), PKCS1v15(), SHA256())\n",
            "pass\n",
        ),
    ),
    _bug(
        "the signature is checked over the JSON, not the bytes",
        (
            "webhook.py",
            "{zlib.crc32(body)}",
            "{zlib.crc32(msgspec.json.encode(msgspec.json.decode(body)))}",
        ),
    ),
    _bug(
        "stale deliveries are accepted",
        ("webhook.py", "        transmission.check_time(self._clock.now())\n", ""),
    ),
    _bug(
        "a delivery without all headers is an error of ours",
        (
            "webhook.py",
            '            value = headers.get(name, "")\n',
            "            value = headers[name]\n",
        ),
    ),
    _bug(
        "no answer is taken for a refusal",
        (
            "client.py",
            'raise _doubt(key)(f"no answer from PayPal',
            'raise Rejected(f"no answer from PayPal',
        ),
    ),
    _bug(
        "no answer is taken for nothing done",
        (
            "client.py",
            "return Unavailable if key is None else OutcomeUnknown",
            "return Unavailable",
        ),
    ),
    _bug(
        "429 is taken for a refusal",
        (
            "client.py",
            "if reply.status in (401, 403, 409, 429):",
            "if reply.status in (401, 403, 409):",
        ),
    ),
    _bug(
        "500 is taken for a refusal",
        (
            "client.py",
            "if problem.name and 400 <= reply.status < 500 and reply.status != 408:",
            "if problem.name and reply.status != 408:",
        ),
    ),
    _bug(
        "already refunded is taken for success",
        (
            "adapter.py",
            (
                "        refund = await self._client.refund_capture(request.capture_id, "
                "refund_body(request), key)\n"
            ),
            (
                "        try:\n"
                "            refund = await self._client.refund_capture(\n"
                "                request.capture_id, refund_body(request), key\n"
                "            )\n"
                "        except Rejected as refused:\n"
                '            if refused.provider_code != "CAPTURE_FULLY_REFUNDED":\n'
                "                raise\n"
                "            return await self.find_refunds(request.payment)\n"
            ),
        ),
    ),
    _bug(
        "a partial refund gives back everything",
        (
            "bodies.py",
            "            amount=amount(request.money),\n            custom_id=request.refund_id,",
            (
                "            amount=amount(request.payment.money),\n"
                "            custom_id=request.refund_id,"
            ),
        ),
    ),
    _bug(
        "a pending refund is taken for done",
        ("mapping.py", '"PENDING": "pending",', '"PENDING": "succeeded",'),
    ),
    _bug(
        "the fee of a refund has the wrong sign",
        (
            "mapping.py",
            "return [updated, *(_fee(refund.id, refund.seller_payable_breakdown, -1) if moved",
            "return [updated, *(_fee(refund.id, refund.seller_payable_breakdown, 1) if moved",
        ),
    ),
    _bug(
        "the refund's own id is not echoed",
        (
            "bodies.py",
            "            custom_id=request.refund_id,\n            invoice_id=request.refund_id,\n",
            (
                "            custom_id=request.payment.payment_id,\n"
                "            invoice_id=request.payment.payment_id,\n"
            ),
        ),
    ),
    _bug(
        "the payment's id is not echoed",
        ("bodies.py", "custom_id=request.payment_id,", "custom_id=request.order_id,"),
    ),
    _bug(
        "the client secret is in the repr of the settings",
        ("settings.py", "    client_secret: str = field(repr=False)", "    client_secret: str"),
    ),
    _bug(
        "each thread fetches its own token",
        (
            "sdk.py",
            "        with self._lock:\n            if self._token is None or",
            "        if True:\n            if self._token is None or",
        ),
    ),
    _bug(
        "a token that was refused is kept",
        ("sdk.py", "            self._tokens.refuse(reply.bearer)\n", ""),
    ),
    _bug(
        "connections are left open",
        ("sdk.py", "                pools[key].close()\n", "                pools[key]\n"),
    ),
    _bug(
        "a held amount is not let go when the authorization is not known yet",
        (
            "adapter.py",
            "return [*facts, *await self._void(payment, fact.authorization_id, key)]\n",
            "return [Canceled(object_id=fact.authorization_id, at=self._clock.now())]\n",
        ),
    ),
    _bug(
        "a new order that PayPal does not know has expired",
        ("adapter.py", "(told_at or now) - payment.created_at < KEPT", "KEPT is None"),
    ),
    _bug(
        "the age of an order is told by our clock",
        ("adapter.py", "(told_at or now) - payment", "now - payment"),
    ),
)
