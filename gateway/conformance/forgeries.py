"""What is not a genuine, fresh delivery of this account."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.conformance.rules import Broken, check, outcome, rule, succeeded, trait, words
from gateway.conformance.scene import Scene, opened
from gateway.conformance.stand import Delivery
from gateway.conformance.subject import Subject
from gateway.errors import ProviderError, SettingsError, Unavailable, WebhookInvalid
from gateway.provider import PaymentProvider, ProviderEvent

#: Clocks differ by minutes, not by more.
_AHEAD = timedelta(minutes=20)
_LONGEST_TOLERANCE = timedelta(days=4)

hostile = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def other_secret(secret: str) -> str:
    """A secret of the same form that is another one: three letters in its middle are changed."""
    places = [i for i, letter in enumerate(secret) if letter.isascii() and letter.isalnum()]
    middle = places[len(places) // 2 :][:3]
    kinds = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    letters = list(secret)
    for place in middle:
        kind = next(kind for kind in kinds if letters[place] in kind)
        letters[place] = kind[(kind.index(letters[place]) + 3) % len(kind)]
    return "".join(letters)


def changed(value: str, place: int) -> str:
    """`value` with another letter at `place`: one that hex and base64 too read differently."""
    letter = "A" if value[place] in "w0" else "0"
    return value[:place] + letter + value[place + 1 :]


class Distrusting(Subject):
    """`verify_webhook`, on what the provider never sent."""

    async def _genuine(self, scene: Scene) -> Delivery:
        """A webhook of a payment, as it came, and is accepted."""
        payment = await scene.opened()
        await scene.stand.buyer(payment.provider_order_id, "pay")
        sent = await scene.stand.deliveries()
        check(sent, "the stand has sent no webhook")
        await scene.verified(sent[0])
        return sent[0]

    async def _told(
        self, adapter: PaymentProvider, headers: Mapping[str, str], body: bytes
    ) -> ProviderEvent | Exception:
        """The event, WebhookInvalid, or Unavailable. Anything else breaks the contract."""
        try:
            told: Any = await outcome(adapter.verify_webhook(headers, body))
        except WebhookInvalid as refused:
            return refused
        except Exception as error:
            raise Broken(
                f"headers {dict(headers)!r:.300} and body {body!r:.200}: it raised "
                f"{type(error).__name__}: {error}"
            ) from error
        if isinstance(told, ProviderError) and not isinstance(told, Unavailable):
            raise Broken(f"it raised {type(told).__name__}, which no webhook may")
        return told  # type: ignore[no-any-return]

    async def _refused(
        self,
        scene: Scene,
        headers: Mapping[str, str],
        body: bytes,
        what: str,
        *,
        asks: bool = False,
    ) -> None:
        """`asks`: the adapter may have to ask somewhere, and get no answer."""
        told = await self._told(scene.adapter, headers, body)
        fine = isinstance(told, WebhookInvalid) or (asks and isinstance(told, Unavailable))
        check(fine, f"{what}: {_said(told)}")

    @rule(
        "webhook-tampered-body",
        "A body that was changed anywhere is WebhookInvalid.",
        "Whoever can change an amount or an id can make an order paid.",
        trait("signed"),
        proves="webhooks",
    )
    @hostile
    @given(data=st.data())
    async def test_webhook_tampered_body(self, scene: Scene, data: st.DataObject) -> None:
        sent = await self._once(scene)
        place = data.draw(st.integers(0, len(sent.body) - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        body = bytearray(sent.body)
        body[place] ^= bit
        await self._refused(scene, sent.headers, bytes(body), f"bit {bit} of byte {place} changed")
        for other in (sent.body[:place], sent.body + b" ", b" " + sent.body):
            await self._refused(scene, sent.headers, other, "longer or shorter")

    async def _once(self, scene: Scene) -> Delivery:
        """The genuine delivery of this test, made once for all of its examples."""
        if scene.genuine is None:
            scene.genuine = await self._genuine(scene)
        return scene.genuine

    @rule(
        "webhook-tampered-headers",
        "Each header that the signature consists of or covers is needed, and none may be changed "
        "in a single letter.",
        "A part that is not checked is a part that a forger may choose.",
        trait("signed_headers"),
        proves="webhooks",
    )
    async def test_webhook_tampered_headers(self, scene: Scene) -> None:
        sent = await self._genuine(scene)
        for name in self.traits.signed_headers:
            check(name in sent.headers, f"the stand sends no header {name}")
            value = sent.headers[name]
            without = {key: text for key, text in sent.headers.items() if key != name}
            await self._refused(scene, without, sent.body, f"without {name}")
            for other in ("", " ", value * 2, value[: len(value) // 2], "é" * 9, "\ud800", "\x00"):
                headers = {**without, name: other}
                await self._refused(scene, headers, sent.body, f"{name}: {other!r}", asks=True)
            for place in range(len(value)):
                headers = {**without, name: changed(value, place)}
                what = f"{name}, letter {place} changed"
                await self._refused(scene, headers, sent.body, what, asks=True)
        await self._refused(scene, {}, sent.body, "without any header")

    @rule(
        "webhook-not-a-secret-holder",
        "What somebody signs who does not hold the provider's secret is WebhookInvalid.",
        "The address of a webhook is no secret.",
        trait("signed"),
        proves="webhooks",
    )
    async def test_webhook_not_a_secret_holder(self, scene: Scene) -> None:
        sent = await self._genuine(scene)
        setting = self.traits.webhook_secret
        secrets = [other_secret(scene.environment[setting])] if setting else ["another"]
        for secret in [*secrets, *([""] if setting else [])]:
            headers = {**sent.headers, **scene.stand.sign(sent.body, secret=secret)}
            what = "signed with another secret" if secret else "signed with an empty secret"
            await self._refused(scene, headers, sent.body, what, asks=not setting)

    @rule(
        "webhook-fresh",
        "A delivery signed longer ago than the tolerance, or ahead of time, is WebhookInvalid; "
        "one signed just now is accepted.",
        "A recorded delivery can be replayed for ever otherwise.",
        trait("signed"),
        lambda declared: None if declared.traits.tolerance else "Traits.tolerance is None",
        proves="webhooks",
    )
    async def test_webhook_fresh(self, scene: Scene) -> None:
        tolerance = self.traits.tolerance or timedelta(0)
        check(tolerance <= _LONGEST_TOLERANCE, f"the tolerance of {tolerance} is too long")
        sent, now = await self._genuine(scene), datetime.now(UTC)
        await scene.verified(Delivery({**sent.headers, **scene.stand.sign(sent.body)}, sent.body))
        for what, at in (
            ("just older than the tolerance", now - tolerance - timedelta(seconds=30)),
            ("a year old", now - timedelta(days=365)),
            (f"{_AHEAD} ahead of time", now + _AHEAD),
        ):
            headers = {**sent.headers, **scene.stand.sign(sent.body, at=at)}
            await self._refused(scene, headers, sent.body, what, asks=True)

    @rule(
        "webhook-raw-bytes",
        "The signature is checked over the bytes that came: the same JSON written otherwise, or in "
        "another encoding, is WebhookInvalid.",
        "What is checked must be what is read: parsers disagree about odd JSON.",
        trait("signed"),
        proves="webhooks",
    )
    async def test_webhook_raw_bytes(self, scene: Scene) -> None:
        sent = await self._genuine(scene)
        text = sent.body.decode()
        ways = {
            "UTF-16": text.encode("utf-16"),
            "with a byte order mark": b"\xef\xbb\xbf" + sent.body,
        }
        try:
            value = json.loads(text)
            ways["written with indents"] = json.dumps(value, indent=3).encode()
            ways["with a key twice"] = sent.body.rstrip()[:-1] + b',"id":"forged"}'
        except ValueError:
            pass  # a form, not JSON
        for what, body in ways.items():
            await self._refused(scene, sent.headers, body, what)

    @rule(
        "webhook-rotation",
        "While a secret is rolled, what is signed with the old and with the new one is accepted; "
        "afterwards the old one is refused.",
        "Without the overlap webhooks are lost; without its end a leaked secret is good for ever.",
        trait("webhook_secret"),
        trait("secret_separator"),
        proves="webhooks",
    )
    async def test_webhook_rotation(self, scene: Scene) -> None:
        sent = await self._genuine(scene)
        name, between = self.traits.webhook_secret or "", self.traits.secret_separator or ""
        old = scene.environment[name]
        new = other_secret(old)
        for secrets, accepted in (([new, old], True), ([old, new], True), ([new], False)):
            settings = {**scene.environment, name: between.join(secrets)}
            async with opened(self.plugin, settings) as provider:
                fresh = {**sent.headers, **scene.stand.sign(sent.body, secret=new)}
                succeeded(await outcome(provider.adapter.verify_webhook(fresh, sent.body)))
                told = await self._told(provider.adapter, sent.headers, sent.body)
                check(
                    isinstance(told, ProviderEvent) == accepted,
                    f"with {len(secrets)} secrets, the old one's signature: {_said(told)}",
                )

    @rule(
        "webhook-empty-secret",
        "An empty or blank webhook secret is a SettingsError, as is one among several that is "
        "nothing but a separator.",
        "Anybody can sign with nothing.",
        trait("webhook_secret"),
        proves="webhooks",
    )
    async def test_webhook_empty_secret(self, scene: Scene) -> None:
        name, between = self.traits.webhook_secret or "", self.traits.secret_separator or ","
        for value in ("", "  ", between, f"{between} {between}"):
            try:
                settings = self.plugin.settings({**scene.environment, name: value})
            except SettingsError as error:
                check(name in str(error), f"the error does not name {name}: {error}")
            else:
                raise Broken(f"{name}={value!r} is taken: {type(settings).__name__}")

    @rule(
        "webhook-hostile",
        "Whatever the headers and the body hold, verify_webhook raises WebhookInvalid and nothing "
        "else, and so does read_event.",
        "The address is open to the world: an exception that slips through is a 500, and a log "
        "full of what a stranger chose.",
        proves="webhooks",
    )
    @hostile
    @given(
        headers=st.dictionaries(
            st.text(st.characters(codec="ascii", categories=("Ll", "Nd")), min_size=1, max_size=20),
            st.text(max_size=60),
            max_size=3,
        ),
        values=st.lists(st.text(max_size=60) | st.sampled_from(["t=1,v1=a", "é", "=", ",", "{"])),
        body=st.one_of(
            st.binary(max_size=80),
            st.text(max_size=40).map(lambda text: json.dumps({"id": text, "type": text}).encode()),
            st.sampled_from(
                [
                    b"",
                    b"null",
                    b"[]",
                    b"{}",
                    b"0",
                    b'"x"',
                    b"\xff\xfe",
                    b"[" * 5000,
                    b'{"a":' * 5000,
                ]
            ),
        ),
        real=st.booleans(),
    )
    async def test_webhook_hostile(
        self,
        scene: Scene,
        headers: dict[str, str],
        values: list[str],
        body: bytes,
        real: bool,
    ) -> None:
        sent = await self._once(scene)
        given = dict(zip(self.traits.signed_headers, values, strict=False))
        told = await self._told(
            scene.adapter, {**(sent.headers if real else {}), **headers, **given}, body
        )
        check(
            isinstance(told, WebhookInvalid | Unavailable),
            f"{body!r} with {headers} is accepted: {_said(told)}",
        )
        with suppress(WebhookInvalid):
            self.plugin.read_event(body)

    @rule(
        "webhook-genuinely-signed-nonsense",
        "A body that is signed but is no event is WebhookInvalid, or an event that tells nothing.",
        "A provider's test button sends odd things.",
        trait("signed"),
        proves="webhooks",
    )
    async def test_webhook_genuinely_signed_nonsense(self, scene: Scene) -> None:
        sent = await self._genuine(scene)
        for body in (b"", b"null", b"[]", b"{}", b'{"id":1}', b"\xff", b"<html>", b"[" * 3000):
            headers = {**sent.headers, **scene.stand.sign(body)}
            told = await self._told(scene.adapter, headers, body)
            if isinstance(told, ProviderEvent):
                check(not told.facts and not told.confirm, f"{body!r} tells {words(told.facts)}")

    @rule(
        "webhook-unsigned-proves-nothing",
        "Where webhooks are not signed, one about an unknown object is WebhookInvalid, and none "
        "carries facts: it only asks for confirm.",
        "Anybody can send one. What it says must be read from the provider itself.",
        trait("signed", False),
        proves="webhooks",
    )
    async def test_webhook_unsigned_proves_nothing(self, scene: Scene) -> None:
        sent, forged = await self._genuine(scene), scene.stand.forged()
        await self._refused(scene, forged.headers, forged.body, "about an unknown object")
        event = await scene.verified(sent)
        check(not event.facts and event.confirm, f"it tells {words(event.facts)}")


def _said(told: object) -> str:
    if isinstance(told, ProviderEvent):
        return f"it was accepted as {told.type or 'an event'}"
    return words(told)
