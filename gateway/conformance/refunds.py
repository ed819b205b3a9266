"""Giving money back, once per key."""

import asyncio

from gateway.conformance.calls import ALL_TRIES
from gateway.conformance.confirm import other_amount, unknown_words
from gateway.conformance.proxy import Fault
from gateway.conformance.rules import (
    Declared,
    capability,
    check,
    failed,
    none,
    of,
    one,
    rule,
    succeeded,
    trait,
    window,
    words,
)
from gateway.conformance.scene import Facts, Scene, currencies
from gateway.conformance.stand import Act
from gateway.conformance.subject import Subject
from gateway.errors import OutcomeUnknown, ProviderError, Rejected, Unavailable
from gateway.facts import RefundUpdated, Unrecognized
from gateway.money import Money
from gateway.provider import PaymentRef, RefundRequest

UNDER_WAY = ("succeeded", "pending")


def _several_currencies(declared: Declared) -> str | None:
    return None if currencies(declared.plugin)[1:] else "the plugin takes one currency"


class Refunding(Subject):
    """`refund` and `find_refunds`."""

    async def _refunded(self, scene: Scene, request: RefundRequest) -> RefundUpdated:
        """A refund that was made, and says what was asked for."""
        updated = one(RefundUpdated, succeeded(await scene.refund(request)))
        asked, told = request.money, Money(updated.amount, updated.currency)
        check(updated.provider_refund_id, "the refund has no id")
        check(updated.status in UNDER_WAY, f"it is {updated.status}")
        check(told == asked, f"{asked.amount} {asked.currency} was asked for, and it says {told}")
        check(updated.refund_id == request.refund_id, f"its refund_id is {updated.refund_id}")
        return updated

    @rule(
        "refund-full",
        "A refund of everything gives one RefundUpdated fact of that amount, with our refund_id.",
        "It is what the buyer gets back; by our id the merchant's refund is found again.",
        proves="refund",
    )
    async def test_refund_full(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        await self._refunded(scene, scene.refund_request(payment, captured))
        await scene.holds(payment, payment.money, refunded=[payment.money])

    @rule(
        "refund-part",
        "A refund of a part gives back that part and no more.",
        "A provider asked without an amount gives back everything.",
        capability("partial_refund"),
        proves="partial_refund",
    )
    async def test_refund_part(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        part = scene.money(1300)
        await self._refunded(scene, scene.refund_request(payment, captured, part))
        await scene.holds(payment, payment.money, refunded=[part])

    @rule(
        "refund-several",
        "Refunds under different keys are different refunds, until everything is given back.",
        "A merchant takes back one item today and one tomorrow.",
        capability("multiple_refunds"),
        proves="multiple_refunds",
    )
    async def test_refund_several(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        parts = [scene.money(1300), scene.money(1300)]
        parts.append(scene.money(payment.money.amount - sum(part.amount for part in parts)))
        made = [
            await self._refunded(scene, scene.refund_request(payment, captured, part))
            for part in parts
        ]
        check(len({refund.provider_refund_id for refund in made}) == 3, "they have the same id")
        await scene.holds(payment, payment.money, refunded=parts)
        listed = {fact.provider_refund_id for fact in await scene.known_refunds(payment)}
        check(
            listed == {refund.provider_refund_id for refund in made},
            f"the adapter lists {words(sorted(listed))}",
        )

    @rule(
        "refund-same-key",
        "The same refund under the same key is made once, and the repetition returns it.",
        "A refund whose answer was lost is asked for again. Made twice, the money is gone twice.",
        window("refund"),
        proves="refund",
    )
    async def test_refund_same_key(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        request = scene.refund_request(payment, captured)
        first = await self._refunded(scene, request)
        again = await self._refunded(scene, request)
        check(first.provider_refund_id == again.provider_refund_id, "the repetition made another")
        await scene.holds(payment, payment.money, refunded=[payment.money])

    @rule(
        "refund-same-key-part",
        "The same partial refund under the same key is made once.",
        "Half of a payment can be given back twice before the provider's own limit stops it.",
        window("refund"),
        capability("partial_refund"),
        proves="partial_refund",
    )
    async def test_refund_same_key_part(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        request = scene.refund_request(payment, captured, scene.money(1300))
        for told in await asyncio.gather(*(scene.refund(request) for _ in range(2))):
            if isinstance(told, ProviderError):
                failed(told, Unavailable, OutcomeUnknown)
        told = await scene.settled(lambda: scene.refund(request))
        one(RefundUpdated, succeeded(told))
        await self._refunded(scene, request)
        await scene.holds(payment, payment.money, refunded=[request.money])

    @rule(
        "refund-too-much",
        "A refund of more than was captured is Rejected, and nothing is given back.",
        "Rejected means: certainly not done. The merchant may then ask for less.",
        proves="refund",
    )
    async def test_refund_too_much(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        more = scene.money(payment.money.amount + 1)
        failed(await scene.refund(scene.refund_request(payment, captured, more)), Rejected)
        await scene.holds(payment, payment.money)

    @rule(
        "refund-already-refunded",
        "Asked under another key to refund what is refunded already, the adapter says Rejected.",
        "Taken for a success, our books would show money given back that never was, and the buyer "
        "waits for it.",
        proves="refund",
    )
    async def test_refund_already_refunded(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        await self._refunded(scene, scene.refund_request(payment, captured))
        failed(await scene.refund(scene.refund_request(payment, captured)), Rejected)
        await scene.holds(payment, payment.money, refunded=[payment.money])

    @rule(
        "refund-found",
        "A refund is found again with the same facts, by confirm or find_refunds.",
        "A refund in doubt whose key has run out is looked up: not found, it would be made again.",
        proves="refund",
    )
    async def test_refund_found(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        check(not await scene.known_refunds(payment), "before any refund, there is one")
        made = await self._refunded(scene, scene.refund_request(payment, captured))
        found = one(RefundUpdated, await scene.known_refunds(payment))
        check(found.key == made.key, f"{made.key} is found as {found.key}")

    @rule(
        "refund-not-readable",
        "Where the refunds cannot be read (a lost request, 429, 503), find_refunds, or confirm, is "
        "Unavailable or OutcomeUnknown; it never lists none.",
        "An empty list means that the refund was not made: the merchant makes it again.",
        proves="refund",
    )
    async def test_refund_not_readable(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        made = await self._refunded(scene, scene.refund_request(payment, captured))
        for fault in (
            Fault("lose_request"),
            Fault("answer", status=429, body=self.traits.error_body),
            Fault("answer", status=503, body=self.traits.error_body),
        ):
            fault.writes, fault.times = False, ALL_TRIES
            scene.proxy.arm(fault)
            told = await scene.read_refunds(payment)
            scene.proxy.clear()
            failed(told, Unavailable, OutcomeUnknown)
        found = one(RefundUpdated, await scene.known_refunds(payment))
        check(found.provider_refund_id == made.provider_refund_id, f"then it is {found.key}")

    @rule(
        "refund-currencies",
        "A refund is told in the currency of the payment, and in its minor units.",
        "Euros assumed, a refund of yen gives back a hundredth in our books, or a hundredfold.",
        _several_currencies,
        proves="refund",
    )
    async def test_refund_currencies(self, scene: Scene) -> None:
        for currency in currencies(self.plugin)[1:]:
            money = scene.money(54_000, currency)
            payment, captured = await scene.paid(money)
            made = await self._refunded(scene, scene.refund_request(payment, captured))
            found = one(RefundUpdated, await scene.known_refunds(payment))
            check(Money(found.amount, found.currency) == money, f"{made.key} is read as {found}")
            await scene.holds(payment, money, refunded=[money])

    @rule(
        "refund-trusts-the-answer",
        "The amount of a RefundUpdated fact is the provider's, never the one that was asked for.",
        "Only so does the merchant learn that something else was given back.",
        proves="refund",
    )
    async def test_refund_trusts_the_answer(self, scene: Scene) -> None:
        payment, captured = await scene.paid(scene.money(284_620))
        request = scene.refund_request(payment, captured)
        with scene.proxy.rewriting(*other_amount(scene, request.money)):
            told = await scene.refund(request)
        if isinstance(told, ProviderError):
            failed(told, Unavailable, OutcomeUnknown)
            return
        amounts = [fact.amount for fact in of(RefundUpdated, told)]
        check(
            request.money.amount not in amounts,
            f"the provider said {request.money.amount - 100_000}, and it reports {words(told)}",
        )

    @rule(
        "refund-unknown-state",
        "A refund in a state that the adapter does not know is Unrecognized (or OutcomeUnknown).",
        "Called done, the buyer may wait for ever; called failed, it would be made again.",
        proves="refund",
    )
    async def test_refund_unknown_state(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        with scene.proxy.rewriting(*unknown_words(scene)):
            told = await scene.refund(scene.refund_request(payment, captured))
        if isinstance(told, ProviderError):
            failed(told, Unavailable, OutcomeUnknown)
            return
        none(told, RefundUpdated)
        check(of(Unrecognized, told), f"it says {words(told)}")

    @rule(
        "refund-pending",
        "A refund that is not done yet is pending, and later succeeded or failed.",
        "Called succeeded too early, one that fails in the end is money the buyer never got.",
        trait("pending_refund"),
        proves="refund",
    )
    async def test_refund_pending(self, scene: Scene) -> None:
        for end in ("succeeded", "failed"):
            payment, made = await self._slow(scene)
            check(made.status == "pending", f"at first it is {made.status}")
            await scene.stand.turn_refund(made.provider_refund_id, end)
            await self._ends(scene, payment, made, end)

    async def _slow(self, scene: Scene) -> tuple[PaymentRef, RefundUpdated]:
        act: Act = "pay_slow_refund" if "pay_slow_refund" in self.traits.acts else "pay"
        payment, captured = await scene.paid(act=act)
        part = Money(self.traits.pending_refund or 0, payment.money.currency)
        request = scene.refund_request(payment, captured, part)
        facts: Facts = succeeded(await scene.refund(request))
        return payment, one(RefundUpdated, facts)

    async def _ends(self, scene: Scene, payment: PaymentRef, made: RefundUpdated, end: str) -> None:
        known = one(RefundUpdated, await scene.known_refunds(payment))
        check(known.provider_refund_id == made.provider_refund_id, "it has another id")
        check(known.status == end, f"in the end it is {known.status} and should be {end}")
        check(known.refund_id == made.refund_id, "it has lost our refund_id")

    @rule(
        "refund-fails-late",
        "A refund that succeeded and fails later is reported as failed.",
        "The buyer's bank sent it back: the merchant owes the money still.",
        trait("refunds_fail_late"),
        proves="refund",
    )
    async def test_refund_fails_late(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        made = await self._refunded(scene, scene.refund_request(payment, captured))
        if made.status == "pending":
            await scene.stand.turn_refund(made.provider_refund_id, "succeeded")
            await self._ends(scene, payment, made, "succeeded")
        await scene.stand.turn_refund(made.provider_refund_id, "failed")
        await self._ends(scene, payment, made, "failed")

    @rule(
        "refund-at-the-provider",
        "A refund that was made in the provider's dashboard is found, without a refund_id.",
        "Merchants do that. Unseen, the same money would be given back again.",
        trait("dashboard"),
        proves="refund",
    )
    async def test_refund_at_the_provider(self, scene: Scene) -> None:
        payment, _ = await scene.paid()
        part = scene.money(1300)
        await scene.stand.refund_at_provider(payment.provider_order_id, part)
        for facts in (await scene.known_refunds(payment), succeeded(await scene.confirm(payment))):
            found = one(RefundUpdated, facts)
            check((found.amount, found.currency) == (part.amount, part.currency), found.key)
            check(found.refund_id is None, f"its refund_id is {found.refund_id}")
