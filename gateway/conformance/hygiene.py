"""Settings, secrets, connections and tokens."""

import asyncio
import base64
import gc
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from gateway.conformance.forgeries import other_secret
from gateway.conformance.proxy import Fault
from gateway.conformance.rules import (
    Broken,
    check,
    failed,
    outcome,
    rule,
    succeeded,
    trait,
    words,
)
from gateway.conformance.scene import EMAIL, Scene, opened, ref
from gateway.conformance.subject import Subject
from gateway.errors import ProviderError, SettingsError, Unavailable, WebhookInvalid
from gateway.provider import Checks, ListsEvents, ManagesWebhooks


class Tidy(Subject):
    """What is around the calls."""

    @rule(
        "settings-off",
        "Without any setting the plugin is off: settings() returns None.",
        "Whoever installs the package and does not use it must not be stopped by it.",
        proves="settings",
    )
    async def test_settings_off(self, scene: Scene) -> None:
        check(self.plugin.settings({}) is None, "it is on")
        check(self.plugin.settings({"PATH": "/bin"}) is None, "another's setting turns it on")

    @rule(
        "settings-missing",
        "A missing or malformed setting is a SettingsError of one line, which names the setting "
        "and does not quote its value.",
        "It is read in a log, at the start of a server, by somebody in a hurry.",
        proves="settings",
    )
    async def test_settings_missing(self, scene: Scene) -> None:
        for name, value in scene.environment.items():
            without = {key: text for key, text in scene.environment.items() if key != name}
            self._complains(without, name, value)
            for odd in (value + "\n", "  \x00\x7f  ", f"¿{value}☃"):
                self._complains({**without, name: odd}, name, value)
        for name in self.traits.secret_settings:
            check(name in scene.environment, f"the stand's environment has no {name}")
            try:
                self.plugin.settings({**scene.environment, name: ""})
            except SettingsError as error:
                check(name in str(error), f"the error does not name {name}: {error}")
            else:
                raise Broken(f"an empty {name} is taken")

    def _complains(self, environment: dict[str, str], name: str, value: str) -> None:
        try:
            self.plugin.settings(environment)
        except SettingsError as error:
            told = str(error)
            check(name in told, f"{name} is wrong, and the error names it not: {told}")
            check("\n" not in told, f"more than one line: {told!r}")
            secret = name in self.traits.secret_settings
            check(not secret or value not in told, f"it quotes the value of {name}")

    @rule(
        "mode-told",
        "The settings of a live account open as live, those of the stand as test.",
        "Called test, the orders of an API key for trying things out take real money.",
        trait("live_settings"),
        proves="settings",
    )
    async def test_mode_told(self, scene: Scene) -> None:
        check(scene.mode == "test", f"the stand is {scene.mode}")
        async with opened(self.plugin, self.traits.live_settings or {}) as provider:
            check(provider.mode == "live", f"a live account is {provider.mode}")

    @rule(
        "secrets-unseen",
        "No secret, and nothing personal of the buyer, is in a repr, an error or a log, however "
        "much is logged.",
        "Logs are kept for years, and read by many.",
        proves="settings",
    )
    async def test_secrets_unseen(self, scene: Scene) -> None:
        seen: list[str] = []
        with _logged(seen):
            settings = self.plugin.settings(scene.environment)
            async with self.plugin.open(settings) as provider:
                scene.adapter = provider.adapter
                seen += [repr(settings), str(settings), repr(provider), repr(provider.adapter)]
                payment, captured = await scene.paid()
                refund = scene.refund_request(payment, captured)
                seen.append(repr(await scene.refund(refund)))
                for fault in (
                    Fault("answer", status=401),
                    Fault("answer", status=500, body=b"<html>"),
                    Fault("replace", body=b"[]"),
                    Fault("lose_answer"),
                ):
                    scene.proxy.arm(fault)
                    told = await scene.create(scene.request())
                    if isinstance(told, ProviderError):
                        seen += _chain(told)
                for sent in await scene.stand.deliveries():
                    try:
                        await provider.adapter.verify_webhook(sent.headers, sent.body + b" ")
                    except (WebhookInvalid, ProviderError) as error:
                        seen += _chain(error)
        for what, secret in self._secrets(scene):
            found = [text for text in seen if secret in text]
            check(not found, f"{what} is in: {found[:1]!r:.300}")

    def _secrets(self, scene: Scene) -> list[tuple[str, str]]:
        values = {name: scene.environment[name] for name in self.traits.secret_settings}
        told = [("the buyer's address", EMAIL), *values.items()]
        pairs = [(a, b) for a in scene.environment.values() for b in values.values()]
        basic = [base64.b64encode(f"{a}:{b}".encode()).decode() for a, b in pairs]
        return [*told, *(("a secret as Basic authentication", text) for text in basic)]

    @rule(
        "credentials-wrong",
        "With wrong credentials each call is Unavailable, in words that do not quote them.",
        "Nothing was done, and the orders can go on once the key is right.",
        proves="settings",
    )
    async def test_credentials_wrong(self, scene: Scene) -> None:
        secrets = [s for s in self.traits.secret_settings if s != self.traits.webhook_secret]
        for name in secrets:
            wrong = {**scene.environment, name: other_secret(scene.environment[name])}
            async with opened(self.plugin, wrong) as provider:
                request = scene.request()
                call = provider.adapter.create_order(request, key=f"{request.payment_id}-create")
                error = failed(await outcome(call), Unavailable)
                check(wrong[name] not in str(error), f"the error quotes {name}")
                if isinstance(provider.adapter, Checks):
                    failed(await outcome(provider.adapter.check()), Unavailable)

    @rule(
        "token-once",
        "Many calls at the same moment fetch one access token; a token that is refused is fetched "
        "anew, once.",
        "Token services limit how many may be fetched, and the limit is met in the busiest hour.",
        trait("token_paths"),
        proves="settings",
    )
    async def test_token_once(self, scene: Scene) -> None:
        fetched = scene.proxy.count(*self.traits.token_paths)
        requests = [scene.request() for _ in range(8)]
        for request, told in zip(
            requests, await asyncio.gather(*map(scene.create, requests)), strict=True
        ):
            ref(request, succeeded(told))
        fetched = scene.proxy.count(*self.traits.token_paths) - fetched
        check(fetched == 1, f"{len(requests)} calls fetched {fetched} tokens")
        scene.proxy.arm(Fault("answer", status=401, body=b"{}"))
        succeeded(await scene.create(scene.request()))
        again = scene.proxy.count(*self.traits.token_paths) - fetched
        check(again == 1, f"after a refused token, {again} were fetched")

    @rule(
        "connections-closed",
        "After open() exits no connection, task or warning is left, whatever had gone wrong; while "
        "it is open, broken answers do not pile up connections.",
        "A process opens its providers once and runs for months.",
        proves="settings",
    )
    async def test_connections_closed(self, scene: Scene) -> None:
        before = asyncio.all_tasks()
        kept = scene.proxy.connections
        told = []  # an error that somebody keeps must not keep its connection
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            async with opened(self.plugin, scene.environment) as provider:
                scene.adapter = provider.adapter
                for _ in range(12):
                    scene.proxy.arm(Fault("cut"), Fault("replace", body=b"[]"))
                    told += [await scene.create(scene.request()) for _ in range(2)]
                await scene.paid()
                await self._fall(scene, kept + 4, "after 24 broken answers, one after the other,")
                await asyncio.gather(*(scene.create(scene.request()) for _ in range(5)))
            await self._fall(scene, kept, "after open() has exited,")
            told.clear()
            gc.collect()
        left = [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)]
        check(not left, f"left open: {words(left)}")
        tasks = {task for task in asyncio.all_tasks() - before if not task.done()}
        mine = [task for task in tasks if "proxy" not in repr(task) and "web_" not in repr(task)]
        check(not mine, f"tasks are left: {mine}")

    async def _fall(self, scene: Scene, most: int, when: str) -> None:
        """The adapter's connections fall to `most` within a second."""
        for _ in range(100):
            if scene.proxy.connections <= most:
                return
            await asyncio.sleep(0.01)
        raise Broken(f"{when} {scene.proxy.connections} connections are open, and not {most}")

    @rule(
        "many-at-once",
        "Twenty calls at the same moment all get their own answers.",
        "Answers that are mixed up charge one buyer for another's cart.",
        proves="checkout",
    )
    async def test_many_at_once(self, scene: Scene) -> None:
        requests = [scene.request(scene.money(5000 + 7 * i)) for i in range(20)]
        told = await asyncio.gather(*map(scene.create, requests))
        payments = [ref(r, succeeded(each)) for r, each in zip(requests, told, strict=True)]
        check(len({p.provider_order_id for p in payments}) == 20, "some got the same checkout")
        for payment in payments:
            books = await scene.books(payment)
            check(
                books.checkouts == (payment.provider_order_id,),
                f"{payment.payment_id} has {words(books.checkouts)}, and was told "
                f"{payment.provider_order_id}",
            )

    @rule(
        "optional-powers",
        "check, list_events and list_webhooks, where the adapter has them, do as their protocols "
        "say: what is listed is what webhooks carry.",
        "They are what finds a lost webhook, and what a person asks when nothing works.",
        proves="settings",
    )
    async def test_optional_powers(self, scene: Scene) -> None:
        adapter = scene.adapter
        if isinstance(adapter, Checks):
            now = succeeded(await outcome(adapter.check()))
            check(now is None or now.tzinfo is not None, f"check() returned {words(now)}")
        if isinstance(adapter, ManagesWebhooks):
            succeeded(await outcome(adapter.list_webhooks()))
        if isinstance(adapter, ListsEvents):
            await self._lists(scene, adapter)

    async def _lists(self, scene: Scene, adapter: ListsEvents) -> None:
        await scene.paid()
        now = datetime.now(UTC)
        span = now - timedelta(hours=1), now + timedelta(hours=1)
        listed = {event.id: event async for event in adapter.list_events(*span)}
        for _, event in await scene.events():
            check(event.id in listed, f"{event.type} was sent, and is not listed")
            read = self.plugin.read_event(listed[event.id].body)
            check(read.facts == event.facts, f"{event.type} is listed with {words(read.facts)}")


def _chain(error: BaseException) -> list[str]:
    """Everything that a log would show of an error: it, and what it was raised from."""
    told: list[str] = []
    link: BaseException | None = error
    while link is not None and len(told) < 20:
        told += [str(link), repr(link)]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return told


@contextmanager
def _logged(into: list[str]) -> Iterator[None]:
    """Everything that is logged inside, at any level, as text."""

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            into.append(record.getMessage())
            into.extend(str(value) for value in vars(record).values() if isinstance(value, str))
            if record.exc_info and record.exc_info[1] is not None:
                into.extend(_chain(record.exc_info[1]))

    root, handler = logging.getLogger(), Collect(logging.DEBUG)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
