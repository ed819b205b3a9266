"""PayPal behind the gateway's interface: the four verbs and all optional powers.

Stateless. Every verb is a few calls of `PayPalClient` and a pure mapping of what they answered.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.errors import OutcomeUnknown, Rejected, Unavailable
from gateway.facts import (
    Authorized,
    Canceled,
    Captured,
    CheckoutOpened,
    Declined,
    Expired,
    Pending,
    ProviderFact,
    Unrecognized,
)
from gateway.money import Money
from gateway.ports import Clock
from gateway.provider import (
    Checkout,
    CheckoutRequest,
    ListedEvent,
    PaymentRef,
    ProviderEvent,
    RefundRequest,
    RegisteredWebhook,
)
from gateway.provider_books import ProviderPayout, ProviderTransaction
from providers.paypal import settlement
from providers.paypal.bodies import amount, capture_body, order_body, refund_body
from providers.paypal.client import NotThere, PayPalClient
from providers.paypal.mapping import (
    approval_url,
    authorization_facts,
    capture_facts,
    money_of,
    order_facts,
    payment_facts,
    refund_facts,
    refunds_of,
)
from providers.paypal.notifications import Notifications
from providers.paypal.resources import Order
from providers.paypal.webhook import WebhookVerifier

#: For so long at least PayPal keeps an order that nobody approves; a 404 before then has another
#: cause: credentials of another account, or an order so new that not all of PayPal knows it.
KEPT = timedelta(hours=3)
#: Refusals of a capture that speak of the buyer's money: the buyer may go back and pay otherwise.
DECLINES = frozenset(
    {
        "CARD_EXPIRED",
        "INSTRUMENT_DECLINED",
        "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED",
        "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
        "PAYER_ACCOUNT_RESTRICTED",
        "PAYER_CANNOT_PAY",
        "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
        "TRANSACTION_REFUSED",
    }
)
#: Refusals that mean: the order is not what we thought, read it again.
LOOK_AGAIN = frozenset(
    {
        "ORDER_ALREADY_AUTHORIZED",
        "ORDER_ALREADY_CAPTURED",
        "ORDER_NOT_APPROVED",
        "PAYER_ACTION_REQUIRED",
    }
)
#: The same for authorizations.
HOLD_IS_OVER = frozenset(
    {
        "AUTHORIZATION_ALREADY_CAPTURED",
        "AUTHORIZATION_EXPIRED",
        "AUTHORIZATION_VOIDED",
        "PREVIOUSLY_CAPTURED",
        "PREVIOUSLY_VOIDED",
    }
)


class PayPalAdapter:
    """Implements PaymentProvider and its optional powers."""

    def __init__(
        self,
        client: PayPalClient,
        webhooks: WebhookVerifier,
        notifications: Notifications,
        clock: Clock,
    ) -> None:
        self._client = client
        self._webhooks = webhooks
        self._notifications = notifications
        self._clock = clock

    async def create_order(self, request: CheckoutRequest, *, key: str) -> Checkout:
        """Open an order with PayPal as its payment source.

        PayPal keeps an unapproved order for some hours and takes no end of ours, so the checkout
        has no `expires_at`.
        """
        order = await self._client.create_order(order_body(request), key)
        url = approval_url(order)
        if url is None and order.status in ("APPROVED", "COMPLETED"):
            url = request.success_url  # a late repeat: the buyer is through, and confirm tells
        if url is None:
            raise OutcomeUnknown("PayPal opened an order without an approval link")
        return Checkout(provider_order_id=order.id, url=url)

    async def confirm(self, payment: PaymentRef, *, key: str) -> Sequence[ProviderFact]:
        """Read the order and, if the buyer has approved it, capture (or authorize) it.

        Only an order of exactly the payment's amount is captured: better no money than wrong money.
        """
        try:
            order = await self._client.get_order(payment.provider_order_id)
        except NotThere as missing:
            return await self._facts_without_order(payment, missing.told_at)
        facts = order_facts(order, self._clock.now())
        if order.status != "APPROVED" or _is_paid(facts):
            return facts
        complaint = self._wrong_amount(order, payment.money)
        if complaint is not None:
            return [*facts, complaint]
        return await self._take(order, facts, key)

    async def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> ProviderEvent:
        """See WebhookVerifier."""
        return await self._webhooks.verify(headers, body)

    def list_events(self, since: datetime, until: datetime) -> AsyncIterator[ListedEvent]:
        """See Notifications."""
        return self._notifications.events(since, until)

    report_lag = settlement.REPORT_LAG
    report_overlap = settlement.REPORT_OVERLAP
    names_payout_lines = False

    def list_transactions(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[ProviderTransaction]:
        """The account's transactions."""
        return settlement.lines(self._client, since, until)

    def list_payouts(self, since: datetime, until: datetime) -> AsyncIterator[ProviderPayout]:
        """The account's withdrawals."""
        return settlement.payouts(self._client, since, until)

    async def payout_transactions(self, payout_id: str) -> AsyncIterator[ProviderTransaction]:
        """None: PayPal does not tell what a withdrawal consists of."""
        none: tuple[ProviderTransaction, ...] = ()
        for line in none:
            yield line

    async def check(self) -> datetime | None:
        """Read the app's webhooks: it needs a token, and little else."""
        _, date = await self._notifications.webhooks()
        return date

    async def list_webhooks(self) -> Sequence[RegisteredWebhook]:
        """See Notifications."""
        webhooks, _ = await self._notifications.webhooks()
        return webhooks

    async def refund(self, request: RefundRequest, *, key: str) -> Sequence[ProviderFact]:
        """Refund an explicit amount of the capture."""
        refund = await self._client.refund_capture(request.capture_id, refund_body(request), key)
        return refund_facts(refund, self._clock.now())

    async def capture(
        self, payment: PaymentRef, money: Money, *, key: str
    ) -> Sequence[ProviderFact]:
        """Capture `money` of the authorization; PayPal releases the rest."""
        if payment.authorization_id is None:
            raise Rejected("no authorization to capture", provider_code="ORDER_NOT_AUTHORIZED")
        try:
            capture = await self._client.capture_authorization(
                payment.authorization_id, capture_body(money), key
            )
        except Rejected as refused:
            if refused.provider_code not in HOLD_IS_OVER:
                raise
            return await self._captured_meanwhile(payment, refused)
        return capture_facts(capture, self._clock.now())

    async def cancel(self, payment: PaymentRef, *, key: str) -> Sequence[ProviderFact]:
        """Void the authorization. Of an order without one there is nothing to close at PayPal: only
        a capture of ours could take money, so if none has, it is canceled."""
        if payment.authorization_id is not None:
            return await self._void(payment, payment.authorization_id, key)
        facts = await self._truth(payment)
        for fact in facts:
            if isinstance(fact, Authorized):
                if any(isinstance(other, Captured | Pending) for other in facts):
                    return facts
                return [*facts, *await self._void(payment, fact.authorization_id, key)]
        if any(isinstance(fact, Captured | Pending | Canceled | Expired) for fact in facts):
            return facts
        closed = [fact for fact in facts if not isinstance(fact, CheckoutOpened)]
        return [*closed, Canceled(object_id=payment.provider_order_id, at=self._clock.now())]

    async def find_refunds(self, payment: PaymentRef) -> Sequence[ProviderFact]:
        """The order lists them. An order that PayPal no longer shows is Unavailable: that its
        refunds cannot be seen does not mean that there are none."""
        try:
            order = await self._client.get_order(payment.provider_order_id)
        except NotThere:
            raise Unavailable("PayPal no longer shows the order whose refunds are sought") from None
        now = self._clock.now()
        return [
            fact for unit in order.purchase_units for fact in refunds_of(unit.payments.refunds, now)
        ]

    async def _take(
        self, order: Order, facts: list[ProviderFact], key: str
    ) -> Sequence[ProviderFact]:
        """Capture or authorize an approved order, as its intent says."""
        manual = order.intent == "AUTHORIZE"
        act = self._client.authorize_order if manual else self._client.capture_order
        try:
            taken = await act(order.id, key)
        except Rejected as refused:
            if refused.provider_code in DECLINES:
                return [*facts, self._declined(order.id, refused, key)]
            if refused.provider_code in LOOK_AGAIN:
                return order_facts(await self._client.get_order(order.id), self._clock.now())
            raise
        if not payment_facts(taken, self._clock.now()):  # a short answer: the order itself tells
            taken = await self._client.get_order(order.id)
        return list(dict.fromkeys([*facts, *order_facts(taken, self._clock.now())]))

    async def _facts_without_order(
        self, payment: PaymentRef, told_at: datetime | None
    ) -> list[ProviderFact]:
        """PayPal no longer shows the order. What was paid under it still has its own address."""
        now = self._clock.now()
        if payment.capture_id is not None:
            return capture_facts(await self._client.get_capture(payment.capture_id), now)
        if payment.authorization_id is not None:
            held = await self._client.get_authorization(payment.authorization_id)
            return authorization_facts(held, now)
        if payment.created_at is not None and (told_at or now) - payment.created_at < KEPT:
            raise Unavailable(
                "PayPal knows no such order, though it is younger than PayPal forgets one: are the "
                "credentials those of the account that made it?"
            )
        return [Expired(object_id=payment.provider_order_id, at=now)]

    async def _truth(self, payment: PaymentRef) -> list[ProviderFact]:
        """The order's facts, with nothing done to it."""
        try:
            order = await self._client.get_order(payment.provider_order_id)
        except NotThere as missing:
            return await self._facts_without_order(payment, missing.told_at)
        return order_facts(order, self._clock.now())

    async def _void(
        self, payment: PaymentRef, authorization_id: str, key: str
    ) -> Sequence[ProviderFact]:
        try:
            await self._client.void_authorization(authorization_id, key)
        except Rejected as refused:
            if refused.provider_code not in HOLD_IS_OVER:
                raise
            return await self._truth(payment)
        return [Canceled(object_id=authorization_id, at=self._clock.now())]

    async def _captured_meanwhile(
        self, payment: PaymentRef, refused: Rejected
    ) -> Sequence[ProviderFact]:
        """The authorization is used up or gone: the captures, or what became of it."""
        facts = await self._truth(payment)
        ends = Captured | Pending | Canceled | Expired
        if not any(isinstance(fact, ends) for fact in facts):
            raise refused
        return facts

    def _declined(self, order_id: str, refused: Rejected, key: str) -> Declined:
        """One decline per key, however often the call is repeated."""
        return Declined(
            attempt_id=f"{order_id}:{key}",
            code=refused.provider_code,
            at=self._clock.now(),
            message=refused.detail,
        )

    def _wrong_amount(self, order: Order, money: Money) -> Unrecognized | None:
        """What is wrong with the amount that the buyer approved; None if it is the payment's."""
        wanted = amount(money)
        found = [unit.amount for unit in order.purchase_units if unit.amount is not None]
        if [money_of(one) for one in found] == [money]:
            return None
        words = ", ".join(f"{a.value[:40]} {a.currency_code[:3]}" for a in found) or "no amount"
        return Unrecognized(
            object_id=order.id,
            state=f"approved for {words} instead of {wanted.value} {wanted.currency_code}",
            at=self._clock.now(),
        )


def _is_paid(facts: Sequence[ProviderFact]) -> bool:
    return any(isinstance(fact, Captured | Pending | Authorized) for fact in facts)
