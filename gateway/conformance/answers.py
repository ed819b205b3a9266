"""A provider that answers badly."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.conformance.calls import ALL_TRIES, calls, create_call, meets, recovers
from gateway.conformance.create import examples
from gateway.conformance.proxy import Fault
from gateway.conformance.rules import check, failed, rule
from gateway.conformance.scene import Scene
from gateway.conformance.subject import Subject
from gateway.errors import OutcomeUnknown, Rejected, Unavailable

#: Answers of 200 that say nothing, or not what they should.
GARBAGE: tuple[tuple[str, bytes], ...] = (
    ("application/json", b""),
    ("application/json", b"null"),
    ("application/json", b"[]"),
    ("application/json", b"{}"),
    ("application/json", b'"done"'),
    ("application/json", b'{"id":'),
    ("application/json", b"[" * 3000),
    ("application/json", b'{"id": 12, "status": [], "amount": {}}'),
    ("application/json", b"\xff\xfe\x00"),
    ("text/html", b"<html><body><h1>It works!</h1></body></html>"),
)


#: Answers of somebody on the way, or of a provider that has not decided yet.
_HTML = b"<html><body><h1>Please come back later</h1></body></html>"
_ELSEWHERE = "/moved-by-the-kit"


class Misunderstanding(Subject):
    """Every call, with an answer that is none."""

    @rule(
        "rate-limited",
        "429 is Unavailable, with the seconds of Retry-After; nothing was done.",
        "Called refused, a busy hour at the provider would cost the merchant orders.",
        proves="unknown_outcomes",
    )
    async def test_rate_limited(self, scene: Scene) -> None:
        for call in await calls(scene, reads=True):
            fault = Fault("answer", status=429, headers={"Retry-After": "7"})
            fault.body = self.traits.error_body
            error = await meets(scene, call, fault, Unavailable)
            after = getattr(error, "retry_after", None)
            check(
                error is None or after == 7,
                f"{call.verb}: Retry-After was 7, and retry_after is {after}",
            )
            await recovers(scene, call, "a 429")

    @rule(
        "not-allowed",
        "401 and 403 are Unavailable: nothing was done, and an operator has to cure it.",
        "A key that was rolled must not close every order of that hour.",
        proves="unknown_outcomes",
    )
    async def test_not_allowed(self, scene: Scene) -> None:
        for status in (401, 403):
            for call in await calls(scene, reads=True):
                fault = Fault("answer", status=status, body=self.traits.error_body)
                await meets(scene, call, fault, Unavailable)
                await recovers(scene, call, f"a {status}")

    @rule(
        "server-errors",
        "500, 502 and 504 are OutcomeUnknown where something may have been done, 503 that or "
        "Unavailable; a read may call them Unavailable; none is Rejected or a success.",
        "A server that fails may have acted before it did.",
        proves="unknown_outcomes",
    )
    async def test_server_errors(self, scene: Scene) -> None:
        for call in await calls(scene, reads=True):
            for status in (500, 502, 503, 504):
                mild = () if call.writes and status != 503 else (Unavailable,)
                for body in (b"", b"<html>Bad Gateway</html>", self.traits.error_body):
                    fault = Fault("answer", status=status, body=body)
                    await meets(scene, call, fault, OutcomeUnknown, *mild)
            await recovers(scene, call, "server errors")

    @rule(
        "not-a-refusal",
        "A redirect, 408, 409, and a 4xx whose body is not the provider's are OutcomeUnknown or "
        "Unavailable, never Rejected; no redirect is followed.",
        "A proxy on the way knows nothing of what was done, and 409 often means that the same key "
        "is being worked on. Called refused, the order goes to another provider: two pages.",
        proves="unknown_outcomes",
    )
    async def test_not_a_refusal(self, scene: Scene) -> None:
        theirs = self.traits.error_body
        answers = [(status, _HTML) for status in (301, 302, 307, 308, 400, 404, 410, 422)]
        answers += [(status, body) for status in (408, 409) for body in (_HTML, theirs)]
        for call in await calls(scene, reads=True):
            for status, body in answers:
                fault = Fault("answer", status=status, body=body)
                fault.headers = {"location": scene.proxy.url + _ELSEWHERE}
                await meets(scene, call, fault, OutcomeUnknown, Unavailable)
            await recovers(scene, call, "answers that refused nothing")
        check(not scene.proxy.count(_ELSEWHERE), "a redirect was followed, with our credentials")

    @rule(
        "garbage",
        "A 200 whose body is not what it should be is OutcomeUnknown (a read: or Unavailable); the "
        "same key then finds the truth.",
        "The provider may have acted. Taken for a success, we would store what nobody said.",
        proves="unknown_outcomes",
    )
    async def test_garbage(self, scene: Scene) -> None:
        for call in await calls(scene, reads=True):
            mild = () if call.writes else (Unavailable,)
            for kind, body in GARBAGE:
                fault = Fault("replace", headers={"content-type": kind}, body=body)
                error = await meets(scene, call, fault, OutcomeUnknown, *mild)
                check(error is None or str(error), "the error says nothing")
            await recovers(scene, call, "garbage")

    @rule(
        "garbage-any",
        "Whatever the status and the body of an answer, a call ends in one of the three errors, or "
        "in what the answer honestly says.",
        "Any other exception is a crash of the call, and its operation hangs in doubt.",
        proves="unknown_outcomes",
    )
    @examples
    @given(
        status=st.sampled_from([200, 201, 202, 204, 301, 302, 400, 404, 409, 418, 422, 500, 599]),
        body=st.one_of(
            st.binary(max_size=60),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                lambda inner: (
                    st.dictionaries(
                        st.sampled_from(["id", "status", "error", "amount", "details", "links"]),
                        inner,
                    )
                    | st.lists(inner, max_size=3)
                ),
                max_leaves=6,
            ).map(lambda value: json.dumps(value).encode()),
        ),
    )
    async def test_garbage_any(self, scene: Scene, status: int, body: bytes) -> None:
        call = create_call(scene)
        scene.proxy.arm(Fault("answer", times=ALL_TRIES, status=status, body=body))
        told = await call.make()
        scene.proxy.clear()
        failed(told, OutcomeUnknown, Unavailable, Rejected)
        check(
            status >= 400 or not isinstance(told, Rejected),
            f"a {status} was taken for a refusal: {body!r}",
        )
