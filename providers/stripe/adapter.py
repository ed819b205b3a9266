"""Stripe Checkout behind the gateway's interface."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.errors import (
    InvalidAmount,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    WebhookInvalid,
)
from gateway.facts import Canceled, Captured, Expired, ProviderFact
from gateway.money import Money
from gateway.provider import (
    Checkout,
    CheckoutRequest,
    ListedEvent,
    Mode,
    PaymentRef,
    ProviderEvent,
    RefundRequest,
    RegisteredWebhook,
)
from gateway.provider_books import ProviderPayout, ProviderTransaction
from providers.stripe import settlement, webhook
from providers.stripe.client import Client
from providers.stripe.errors import IDEMPOTENCY_ERROR, ReplayedFailure
from providers.stripe.events import decode, translate, unread
from providers.stripe.mapping import (
    dispute_facts,
    intent_facts,
    refund_facts,
    session_facts,
    time,
)
from providers.stripe.parameters import (
    CHARGE,
    REFUND_EXPAND,
    SESSION_EXPAND,
    capture_params,
    refund_params,
    session_params,
)
from providers.stripe.resources import (
    Charge,
    Dispute,
    Event,
    Page,
    PaymentIntent,
    Refund,
    Session,
    WebhookEndpoint,
)

Now = Callable[[], datetime]
Facts = Sequence[ProviderFact]

_SESSIONS = ("checkout", "sessions")
#: A session is opened at most a day before it expires, by a clock that may be off by an hour.
_LONGEST_SESSION = timedelta(hours=25)
#: A refused capture or cancellation that may have been refused because it is done already.
_MAYBE_DONE = frozenset({"payment_intent_unexpected_state", IDEMPOTENCY_ERROR})


class StripeAdapter:
    """PaymentProvider and all of its optional powers, without any state."""

    def __init__(
        self, client: Client, webhook_secrets: Sequence[str], mode: Mode, now: Now
    ) -> None:
        self._client = client
        self._webhook_secrets = tuple(webhook_secrets)
        self._mode = mode
        self._now = now

    async def create_order(self, request: CheckoutRequest, *, key: str) -> Checkout:
        """Open a session. An amount that Stripe cannot express is Rejected without a call."""
        params = _exact(session_params, request)
        try:
            session = await self._client.write(Session, *_SESSIONS, key=key, **params)
        except ReplayedFailure as failure:
            session = await self._find_session(request, failure)
        if session.url is None:
            raise OutcomeUnknown("Stripe answered with a session that has no address")
        return Checkout(
            provider_order_id=session.id, url=session.url, expires_at=time(session.expires_at)
        )

    async def confirm(self, payment: PaymentRef, *, key: str) -> Facts:
        """Read the session and all that hangs on it. Captures nothing: Stripe does by itself."""
        del key  # nothing is written
        return await self._truth(await self._session(payment))

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """Check the signature, the age and the mode of a delivery, and translate it."""
        webhook.verify(headers, body, self._webhook_secrets, self._now())
        event = decode(body, Event)
        if event.livemode != (self._mode == "live"):
            raise WebhookInvalid(f"the event is not one of this account's {self._mode} mode")
        return translate(event)

    async def list_events(self, since: datetime, until: datetime) -> AsyncIterator[ListedEvent]:
        """Events of this mode; Stripe keeps them for 30 days."""
        bounds = {"gte": int(since.timestamp()), "lte": int(until.timestamp()) + 1}
        async for event, body in self._client.events(created=bounds):
            if event.livemode == (self._mode == "live"):
                yield ListedEvent(
                    id=event.id,
                    type=event.type,
                    at=datetime.fromtimestamp(event.created, UTC),
                    body=body,
                )

    #: A balance transaction is there as soon as the balance has changed; the clocks may differ.
    report_lag = timedelta(minutes=5)
    #: And under its date; only the lines of a young payout may come later than the payout.
    report_overlap = timedelta(days=5)
    names_payout_lines = True

    def list_transactions(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[ProviderTransaction]:
        """The account's balance transactions."""
        return settlement.lines(self._client, since, until)

    def list_payouts(self, since: datetime, until: datetime) -> AsyncIterator[ProviderPayout]:
        """The account's payouts."""
        return settlement.payouts(self._client, since, until)

    def payout_transactions(self, payout_id: str) -> AsyncIterator[ProviderTransaction]:
        """The balance transactions of an automatic payout."""
        return settlement.payout_lines(self._client, payout_id)

    async def check(self) -> datetime | None:
        """Read the newest session: the least that a restricted key must be able to do."""
        return await self._client.date(*_SESSIONS, limit=1)

    async def list_webhooks(self) -> Sequence[RegisteredWebhook]:
        """The account's webhook endpoints. Which secret signs for them, Stripe does not tell."""
        endpoints = await self._client.entries(Page[WebhookEndpoint], "webhook_endpoints")
        return [
            RegisteredWebhook(
                id=endpoint.id,
                url=endpoint.url,
                enabled=endpoint.status == "enabled",
                missing=unread(endpoint.enabled_events),
            )
            for endpoint in endpoints
        ]

    async def refund(self, request: RefundRequest, *, key: str) -> Facts:
        """Refund part or all of a PaymentIntent."""
        params = _exact(refund_params, request)
        try:
            refund = await self._client.write(Refund, "refunds", key=key, **params)
        except (Rejected, ReplayedFailure) as failure:
            # Kept under the key, or used with other parameters, it may be this very refund.
            if isinstance(failure, ReplayedFailure) or failure.provider_code == IDEMPOTENCY_ERROR:
                facts = await self._refunds(request.capture_id, request.refund_id)
                if facts:
                    return facts
            raise
        return list(refund_facts(refund, self._now()))

    async def cancel(self, payment: PaymentRef, *, key: str) -> Facts:
        """Expire an open session, or cancel the PaymentIntent whose money is only held.

        Whatever Stripe refuses to close, because it is paid or closed already, is read instead.
        """
        if payment.authorization_id is not None:
            return await self._void(payment, payment.authorization_id, key)
        try:
            session = await self._client.write(
                Session,
                *_SESSIONS,
                payment.provider_order_id,
                "expire",
                key=key,
                expand=SESSION_EXPAND,
            )
        except (Rejected, ReplayedFailure) as failure:
            session = await self._session(payment)
            if session.status == "open":
                raise _nothing_done(failure) from None
            intent = session.payment_intent
            if isinstance(intent, PaymentIntent) and intent.status == "requires_capture":
                return await self._void(payment, intent.id, key)
            return await self._truth(session)
        # Expired by us: closed, not run out.
        return [
            Canceled(object_id=fact.object_id, at=self._now())
            if isinstance(fact, Expired) and fact.object_id == session.id
            else fact
            for fact in session_facts(session, self._now())
        ]

    async def capture(self, payment: PaymentRef, money: Money, *, key: str) -> Facts:
        """Capture `money` of the authorized PaymentIntent; Stripe releases the rest."""
        if payment.authorization_id is None:
            raise Rejected("the buyer has not authorized this payment yet")
        params = _exact(capture_params, money)
        try:
            return await self._change(payment.authorization_id, "capture", key, params)
        except (Rejected, ReplayedFailure) as failure:
            return await self._done_already(payment, failure, (Captured,))

    async def find_refunds(self, payment: PaymentRef) -> Facts:
        """All refunds of the payment, those of Stripe's dashboard included."""
        intent_id = payment.capture_id or payment.authorization_id
        if intent_id is None:
            intent = (await self._session(payment)).payment_intent
            intent_id = intent.id if isinstance(intent, PaymentIntent) else intent
        return [] if intent_id is None else await self._refunds(intent_id)

    async def _void(self, payment: PaymentRef, intent_id: str, key: str) -> Facts:
        """Cancel a PaymentIntent, under a key of its own: `key` may have met the session."""
        params = {"cancellation_reason": "requested_by_customer", "expand": (CHARGE,)}
        try:
            return await self._change(intent_id, "cancel", f"{key}:intent", params)
        except (Rejected, ReplayedFailure) as failure:
            return await self._done_already(payment, failure, (Captured, Canceled, Expired))

    async def _change(self, intent_id: str, verb: str, key: str, params: dict[str, Any]) -> Facts:
        intent = await self._client.write(
            PaymentIntent, "payment_intents", intent_id, verb, key=key, **params
        )
        return list(intent_facts(intent, self._now()))

    async def _done_already(
        self, payment: PaymentRef, failure: Rejected | ReplayedFailure, ended: tuple[type, ...]
    ) -> Facts:
        """The truth, if it shows that the PaymentIntent has come to an end; else the refusal."""
        if isinstance(failure, ReplayedFailure) or failure.provider_code in _MAYBE_DONE:
            facts = await self._truth(await self._session(payment))
            if any(isinstance(fact, ended) for fact in facts):
                return facts
        raise _nothing_done(failure)

    async def _truth(self, session: Session) -> list[ProviderFact]:
        """A session's facts, with all refunds and disputes of the money that it brought."""
        facts = list(session_facts(session, self._now()))
        intent = session.payment_intent
        charge = intent.latest_charge if isinstance(intent, PaymentIntent) else None
        if isinstance(intent, PaymentIntent) and isinstance(charge, Charge):
            if charge.refunds is not None and charge.refunds.data:
                facts += await self._refunds(intent.id)
            if charge.disputed:
                facts += await self._disputes(intent.id)
        return facts

    async def _session(self, payment: PaymentRef) -> Session:
        return await self._client.read(
            Session, *_SESSIONS, payment.provider_order_id, expand=SESSION_EXPAND
        )

    async def _refunds(self, capture_id: str, refund_id: str | None = None) -> list[ProviderFact]:
        """Facts of all refunds of a capture, or of the one that is ours under `refund_id`."""
        target = "payment_intent" if capture_id.startswith("pi_") else "charge"
        expand = tuple(f"data.{name}" for name in REFUND_EXPAND)
        refunds = await self._client.entries(
            Page[Refund], "refunds", **{target: capture_id, "expand": expand}
        )
        return [
            fact
            for refund in refunds
            if refund_id in (None, (refund.metadata or {}).get("refund_id"))
            for fact in refund_facts(refund, self._now())
        ]

    async def _disputes(self, intent_id: str) -> list[ProviderFact]:
        disputes = await self._client.entries(Page[Dispute], "disputes", payment_intent=intent_id)
        return [fact for dispute in disputes for fact in dispute_facts(dispute, self._now())]

    async def _find_session(self, request: CheckoutRequest, failure: ReplayedFailure) -> Session:
        """The session that a call which Stripe says has failed may have opened all the same.

        Where there is none, the creation was as good as refused: a session that nobody has the
        address of cannot be paid. Raises `failure` where the search cannot be finished.
        """
        since = int((request.expires_at - _LONGEST_SESSION).timestamp())
        try:
            sessions = await self._client.entries(Page[Session], *_SESSIONS, created={"gte": since})
        except ProviderError:
            raise failure from None
        for session in sessions:
            if session.client_reference_id == request.payment_id:
                return session
        raise _nothing_done(failure)


def _nothing_done(failure: Rejected | ReplayedFailure) -> Rejected:
    """`failure`, once the object has shown that it left everything as it was."""
    if isinstance(failure, Rejected):
        return failure
    return Rejected(
        "Stripe failed, and nothing was done; try again with a new request",
        provider_code=failure.provider_code,
        request_id=failure.request_id,
    )


def _exact(params: Callable[[Any], dict[str, Any]], request: msgspec.Struct) -> dict[str, Any]:
    """The parameters of `request`, or Rejected for an amount that Stripe cannot express."""
    try:
        return params(request)
    except InvalidAmount as error:
        raise Rejected(error.detail, provider_code=error.code) from None
