"""Manual capture, and closing what is not paid."""

from contextlib import suppress

from gateway.conformance.confirm import ENDED
from gateway.conformance.rules import (
    acts,
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
from gateway.conformance.scene import Scene, replace_ref
from gateway.conformance.stand import NotPossible
from gateway.conformance.subject import Subject
from gateway.errors import ProviderError, Rejected
from gateway.facts import Authorized, Canceled, Captured, Expired, RefundUpdated
from gateway.money import Money
from gateway.provider import Cancels, Captures


class Holding(Subject):
    """`capture` and `cancel`."""

    @rule(
        "powers-as-claimed",
        "The adapter has `capture` exactly if manual_capture is claimed, `cancel` exactly if "
        "cancel is; partial_capture needs manual_capture.",
        "Merchants choose by what is claimed, and the core calls what is there.",
        proves=("manual_capture", "cancel"),
    )
    async def test_powers_as_claimed(self, scene: Scene) -> None:
        claims = self.plugin.capabilities
        for name, claimed, power in (
            ("manual_capture", claims.manual_capture, Captures),
            ("cancel", claims.cancel, Cancels),
        ):
            has = isinstance(scene.adapter, power)
            check(
                has == claimed,
                f"{name} is {'' if claimed else 'not '}claimed, and the adapter has "
                f"{'the' if has else 'no'} method of {power.__name__}",
            )
        check(claims.manual_capture or not claims.partial_capture, "partial_capture without it")

    @rule(
        "hold-authorizes",
        "In manual mode confirm holds the amount and captures nothing.",
        "Money taken before the goods are there breaks the law in some countries, and costs a fee.",
        capability("manual_capture"),
        proves="manual_capture",
    )
    async def test_hold_authorizes(self, scene: Scene) -> None:
        payment, held = await scene.authorized()
        check(Money(held.amount, held.currency) == payment.money, f"it holds {held.key}")
        again = succeeded(await scene.confirm(payment))
        check(one(Authorized, again).key == held.key, f"again: {words(again)}")
        none(again, Captured)
        await scene.holds(payment)

    @rule(
        "capture-whole",
        "capture takes the held amount once, and confirm then tells the same Captured fact.",
        "It is the moment in which the buyer pays.",
        capability("manual_capture"),
        window("capture"),
        proves="manual_capture",
    )
    async def test_capture_whole(self, scene: Scene) -> None:
        payment, _ = await scene.authorized()
        captured = one(Captured, succeeded(await scene.capture(payment, payment.money)))
        check(Money(captured.amount, captured.currency) == payment.money, captured.key)
        again = one(Captured, succeeded(await scene.capture(payment, payment.money)))
        check(again.key == captured.key, f"under the same key: {again.key}")
        read = one(Captured, succeeded(await scene.confirm(payment)))
        check(read.key == captured.key, f"{captured.key} is read as {read.key}")
        await scene.holds(payment, payment.money)

    @rule(
        "capture-part",
        "A capture of a part takes that part; what is released is no refund.",
        "An order that is shipped in part is paid in part, and nothing went back to the buyer.",
        capability("partial_capture"),
        proves="partial_capture",
    )
    async def test_capture_part(self, scene: Scene) -> None:
        payment, _ = await scene.authorized()
        part = scene.money(1300)
        captured = one(Captured, succeeded(await scene.capture(payment, part)))
        check(Money(captured.amount, captured.currency) == part, captured.key)
        facts = succeeded(await scene.confirm(payment))
        check(one(Captured, facts).key == captured.key, f"it is read as {words(facts)}")
        none(facts, RefundUpdated)
        await scene.holds(payment, part)

    @rule(
        "capture-too-much",
        "A capture of more than is held is Rejected, and nothing is taken.",
        "The buyer agreed to that amount and to no other.",
        capability("manual_capture"),
        proves="manual_capture",
    )
    async def test_capture_too_much(self, scene: Scene) -> None:
        payment, _ = await scene.authorized()
        told = await scene.capture(payment, scene.money(payment.money.amount * 3))
        failed(told, Rejected)
        await scene.holds(payment)

    @rule(
        "cancel-open",
        "cancel of an open checkout says Canceled (or Expired), and no money is taken afterwards.",
        "The buyer pays with another provider then: the old tab must not charge a second time.",
        capability("cancel"),
        trait("closes_pages"),
        proves="cancel",
    )
    async def test_cancel_open(self, scene: Scene) -> None:
        payment = await scene.opened()
        facts = succeeded(await scene.cancel(payment))
        none(facts, Captured, Authorized)
        check(of(Canceled, facts) or of(Expired, facts), f"it says {words(facts)}")
        succeeded(await scene.cancel(payment))
        with suppress(NotPossible):
            await scene.stand.buyer(payment.provider_order_id, "pay")
        await scene.holds(payment)

    @rule(
        "cancel-open-refused",
        "Where an open checkout cannot be closed, cancel of it is Rejected.",
        "Called canceled, it could still be paid; called Unavailable, it would be tried for ever.",
        capability("cancel"),
        trait("closes_pages", False),
        proves="cancel",
    )
    async def test_cancel_open_refused(self, scene: Scene) -> None:
        payment = await scene.opened()
        failed(await scene.cancel(payment), Rejected)

    @rule(
        "cancel-paid",
        "cancel of what is paid already returns the truth: Captured, and not Canceled.",
        "The buyer was faster. An order that is called canceled then has taken money for nothing.",
        capability("cancel"),
        proves="cancel",
    )
    async def test_cancel_paid(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        for known in (payment, replace_ref(payment, capture_id=None)):
            told = await scene.cancel(known)
            facts = succeeded(told)
            none(facts, Canceled, Expired)
            check(one(Captured, facts).key == captured.key, f"it says {words(facts)}")
        await scene.holds(payment, payment.money)

    @rule(
        "cancel-pending",
        "cancel of a payment that has not cleared yet is called canceled only if no money can come "
        "any more; if not, it is Rejected, or the truth.",
        "A bank debit clears days later: the order is canceled by then, and the buyer has paid.",
        capability("cancel"),
        acts("pay_later", "clear"),
        proves="cancel",
    )
    async def test_cancel_pending(self, scene: Scene) -> None:
        payment = await scene.opened()
        await scene.stand.buyer(payment.provider_order_id, "pay_later")
        succeeded(await scene.confirm(payment))
        told = await scene.cancel(payment)
        refused = isinstance(told, ProviderError)
        if refused:
            failed(told, Rejected)
        ended = not refused and any(isinstance(fact, ENDED) for fact in told)
        with suppress(NotPossible):
            await scene.stand.buyer(payment.provider_order_id, "clear")
        if (await scene.books(payment)).captured:
            check(not ended, f"it says {words(told)}, and then the money came in")
            one(Captured, succeeded(await scene.confirm(payment)))

    @rule(
        "cancel-held",
        "cancel of held money lets it go; it can no longer be captured.",
        "A hold that nobody releases blocks the buyer's card for days.",
        capability("cancel"),
        capability("manual_capture"),
        proves=("cancel", "manual_capture"),
    )
    async def test_cancel_held(self, scene: Scene) -> None:
        for known in (True, False):
            payment, held = await scene.authorized()
            if not known:
                payment = replace_ref(payment, authorization_id=None)
            facts = succeeded(await scene.cancel(payment))
            check(of(Canceled, facts), f"it says {words(facts)}")
            none(facts, Captured, RefundUpdated)
            payment = replace_ref(payment, authorization_id=held.authorization_id)
            late = await scene.capture(payment, payment.money)
            if not isinstance(late, ProviderError):
                none(late, Captured)
            await scene.holds(payment)
