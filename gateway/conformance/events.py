"""What genuine webhooks tell."""

from gateway.conformance.rules import (
    capability,
    check,
    none,
    of,
    one,
    rule,
    succeeded,
    trait,
    words,
)
from gateway.conformance.scene import Facts, Scene
from gateway.conformance.stand import Act, Delivery
from gateway.conformance.subject import Subject
from gateway.facts import (
    Authorized,
    Canceled,
    Captured,
    Declined,
    DisputeUpdated,
    Expired,
    Failed,
    Fee,
    Pending,
    ProviderFact,
    ProviderIds,
    RefundUpdated,
    Reversed,
    Unrecognized,
)
from gateway.provider import PaymentRef, ProviderEvent

#: The facts that move money or end something: those of an event must be those of a reading.
_TOLD = (
    Authorized,
    Canceled,
    Captured,
    Declined,
    Expired,
    Failed,
    Fee,
    Pending,
    RefundUpdated,
    Reversed,
)


def identity(fact: ProviderFact) -> str:
    """The fact's key; of a refund what every telling of it has, whether or not it has our id."""
    if isinstance(fact, RefundUpdated):
        return f"refund {fact.provider_refund_id} {fact.status} {fact.amount} {fact.currency}"
    return fact.key


class Listening(Subject):
    """`verify_webhook` and `read_event`, on what the provider really sends."""

    async def _story(self, scene: Scene) -> tuple[PaymentRef, list[ProviderFact]]:
        """A payment that is made and given back; all that was read on the way."""
        payment = await scene.opened()
        await scene.stand.buyer(payment.provider_order_id, "pay")
        facts: list[ProviderFact] = list(succeeded(await scene.confirm(payment)))
        captured = one(Captured, facts)
        facts += succeeded(await scene.refund(scene.refund_request(payment, captured)))
        facts += succeeded(await scene.confirm(payment))
        return payment, facts

    @rule(
        "event-verifies",
        "Every webhook that the provider sends is verified and translated: an id, a type, a time "
        "with zone, and words for why it is ignored if it is.",
        "One that is refused is sent again for days, and then given up.",
        proves="webhooks",
    )
    async def test_event_verifies(self, scene: Scene) -> None:
        await self._story(scene)
        events = await scene.events()
        check(events, "the stand has sent no webhook")
        for sent, event in events:
            check(isinstance(event, ProviderEvent), f"it returned {words(event)}")
            check(0 < len(event.id) <= 255 and event.type, f"id {event.id!r}, type {event.type!r}")
            check(event.at.tzinfo is not None, f"the time of {event.type} has no zone")
            check(event.ignored is None or event.ignored.strip(), f"{event.type}: ignored, why?")
            again = await scene.verified(sent)
            check(again.id == event.id, f"delivered again, {event.type} has another id")

    @rule(
        "event-ids",
        "Two occurrences have two ids.",
        "An id that came before is a duplicate, and is dropped.",
        trait("event_ids"),
        proves="webhooks",
    )
    async def test_event_ids(self, scene: Scene) -> None:
        await self._story(scene)
        events = await scene.events()
        bodies, ids = {sent.body for sent, _ in events}, {event.id for _, event in events}
        check(len(bodies) == len(ids), f"{len(bodies)} different events have {len(ids)} ids")

    @rule(
        "event-second",
        "What comes after the payment has changed has another id than what came before, even "
        "where the body is the same.",
        "Where webhooks only name the payment, an id made of its name makes every webhook after "
        "the first a duplicate: refunds and captures are lost.",
        proves="webhooks",
    )
    async def test_event_second(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        sent = await scene.stand.deliveries()
        before = {(await scene.verified(one_of)).id for one_of in sent}
        succeeded(await scene.refund(scene.refund_request(payment, captured)))
        later = (await scene.stand.deliveries())[len(sent) :]
        ids = {(await scene.verified(one_of)).id for one_of in later}
        check(not later or ids - before, "the webhooks after the refund have the old ids")

    @rule(
        "event-of-payment",
        "Each event that is not ignored names its payment: by our payment_id, or by an id that the "
        "provider gave to the checkout or that confirm has told.",
        "An event of nobody is an orphan, and its payment learns of it only when somebody asks.",
        proves="webhooks",
    )
    async def test_event_of_payment(self, scene: Scene) -> None:
        payment, facts = await self._story(scene)
        known = {payment.provider_order_id}
        for fact in facts:
            if isinstance(fact, ProviderIds):
                known.update(fact.ids)
            if isinstance(fact, Captured):
                known.add(fact.capture_id)
            if isinstance(fact, RefundUpdated):
                known.add(fact.provider_refund_id)
        for _, event in await scene.events():
            if event.ignored is not None:
                continue
            if event.payment_id is not None:
                check(event.payment_id == payment.payment_id, f"it names {event.payment_id}")
            else:
                check(
                    known.intersection(event.provider_ids),
                    f"{event.type} names {words(event.provider_ids)}, known is {words([*known])}",
                )

    @rule(
        "event-tells-payment",
        "After the buyer has paid, some webhook proves it or asks for confirm.",
        "The buyer has closed the tab: nobody else will tell us.",
        proves="webhooks",
    )
    async def test_event_tells_payment(self, scene: Scene) -> None:
        payment = await scene.opened()
        await scene.stand.buyer(payment.provider_order_id, "pay")
        events = [event for _, event in await scene.events()]
        check(
            any(event.confirm or of(Captured, event.facts) for event in events),
            f"there came {words([event.type for event in events])}",
        )

    @rule(
        "event-same-facts",
        "What a webhook tells are the facts that confirm and refund return, under the same keys.",
        "Facts are stored once per key: the same money under two keys is twice the money.",
        proves="webhooks",
    )
    async def test_event_same_facts(self, scene: Scene) -> None:
        _, read = await self._story(scene)
        await self._same(scene, read)

    async def _same(self, scene: Scene, read: Facts) -> None:
        keys = {identity(fact) for fact in read}
        for _, event in await scene.events():
            none(event.facts, Unrecognized)
            for fact in event.facts:
                check(
                    not isinstance(fact, _TOLD) or identity(fact) in keys,
                    f"{event.type} tells {identity(fact)}, which is not among what was read: "
                    f"{words(sorted(keys))}",
                )

    @rule(
        "event-every-state",
        "The same holds for a decline, an expiry, a payment that clears later, a hold, and all "
        "else that the stand can do.",
        "These are the events that are easily forgotten.",
        proves="webhooks",
    )
    async def test_event_every_state(self, scene: Scene) -> None:
        read: list[ProviderFact] = []
        payments: list[PaymentRef] = []
        if self.plugin.capabilities.manual_capture:
            payment, held = await scene.authorized()
            read += [held, *succeeded(await scene.capture(payment, payment.money))]
            read += succeeded(await scene.confirm(payment))
        for steps in self._ways():
            payment = await scene.opened()
            payments.append(payment)
            for act in steps:
                await scene.stand.buyer(payment.provider_order_id, act)
                read += succeeded(await scene.confirm(payment))
        for payment in payments:  # what else the stand's clock has ended
            read += succeeded(await scene.confirm(payment))
        await self._same(scene, read)

    def _ways(self) -> list[tuple[Act, ...]]:
        ways: list[tuple[Act, ...]] = [
            ("decline",),
            ("leave",),
            ("pay_later", "clear"),
            ("pay_later", "bounce"),
            ("expire",),  # which may move the stand's clock
        ]
        return [way for way in ways if self.traits.acts.issuperset(way)]

    @rule(
        "event-later-refund",
        "What becomes of a refund later is told by a webhook, or asked for.",
        "Nobody else tells that a refund came back.",
        trait("refunds_fail_late"),
        proves="webhooks",
    )
    async def test_event_later_refund(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        made = one(
            RefundUpdated,
            succeeded(await scene.refund(scene.refund_request(payment, captured))),
        )
        before = len(await scene.stand.deliveries())
        await scene.stand.turn_refund(made.provider_refund_id, "failed")
        events = [event for _, event in await scene.events()]
        check(len(events) > before, "the stand sent no webhook of it")
        told = [fact for event in events for fact in of(RefundUpdated, event.facts)]
        check(
            any(fact.status == "failed" for fact in told) or any(e.confirm for e in events),
            f"there came {words(told)}",
        )

    @rule(
        "event-read-again",
        "read_event, which sees the body only, tells the same as verify_webhook.",
        "It is the stored body that is applied later, and again when an order is recomputed.",
        proves="webhooks",
    )
    async def test_event_read_again(self, scene: Scene) -> None:
        await self._story(scene)
        for sent, event in await scene.events():
            read = self.plugin.read_event(sent.body)
            for name in ("confirm", "facts", "provider_ids"):
                check(
                    getattr(read, name) == getattr(event, name),
                    f"{name} of {event.type}: {getattr(event, name)} verified, "
                    f"{getattr(read, name)} read",
                )
            check((read.ignored is None) == (event.ignored is None), f"{event.type}: ignored?")

    @rule(
        "event-ignored",
        "An event that is ignored has no facts and asks for nothing.",
        "Ignored means that it changes nothing; what changes something must say what.",
        proves="webhooks",
    )
    async def test_event_ignored(self, scene: Scene) -> None:
        await self._story(scene)
        for _, event in await scene.events():
            if event.ignored is not None:
                check(not event.facts and not event.confirm, f"{event.type} is not")
            else:
                check(event.facts or event.confirm, f"{event.type} has no effect: say why")

    @rule(
        "event-unknown-type",
        "A genuine event of a type that the adapter does not know is ignored, in words.",
        "Providers add types. Refused, it would be sent again for days.",
        trait("event_types"),
        proves="webhooks",
    )
    async def test_event_unknown_type(self, scene: Scene) -> None:
        body = scene.stand.unknown_event()
        headers = scene.stand.sign(body) if self.traits.signed else {}
        event = await scene.verified(Delivery(headers, body))
        check(event.ignored, f"it is not ignored: {words(event.facts)}, confirm {event.confirm}")
        check(not event.facts and not event.confirm, f"it tells {words(event.facts)}")

    @rule(
        "event-disputes",
        "A dispute is told when it is opened and when it is decided.",
        "There is a date until which the merchant can answer.",
        capability("disputes"),
        proves="disputes",
    )
    async def test_event_disputes(self, scene: Scene) -> None:
        for verdict in sorted(self.traits.verdicts):
            payment, captured = await scene.paid()
            before = len(await scene.stand.deliveries())
            await scene.stand.dispute(payment.provider_order_id)
            opened = await self._disputes(scene, payment, before)
            states = [fact.status for fact in opened]
            check(
                states and not {"won", "lost", "prevented"}.intersection(states),
                f"it was opened, and told is {words(opened)}",
            )
            amounts = {fact.amount for fact in opened}
            check(amounts == {captured.amount}, f"of {captured.amount}: {amounts}")
            before = len(await scene.stand.deliveries())
            await scene.stand.decide_dispute(payment.provider_order_id, won=verdict == "won")
            ended = await self._disputes(scene, payment, before)
            check(
                verdict in [fact.status for fact in ended],
                f"{verdict} at the provider, and told is {words(ended)}",
            )

    async def _disputes(
        self, scene: Scene, payment: PaymentRef, after: int
    ) -> list[DisputeUpdated]:
        """What the latest webhooks tell of it, by themselves or by the confirm they ask for."""
        latest = (await scene.stand.deliveries())[after:]
        check(latest, "no webhook was sent")
        events = [await scene.verified(sent) for sent in latest]
        facts = [fact for event in events for fact in event.facts]
        if any(event.confirm for event in events):
            facts += succeeded(await scene.confirm(payment))
        return of(DisputeUpdated, facts)
