"""Reading the provider's truth, and taking what the buyer has approved."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.conformance.rules import (
    acts,
    check,
    failed,
    none,
    of,
    one,
    outcome,
    rule,
    succeeded,
    trait,
    words,
)
from gateway.conformance.scene import Facts, Scene, replace_ref
from gateway.conformance.stand import NotPossible
from gateway.conformance.subject import Subject
from gateway.errors import OutcomeUnknown, ProviderError, Unavailable
from gateway.facts import (
    Authorized,
    Canceled,
    Captured,
    CheckoutOpened,
    Declined,
    Expired,
    Failed,
    Fee,
    Pending,
    RefundUpdated,
    Reversed,
    Unrecognized,
)
from gateway.money import Money, format_decimal

MONEY = (Authorized, Captured, RefundUpdated, Reversed)
ENDED = (Failed, Expired, Canceled)


class Confirming(Subject):
    """`confirm`, in every state in which the provider can be."""

    @rule(
        "confirm-open",
        "While the buyer has not paid, confirm says nothing of money and nothing of an end.",
        "The core asks whenever it is in doubt. An open checkout called paid is given away goods.",
        proves="payment",
    )
    async def test_confirm_open(self, scene: Scene) -> None:
        payment = await scene.opened()
        facts = succeeded(await scene.confirm(payment))
        none(facts, *MONEY, *ENDED, Pending, Unrecognized)
        for fact in of(CheckoutOpened, facts):
            check(
                fact.provider_order_id == payment.provider_order_id,
                f"another checkout is open: {fact.key}",
            )

    @rule(
        "confirm-captures",
        "Once the buyer has done all that a buyer can do, confirm captures and returns one "
        "Captured fact of the exact amount; the provider's books say the same.",
        "At many providers an approval moves no money. A buyer who approves and closes the tab has "
        "not paid until we capture.",
        proves="payment",
    )
    async def test_confirm_captures(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        check(captured.capture_id, "the capture has no id")
        got = Money(captured.amount, captured.currency)
        check(got == payment.money, f"{payment.money} was asked for: {captured.key}")
        check(captured.at.tzinfo is not None, "its time has no time zone")
        off = abs(captured.at - datetime.now(UTC))
        check(off < timedelta(days=1), f"its time is {captured.at}")
        await scene.holds(payment, payment.money)

    @rule(
        "confirm-repeats",
        "Repeated for ever, confirm returns the same facts about the money, and takes none again.",
        "Facts are stored once per key. A key that changes with each reading would be a second "
        "payment in the books.",
        proves="payment",
    )
    async def test_confirm_repeats(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        for known in (payment, replace_ref(payment, capture_id=None)):
            facts = succeeded(await scene.confirm(known))
            again = one(Captured, facts)
            check(again.key == captured.key, f"{captured.key} has become {again.key}")
        await scene.holds(payment, payment.money)

    @rule(
        "confirm-at-once",
        "Many confirms at the same moment take the money once, and all come to the same facts.",
        "The buyer's return, the webhook and the sweep meet in practice.",
        proves="payment",
    )
    async def test_confirm_at_once(self, scene: Scene) -> None:
        payment = await scene.opened()
        await scene.stand.buyer(payment.provider_order_id, "pay")
        for told in await asyncio.gather(*(scene.confirm(payment) for _ in range(5))):
            if isinstance(told, ProviderError):
                failed(told, Unavailable, OutcomeUnknown)
            else:
                check(len(of(Captured, told)) <= 1, f"several captures: {words(told)}")
        one(Captured, succeeded(await scene.settled(lambda: scene.confirm(payment))))
        await scene.holds(payment, payment.money)

    @rule(
        "confirm-declined",
        "A try that is refused is a Declined (or Failed) fact, and no money.",
        "The merchant must see why the buyer could not pay; nothing else has happened.",
        proves="payment",
    )
    async def test_confirm_declined(self, scene: Scene) -> None:
        payment = await scene.opened()
        await scene.stand.buyer(payment.provider_order_id, "decline")
        facts = succeeded(await scene.confirm(payment))
        none(facts, *MONEY, Pending)
        check(of(Declined, facts) or of(Failed, facts), f"it says {words(facts)}")
        again = succeeded(await scene.confirm(payment))
        keys = {fact.key for fact in again if isinstance(fact, Declined)}
        check(
            len(keys) <= 1 and keys <= {fact.key for fact in facts},
            f"one refusal has become another: {words(facts)}, then {words(again)}",
        )
        await scene.holds(payment)

    @rule(
        "confirm-declined-twice",
        "Two tries that are refused are two facts, where the buyer may try again.",
        "Facts are stored once per key: with one key for all, every later refusal is lost.",
        trait("names_tries"),
        proves="payment",
    )
    async def test_confirm_declined_twice(self, scene: Scene) -> None:
        payment = await scene.opened()
        keys: set[str] = set()
        for tries in (1, 2):
            try:
                await scene.stand.buyer(payment.provider_order_id, "decline")
            except NotPossible:  # the first was the last
                return
            facts: Facts = succeeded(await scene.confirm(payment))
            if of(Failed, facts):
                return
            keys |= {fact.key for fact in of(Declined, facts)}
            check(len(keys) == tries, f"after {tries} refusals there is {words(sorted(keys))}")

    @rule(
        "confirm-left",
        "A buyer who leaves the page has moved no money, and confirm says so.",
        "The redirect back to us proves nothing, whichever address it came to.",
        acts("leave"),
        proves="payment",
    )
    async def test_confirm_left(self, scene: Scene) -> None:
        payment = await scene.opened()
        await scene.stand.buyer(payment.provider_order_id, "leave")
        none(succeeded(await scene.confirm(payment)), *MONEY, Pending, Unrecognized)
        await scene.holds(payment)

    @rule(
        "confirm-expired",
        "A checkout whose time is over is Expired (or Canceled, or Failed), and no money.",
        "Stock is released on it, and another attempt may be opened.",
        acts("expire"),
        proves="payment",
    )
    async def test_confirm_expired(self, scene: Scene) -> None:
        payment = await scene.opened()
        await scene.stand.buyer(payment.provider_order_id, "expire")
        facts = succeeded(await scene.confirm(payment))
        none(facts, *MONEY, Pending, CheckoutOpened)
        check(any(isinstance(fact, ENDED) for fact in facts), f"it says {words(facts)}")

    @rule(
        "confirm-pending",
        "Money that has not cleared is Pending, never Captured; once it clears it is Captured, "
        "once it bounces Failed (or Declined).",
        "A bank debit can bounce days later. Goods that left on its announcement are lost.",
        acts("pay_later", "clear", "bounce"),
        proves="payment",
    )
    async def test_confirm_pending(self, scene: Scene) -> None:
        for end in ("clear", "bounce"):
            payment = await scene.opened()
            await scene.stand.buyer(payment.provider_order_id, "pay_later")
            facts = succeeded(await scene.confirm(payment))
            none(facts, *MONEY, *ENDED)
            check(of(Pending, facts), f"while it has not cleared, it says {words(facts)}")
            await scene.stand.buyer(payment.provider_order_id, end)
            facts = succeeded(await scene.confirm(payment))
            if end == "clear":
                one(Captured, facts)
            else:
                none(facts, *MONEY)
                check(of(Failed, facts) or of(Declined, facts), f"it says {words(facts)}")

    @rule(
        "confirm-trusts-the-answer",
        "The amount of a Captured fact is the provider's, never the one that was asked for.",
        "Only so can the core see that another amount was paid. Copied from the request, a payment "
        "of one cent is a paid order.",
        proves="payment",
    )
    async def test_confirm_trusts_the_answer(self, scene: Scene) -> None:
        payment, _ = await scene.paid(scene.money(284_620))
        with scene.proxy.rewriting(*other_amount(scene, payment.money)):
            told = await scene.confirm(payment)
        if isinstance(told, ProviderError):
            failed(told, Unavailable, OutcomeUnknown)
            return
        amounts = [fact.amount for fact in of(Captured, told)]
        check(
            payment.money.amount not in amounts,
            f"the provider said {payment.money.amount - 100_000}, and it reports {words(told)}",
        )

    @rule(
        "confirm-unknown-state",
        "A state that the adapter does not know is never money: it is Unrecognized (or an error).",
        "Providers add states. A guess that it means paid gives goods away; a guess that it means "
        "failed loses a payment.",
        proves="payment",
    )
    async def test_confirm_unknown_state(self, scene: Scene) -> None:
        payment, _ = await scene.paid()
        with scene.proxy.rewriting(*unknown_words(scene)):
            told = await scene.confirm(replace_ref(payment, capture_id=None))
        if isinstance(told, ProviderError):
            failed(told, Unavailable, OutcomeUnknown)
            return
        none(told, *MONEY, *ENDED, CheckoutOpened)
        check(of(Unrecognized, told), f"it says {words(told)}")

    @rule(
        "confirm-unknown-checkout",
        "Of a new checkout that the provider does not know, confirm reports no money and no end.",
        "It may belong to other credentials, or not be known everywhere yet: neither means that it "
        "was paid, or that it cannot be. One wrong key would close every open order. A provider "
        "that forgets checkouts of a certain age may call an older one (`created_at`) Expired.",
        proves="payment",
    )
    async def test_confirm_unknown_checkout(self, scene: Scene) -> None:
        payment = await scene.opened()
        known = payment.provider_order_id
        other = known[:-4] + "".join("A" if letter != "A" else "B" for letter in known[-4:])
        told = await outcome(
            scene.adapter.confirm(
                msgspec.structs.replace(payment, provider_order_id=other),
                key=f"{payment.payment_id}-confirm",
            )
        )
        if not isinstance(told, ProviderError):
            none(told, *MONEY, *ENDED, Pending, CheckoutOpened)

    @rule(
        "confirm-fees",
        "A Fee fact adds up: of a capture, fee and net make the amount; of a refund, the amount "
        "with a minus; where the capability settlement is claimed, a capture has one.",
        "It is what the merchant's bank account is compared with. A wrong sign makes money up.",
        proves=("payment", "settlement"),
    )
    async def test_confirm_fees(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        facts: Facts = succeeded(await scene.confirm(payment))
        fees = [fee for fee in of(Fee, facts) if fee.object_id == captured.capture_id]
        if self.plugin.capabilities.settlement:
            check(fees, f"the capture has no Fee: {words(facts)}")
        for fee in fees:
            check(fee.fee >= 0, f"the fee is negative: {fee.key}")
            if fee.currency == captured.currency:
                check(fee.fee + fee.net == captured.amount, f"of {captured.amount}: {fee.key}")
        refunded = succeeded(await scene.refund(scene.refund_request(payment, captured)))
        refund = one(RefundUpdated, refunded)
        for fee in of(Fee, [*refunded, *succeeded(await scene.confirm(payment))]):
            if fee.object_id == refund.provider_refund_id and fee.currency == refund.currency:
                check(fee.fee + fee.net == -refund.amount, f"of -{refund.amount}: {fee.key}")
                check(fee.net <= 0, f"a refund brought money: {fee.key}")


def other_amount(scene: Scene, money: Money) -> list[tuple[bytes, bytes]]:
    """Rewrites that take 100,000 minor units off an amount, however the provider writes it."""
    scale, less = scene.plugin.scale, Money(money.amount - 100_000, money.currency)
    decimals = scale.decimals(money.currency)
    pairs = [(scale.to_provider(money), scale.to_provider(less))]
    written = [(format_decimal(old, decimals), format_decimal(new, decimals)) for old, new in pairs]
    if decimals:
        written += [(str(old), str(new)) for old, new in pairs]
    return [(old.encode(), new.encode()) for old, new in written]


def unknown_words(scene: Scene) -> list[tuple[bytes, bytes]]:
    """Rewrites that make the provider's words for "done" one that nobody knows."""
    said = scene.declared.traits.paid_words
    return [(f'"{word}"'.encode(), b'"levitating"') for word in said]
