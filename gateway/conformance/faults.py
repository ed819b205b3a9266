"""A network that loses things."""

import asyncio
import time

from gateway.conformance.calls import (
    ALL_TRIES,
    Call,
    calls,
    confirm_call,
    has_windows,
    meets,
    recovers,
)
from gateway.conformance.proxy import Fault, Kind
from gateway.conformance.rules import check, failed, one, outcome, rule, words
from gateway.conformance.scene import Scene, opened, replace_ref
from gateway.conformance.subject import Subject
from gateway.errors import OutcomeUnknown, ProviderError, Unavailable
from gateway.facts import RefundUpdated

_LOST: tuple[Kind, ...] = ("lose_answer", "cut")


class Suffering(Subject):
    """Every call, in bad weather."""

    @rule(
        "lost-request",
        "A request that was lost on its way is OutcomeUnknown or Unavailable, never Rejected; "
        "under the same key it is then done once.",
        "We cannot tell a lost request from a lost answer. Called refused, the order is closed "
        "while its money may still come.",
        proves="unknown_outcomes",
    )
    async def test_lost_request(self, scene: Scene) -> None:
        for call in await calls(scene, reads=True):
            before = await call.effects()
            await meets(scene, call, Fault("lose_request"), OutcomeUnknown, Unavailable)
            check(await call.effects() == before, f"{call.verb} was done all the same")
            await recovers(scene, call, "its request was lost")

    @rule(
        "lost-answer",
        "When the provider has acted and its answer is lost, the call is OutcomeUnknown; under the "
        "same key it is then found done, once.",
        "This is the second charge, and the second refund. Unavailable would claim that nothing "
        "was done, Rejected that nothing will be.",
        has_windows,
        proves="unknown_outcomes",
    )
    async def test_lost_answer(self, scene: Scene) -> None:
        for kind in _LOST:
            for call in await calls(scene):
                await meets(scene, call, Fault(kind), OutcomeUnknown)
                done = await call.effects()
                check(done == 1, f"{call.verb} under one key was done {done} times")
                await recovers(scene, call, "its answer was lost")

    @rule(
        "lost-answer-restart",
        "When an answer was lost and the process ended, the next process finds the call done under "
        "the same key, once.",
        "A key that is made, or kept, in memory is another one after each restart, and at the "
        "second process: a second page, and a second refund.",
        has_windows,
        proves="unknown_outcomes",
    )
    async def test_lost_answer_restart(self, scene: Scene) -> None:
        async with opened(self.plugin, scene.environment) as provider:
            scene.adapter = provider.adapter
            waiting = await calls(scene)
            for call in waiting:
                await meets(scene, call, Fault("lose_answer"), OutcomeUnknown)
        async with opened(self.plugin, scene.environment) as provider:
            scene.adapter = provider.adapter
            for call in waiting:
                await recovers(scene, call, "its answer was lost, and a restart")

    @rule(
        "lost-answer-confirm",
        "A confirm whose answer is lost is OutcomeUnknown or Unavailable; repeated, the money was "
        "taken once.",
        "Confirm captures. Its repetition must find the capture, not make another.",
        proves="unknown_outcomes",
    )
    async def test_lost_answer_confirm(self, scene: Scene) -> None:
        for kind, writes in ((_LOST[0], True), (_LOST[0], False), (_LOST[1], False)):
            call = await confirm_call(scene)
            fault = Fault(kind, times=ALL_TRIES, writes=writes)
            scene.proxy.arm(fault)
            told = await call.make()
            scene.proxy.clear()
            if fault.times < ALL_TRIES:  # an adapter that only reads has no write to be lost
                failed(told, OutcomeUnknown, Unavailable)
            await recovers(scene, call, "its answer was lost")

    @rule(
        "sent-twice",
        "A request that the network delivers twice is done once.",
        "Connections are retried below us. Only the idempotency key protects from it.",
        has_windows,
        proves="unknown_outcomes",
    )
    async def test_sent_twice(self, scene: Scene) -> None:
        for call in await calls(scene):
            scene.proxy.arm(Fault("duplicate"))
            told = await call.make()
            if isinstance(told, ProviderError):
                failed(told, OutcomeUnknown, Unavailable)
            await recovers(scene, call, "its request came twice")

    @rule(
        "silence",
        "When the provider says nothing, a call gives up in time: OutcomeUnknown, or Unavailable "
        "where nothing can have been done; the same key then finds the truth.",
        "A call that waits longer than its lease is taken up by another process while it runs.",
        proves="unknown_outcomes",
    )
    async def test_silence(self, scene: Scene) -> None:
        with scene.stand.hurried():
            async with opened(self.plugin, scene.environment) as provider:
                scene.adapter = provider.adapter
                await self._silent(scene, await calls(scene), OutcomeUnknown)
                await self._silent(scene, [await confirm_call(scene)], OutcomeUnknown, Unavailable)

    async def _silent(
        self, scene: Scene, waiting: list[Call], *expected: type[ProviderError]
    ) -> None:
        """All of them at once meet a silence."""
        writes = all(call.writes for call in waiting)
        scene.proxy.arm(Fault("silence_after", times=ALL_TRIES * len(waiting), writes=writes))
        started = time.monotonic()
        told = await asyncio.gather(*(call.make() for call in waiting))
        took, patience = time.monotonic() - started, self.traits.patience
        scene.proxy.clear()
        for call, each in zip(waiting, told, strict=True):
            failed(each, *expected)
            await recovers(scene, call, "a long silence")
        check(took < patience, f"it took {took:.1f} seconds, and Traits.patience is {patience}")

    @rule(
        "refused-connection",
        "Where the provider cannot be reached at all, the call is Unavailable.",
        "Nothing was sent: the core may go on at once, or take another provider.",
        proves="unknown_outcomes",
    )
    async def test_refused_connection(self, scene: Scene) -> None:
        environment = scene.stand.environment("http://127.0.0.1:9")
        payment, captured = await scene.paid()
        async with opened(self.plugin, environment) as provider:
            request = scene.request()
            refund = scene.refund_request(payment, captured)
            adapter = provider.adapter
            for call in (
                adapter.create_order(request, key=f"{request.payment_id}-create"),
                adapter.confirm(payment, key=f"{payment.payment_id}-confirm"),
                adapter.refund(refund, key=f"{refund.refund_id}-refund"),
            ):
                failed(await outcome(call), Unavailable)

    @rule(
        "cancelled-task",
        "A task that is cancelled in the middle of a call ends, the adapter goes on working, and "
        "the same key then finds the truth.",
        "Servers are stopped, and buyers leave, in the middle of a call.",
        proves="unknown_outcomes",
    )
    async def test_cancelled_task(self, scene: Scene) -> None:
        for call in await calls(scene):
            fault = Fault("silence_after", times=ALL_TRIES)
            scene.proxy.arm(fault)
            task = asyncio.ensure_future(call.make())
            await fault.met.wait()
            await asyncio.sleep(0.02)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=1)
            scene.proxy.clear()
            if not done:  # it waits for its answer in a thread
                await asyncio.wait([task], timeout=self.traits.patience)
            check(task.done(), f"{call.verb} goes on after it was cancelled")
            check(
                task.cancelled() or isinstance(task.result(), ProviderError),
                f"{call.verb} was cancelled, and returned {words(task.exception())}"
                if not task.cancelled() and task.exception()
                else f"{call.verb} swallowed the cancellation",
            )
            await recovers(scene, call, "it was cancelled")

    @rule(
        "lost-then-looked-up",
        "A refund whose answer was lost is found by confirm or find_refunds, with our refund_id.",
        "Once the key has run out, looking is all that is left.",
        proves="unknown_outcomes",
    )
    async def test_lost_then_looked_up(self, scene: Scene) -> None:
        payment, captured = await scene.paid()
        request = scene.refund_request(payment, captured)
        scene.proxy.arm(Fault("lose_answer", times=ALL_TRIES))
        failed(await scene.refund(request), OutcomeUnknown)
        scene.proxy.clear()
        known = replace_ref(payment, capture_id=captured.capture_id)
        found = one(RefundUpdated, await scene.known_refunds(known))
        check(found.refund_id == request.refund_id, f"its refund_id is {found.refund_id}")
