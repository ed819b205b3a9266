"""Opening a hosted checkout."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.conformance.rules import (
    Declared,
    check,
    failed,
    one,
    rule,
    succeeded,
    trait,
    window,
    words,
)
from gateway.conformance.scene import Scene, currencies, ref
from gateway.conformance.subject import Subject
from gateway.errors import InvalidAmount, OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway.facts import Captured
from gateway.money import EXPONENTS, Money
from gateway.provider import Checkout, CheckoutRequest, LineItem, ProviderPlugin

#: Every example works in the one stand of its test.
examples = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _inexact(plugin: ProviderPlugin) -> Money | None:
    """An amount that the provider cannot express, if there is one."""
    for currency in currencies(plugin):
        try:
            plugin.scale.to_provider(Money(100_001, currency))
        except InvalidAmount:
            return Money(100_001, currency)
    return None


def _not_taken(plugin: ProviderPlugin) -> str | None:
    """A currency that the provider does not take, if it names those that it takes."""
    taken = plugin.currencies
    return None if taken is None else next((c for c in sorted(EXPONENTS) if c not in taken), None)


def _has_inexact(declared: Declared) -> str | None:
    return None if _inexact(declared.plugin) else "ProviderScale expresses every amount"


def _refuses_currencies(declared: Declared) -> str | None:
    return None if _not_taken(declared.plugin) else "the plugin takes every currency"


async def _turned_away(scene: Scene, request: CheckoutRequest) -> None:
    """The request is refused, and left nothing behind."""
    with suppress(InvalidAmount):  # as good: the core turns it away before anything is sent
        failed(await scene.create(request), Rejected)
    books = await scene.books(request)
    check(not books.checkouts, f"the provider has {words(list(books.checkouts))}")


class Creating(Subject):
    """`create_order`."""

    @rule(
        "create-opens",
        "create_order opens one checkout and returns the provider's id of it and an absolute "
        "address to send the buyer to.",
        "The buyer is redirected there as it is, and everything that follows finds the payment by "
        "that id.",
        proves="checkout",
    )
    async def test_create_opens(self, scene: Scene) -> None:
        request = scene.request()
        checkout = succeeded(await scene.create(request))
        check(isinstance(checkout, Checkout), f"it returned {words(checkout)}")
        check(0 < len(checkout.provider_order_id) <= 255, f"the id is {checkout.provider_order_id}")
        url = urlsplit(checkout.url)
        check(url.scheme in ("http", "https") and url.netloc, f"the address is {checkout.url!r}")
        ends = checkout.expires_at
        check(ends is None or ends.tzinfo is not None, f"expires_at has no time zone: {ends}")

    @rule(
        "create-echoes-payment-id",
        "The provider is given payment_id, so that it comes back with everything about it.",
        "A webhook may overtake our own commit, and an answer may be lost: then this id is all "
        "that says which payment the money belongs to.",
        proves="checkout",
    )
    async def test_create_echoes_payment_id(self, scene: Scene) -> None:
        payment = await scene.opened()
        books = await scene.books(payment)
        check(
            books.checkouts == (payment.provider_order_id,),
            f"under {payment.payment_id} the provider knows {words(list(books.checkouts))}, "
            f"and the checkout is {payment.provider_order_id}",
        )

    @rule(
        "create-fields",
        "Several items, quantities, long names of any script and missing optional fields are fine.",
        "Names come from a merchant's catalogue. What the provider limits is cut by the adapter, "
        "or no order with such an item could ever be paid.",
        proves="checkout",
    )
    async def test_create_fields(self, scene: Scene) -> None:
        each = scene.money(1200)
        total = scene.money(each.amount * 3)
        names = ("Łódź ☕ 北京 " + "x" * 240)[:250], "Tea\n\t& <b>cake</b> \"'"
        items = [LineItem(names[0], each.amount, 2)]
        if total.amount > each.amount * 2:
            items.append(LineItem(names[1], total.amount - each.amount * 2, 1))
        request = msgspec.structs.replace(
            scene.request(total), items=tuple(items), reference=None, customer_email=None
        )
        payment = ref(request, succeeded(await scene.create(request)))
        await scene.stand.buyer(payment.provider_order_id, "pay")
        captured = one(Captured, succeeded(await scene.confirm(payment)))
        check(captured.amount == total.amount, f"{total.amount} was asked for: {captured.key}")

    @rule(
        "create-same-key",
        "The same request under the same key gives the same checkout.",
        "The core repeats a call whose answer was lost. Two open checkouts for one payment can "
        "both be paid.",
        window("create"),
        proves="checkout",
    )
    async def test_create_same_key(self, scene: Scene) -> None:
        request = scene.request()
        first = succeeded(await scene.create(request))
        again = succeeded(await scene.create(request))
        check(again.provider_order_id == first.provider_order_id, "the repetition opened another")
        books = await scene.books(request)
        check(len(books.checkouts) == 1, f"the provider has {words(list(books.checkouts))}")

    @rule(
        "create-same-key-at-once",
        "Two calls under one key at the same moment open one checkout; the one that cannot be "
        "served is Unavailable or OutcomeUnknown.",
        "Two processes can resume one operation. Whoever loses must be told to try again, not that "
        "it was refused.",
        window("create"),
        proves="checkout",
    )
    async def test_create_same_key_at_once(self, scene: Scene) -> None:
        request = scene.request()
        for told in await asyncio.gather(*(scene.create(request) for _ in range(2))):
            if isinstance(told, ProviderError):
                failed(told, Unavailable, OutcomeUnknown)
        succeeded(await scene.settled(lambda: scene.create(request)))
        books = await scene.books(request)
        check(len(books.checkouts) == 1, f"the provider has {words(list(books.checkouts))}")

    @rule(
        "create-currencies",
        "In every currency the buyer pays exactly the amount that was asked for, and it is "
        "reported in ISO 4217 minor units and upper case.",
        "1,000 yen are not 10.00 yen: a wrong exponent charges a hundredfold, or a hundredth.",
        proves="checkout",
    )
    async def test_create_currencies(self, scene: Scene) -> None:
        for currency in currencies(self.plugin):
            money = scene.money(54_000, currency)
            payment, captured = await scene.paid(money)
            check(
                Money(captured.amount, captured.currency) == money,
                f"{money.amount} {money.currency} was asked for: {captured.key}",
            )
            await scene.holds(payment, money)

    @rule(
        "create-amounts",
        "Every amount that the provider can express comes back as it was sent.",
        "An amount that is rounded on the way is another amount, and its order is never paid.",
        proves="checkout",
    )
    @examples
    @given(amount=st.integers(100, 999_999))
    async def test_create_amounts(self, scene: Scene, amount: int) -> None:
        money = Money(amount, scene.currency)
        if scene.usable(money):
            _, captured = await scene.paid(money)
            check(captured.amount == amount, f"{amount} was asked for: {captured.key}")

    @rule(
        "create-large",
        "A large amount is created, paid and told to the last digit.",
        "What is kept in 32 bits or as a float loses digits there, and only there.",
        proves="checkout",
    )
    async def test_create_large(self, scene: Scene) -> None:
        money = scene.money(self.traits.large_amount)
        payment, captured = await scene.paid(money)
        check(captured.amount == money.amount, f"{money.amount} was asked for: {captured.key}")
        await scene.holds(payment, money)

    @rule(
        "create-passed-on",
        "The provider is given both return addresses, each as its own, and expires_at where it "
        "takes one and allows that time.",
        "A buyer who has paid is led to the page of those who left, or pays when the stock has "
        "been given to another.",
        trait("shows_pages"),
        proves="checkout",
    )
    async def test_create_passed_on(self, scene: Scene) -> None:
        request = scene.request()
        payment = await scene.opened(request)
        page = await scene.stand.page(payment.provider_order_id)
        for name in ("success_url", "cancel_url"):
            asked, given = getattr(request, name), getattr(page, name)
            check(given in (asked, None), f"{name} should be {asked}, and is {given}")
        if page.expires_at is not None:
            off = abs(page.expires_at - request.expires_at)
            check(
                off < timedelta(minutes=2),
                f"it should be over at {request.expires_at}, and is at {page.expires_at}",
            )

    @rule(
        "create-inexact",
        "An amount that the provider cannot express is Rejected, and nothing is opened.",
        "Rounding would charge the buyer another amount than the merchant asked for.",
        _has_inexact,
        proves="checkout",
    )
    async def test_create_inexact(self, scene: Scene) -> None:
        await _turned_away(scene, scene.request(_inexact(self.plugin)))

    @rule(
        "create-currency-not-taken",
        "A currency that is not among the plugin's is Rejected, and nothing is opened.",
        "The same digits in another currency are another amount.",
        _refuses_currencies,
        proves="checkout",
    )
    async def test_create_currency_not_taken(self, scene: Scene) -> None:
        request = scene.request(Money(54_000, _not_taken(self.plugin) or ""))
        await _turned_away(scene, request)

    @rule(
        "create-expiry-clamped",
        "An expires_at that is too soon or too late for the provider is moved to what it allows.",
        "A call that is resumed comes later than it was meant to. Refused for its time, the order "
        "could never be paid.",
        proves="checkout",
    )
    async def test_create_expiry_clamped(self, scene: Scene) -> None:
        for span in (timedelta(seconds=20), timedelta(days=400)):
            request = scene.request(expires_in=span)
            checkout = succeeded(await scene.create(request))
            ends = checkout.expires_at
            check(ends is None or ends > datetime.now(UTC), f"it has ended already: {ends}")
            again = succeeded(await scene.settled(lambda r=request: scene.create(r)))
            check(
                again.provider_order_id == checkout.provider_order_id,
                "the repetition under the same key opened another",
            )
