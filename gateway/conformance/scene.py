"""What a test of the kit works with: an adapter behind a proxy, and the steps of a payment."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.conformance.proxy import FaultProxy, open_proxy
from gateway.conformance.rules import Broken, Declared, check, of, one, outcome, succeeded, words
from gateway.conformance.stand import Books, Delivery, ProviderStand
from gateway.errors import InvalidAmount, OutcomeUnknown, Unavailable
from gateway.facts import Authorized, Captured, ProviderFact, RefundUpdated
from gateway.ids import Ids
from gateway.money import EXPONENTS, Money
from gateway.provider import (
    Cancels,
    CaptureMode,
    Captures,
    Checkout,
    CheckoutRequest,
    FindsRefunds,
    LineItem,
    Mode,
    OpenProvider,
    PaymentProvider,
    PaymentRef,
    ProviderEvent,
    ProviderPlugin,
    RefundRequest,
)

Facts = Sequence[ProviderFact]
#: The currencies that most providers take; the first that this one does is the main one.
_USUAL = ("EUR", "USD", "GBP", "INR", "BRL", "JPY")
#: Those whose decimals providers do not agree about.
_TRICKY = frozenset(("CLP", "HUF", "IDR", "ISK", "JPY", "KRW", "KWD", "MGA", "TND", "TWD", "UGX"))
#: How often the core would repeat an unclear call at once.
_TRIES = 4
EMAIL = "buyer.of.the.kit@example.com"


class _SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Scene:
    """One open adapter, the proxy in its way, and the stand behind it."""

    plugin: ProviderPlugin
    stand: ProviderStand
    proxy: FaultProxy
    environment: Mapping[str, str]
    adapter: PaymentProvider
    mode: Mode
    declared: Declared
    ids: Ids
    genuine: Delivery | None = None

    # --- money ------------------------------------------------------------------------------------

    @property
    def currency(self) -> str:
        """The currency of tests that are about something else."""
        return currencies(self.plugin)[0]

    def money(self, amount: int = 5400, currency: str | None = None) -> Money:
        """About `amount` in the main currency, or that which comes next and is nothing special."""
        wanted = Money(amount, currency or self.currency)
        for _ in range(2000):
            if self.usable(wanted):
                return wanted
            wanted = Money(wanted.amount + 1, wanted.currency)
        raise Broken(f"no amount from {amount} {wanted.currency} on is usable at the stand")

    def usable(self, money: Money) -> bool:
        """Whether the provider can express it, and the stand makes nothing special of it."""
        try:
            self.plugin.scale.to_provider(money)
        except InvalidAmount:
            return False
        return self.declared.traits.ordinary(money)

    # --- requests ---------------------------------------------------------------------------------

    def request(
        self,
        money: Money | None = None,
        *,
        capture: CaptureMode = "automatic",
        expires_in: timedelta = timedelta(hours=1),
    ) -> CheckoutRequest:
        """A checkout that was never asked for before."""
        money = money or self.money()
        order_id = self.ids.new("ord")
        return CheckoutRequest(
            order_id=order_id,
            payment_id=self.ids.new("pay"),
            money=money,
            items=(LineItem("Mug", money.amount, 1),),
            success_url=f"https://shop.example/checkout/{order_id}/return",
            cancel_url=f"https://shop.example/checkout/{order_id}/cancel",
            expires_at=datetime.now(UTC) + expires_in,
            capture=capture,
            reference="A-1001",
            customer_email=EMAIL,
            webhook_url=self.stand.webhook_url,
        )

    def refund_request(
        self, payment: PaymentRef, captured: Captured, money: Money | None = None
    ) -> RefundRequest:
        """A refund that was never asked for before; of everything, unless told otherwise."""
        return RefundRequest(
            payment=payment,
            refund_id=self.ids.new("ref"),
            money=money or Money(captured.amount, captured.currency),
            capture_id=captured.capture_id,
            reason="it broke",
        )

    # --- calls, under the keys that the core would use --------------------------------------------

    async def create(self, request: CheckoutRequest) -> Any:
        """A Checkout, or the error."""
        call = self.adapter.create_order(request, key=f"{request.payment_id}-create")
        return await outcome(call)

    async def confirm(self, payment: PaymentRef) -> Any:
        """Facts, or the error."""
        return await outcome(self.adapter.confirm(payment, key=f"{payment.payment_id}-confirm"))

    async def refund(self, request: RefundRequest, key: str | None = None) -> Any:
        """Facts, or the error."""
        return await outcome(self.adapter.refund(request, key=key or f"{request.refund_id}-refund"))

    async def cancel(self, payment: PaymentRef) -> Any:
        """Facts, or the error."""
        if not isinstance(self.adapter, Cancels):
            raise Broken("the capability cancel is claimed, and the adapter has no method cancel")
        return await outcome(self.adapter.cancel(payment, key=f"{payment.payment_id}-cancel"))

    async def capture(self, payment: PaymentRef, money: Money) -> Any:
        """Facts, or the error."""
        if not isinstance(self.adapter, Captures):
            raise Broken("manual capture is claimed, and the adapter has no method capture")
        key = f"{payment.payment_id}-capture"
        return await outcome(self.adapter.capture(payment, money, key=key))

    async def read_refunds(self, payment: PaymentRef) -> Any:
        """Facts, or the error, of that by which the core looks up refunds."""
        if isinstance(self.adapter, FindsRefunds):
            return await outcome(self.adapter.find_refunds(payment))
        return await self.confirm(payment)

    async def known_refunds(self, payment: PaymentRef) -> list[RefundUpdated]:
        """The payment's refunds as the adapter reads them."""
        facts: Facts = succeeded(await self.read_refunds(payment))
        return of(RefundUpdated, facts)

    async def settled(self, call: Any) -> Any:
        """The end of a call that the core repeats under its key while the outcome is unclear.

        `call` is a function without parameters that makes the call.
        """
        told = await call()
        for _ in range(_TRIES):
            if not isinstance(told, Unavailable | OutcomeUnknown):
                return told
            told = await call()
        return told

    # --- steps of a payment -----------------------------------------------------------------------

    async def opened(self, request: CheckoutRequest | None = None) -> PaymentRef:
        """A checkout that stands open."""
        request = request or self.request()
        return ref(request, succeeded(await self.create(request)))

    async def paid(
        self, money: Money | None = None, act: Any = "pay"
    ) -> tuple[PaymentRef, Captured]:
        """A payment whose money is captured."""
        payment = await self.opened(self.request(money))
        await self.stand.buyer(payment.provider_order_id, act)
        captured = one(Captured, succeeded(await self.confirm(payment)))
        return replace_ref(payment, capture_id=captured.capture_id), captured

    async def authorized(self, money: Money | None = None) -> tuple[PaymentRef, Authorized]:
        """A payment in manual mode, whose money is held."""
        payment = await self.opened(self.request(money, capture="manual"))
        await self.stand.buyer(payment.provider_order_id, "pay")
        held = one(Authorized, succeeded(await self.confirm(payment)))
        return replace_ref(payment, authorization_id=held.authorization_id), held

    async def books(self, payment: PaymentRef | CheckoutRequest) -> Books:
        """The provider's books of a payment."""
        return await self.stand.books(payment.payment_id)

    async def holds(self, payment: PaymentRef, *captured: Money, refunded: Any = ()) -> None:
        """Check that the provider has taken and given back exactly this."""
        books = await self.books(payment)
        check(
            sorted(books.captured, key=repr) == sorted(captured, key=repr),
            f"the provider's books say it took {_sums(books.captured)}, "
            f"and it should be {_sums(captured)}",
        )
        check(
            sorted(books.refunded, key=repr) == sorted(refunded, key=repr),
            f"the provider's books say it gave back {_sums(books.refunded)}, "
            f"and it should be {_sums(refunded)}",
        )

    async def verified(self, delivery: Delivery) -> ProviderEvent:
        """A genuine delivery, verified."""
        told = await outcome(self.adapter.verify_webhook(delivery.headers, delivery.body))
        event: ProviderEvent = succeeded(told)
        return event

    async def events(self) -> list[tuple[Delivery, ProviderEvent]]:
        """All deliveries so far, verified."""
        return [(sent, await self.verified(sent)) for sent in await self.stand.deliveries()]


def _sums(sums: Sequence[Money]) -> str:
    return ", ".join(f"{money.amount} {money.currency}" for money in sums) or "nothing"


def ref(request: CheckoutRequest, checkout: Checkout) -> PaymentRef:
    """The payment that a checkout was opened for."""
    check(isinstance(checkout, Checkout), f"create_order returned {words(checkout)}")
    return PaymentRef(
        order_id=request.order_id,
        payment_id=request.payment_id,
        money=request.money,
        provider_order_id=checkout.provider_order_id,
        capture=request.capture,
        created_at=datetime.now(UTC),
    )


def replace_ref(payment: PaymentRef, **known: Any) -> PaymentRef:
    """The payment, with what is known about it by now."""
    return msgspec.structs.replace(payment, **known)


def currencies(plugin: ProviderPlugin) -> list[str]:
    """The provider's currencies to try: the usual ones, the odd ones, one of each exponent."""
    taken = plugin.currencies if plugin.currencies is not None else frozenset(EXPONENTS)
    usual = [currency for currency in _USUAL if currency in taken][:1]
    odd = sorted({*plugin.scale.exponents, *plugin.scale.steps, *_TRICKY} & taken)
    sample = [
        next((c for c in sorted(taken) if EXPONENTS[c] == decimals), None) for decimals in (0, 2, 3)
    ]
    return list(dict.fromkeys([*usual, *odd, *(c for c in sample if c)]))


@asynccontextmanager
async def open_scene(declared: Declared, stand: ProviderStand) -> AsyncIterator[Scene]:
    """The plugin, opened with settings that point it at a proxy before the stand."""
    plugin, traits = declared.plugin, declared.traits
    async with open_proxy(stand.url, let_through=traits.token_paths) as proxy:
        environment = stand.environment(proxy.url)
        async with opened(plugin, environment) as provider:
            yield Scene(
                plugin=plugin,
                stand=stand,
                proxy=proxy,
                environment=environment,
                adapter=provider.adapter,
                mode=provider.mode,
                declared=declared,
                ids=Ids(_SystemClock(), os.urandom),
            )


@asynccontextmanager
async def opened(
    plugin: ProviderPlugin, environment: Mapping[str, str]
) -> AsyncIterator[OpenProvider]:
    """The plugin, opened as the gateway does it."""
    settings = plugin.settings(environment)
    check(settings is not None, "the stand's settings do not switch the plugin on")
    async with plugin.open(settings) as provider:
        yield provider
