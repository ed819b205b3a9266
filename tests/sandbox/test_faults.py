"""Every fault, as a client of Stripe's side meets it, and what was done behind it."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.stripe_client import StripeApi, form


def fault(
    sandbox: RunningSandbox, kind: str, operation: str = "create_session", **more: Any
) -> None:
    """One fault for the next call."""
    sandbox.control("faults", provider="stripe", operation=operation, fault=kind, **more)


def create(api: StripeApi, timeout: float = 5.0, key: str = "k") -> httpx.Response:
    """Create a session, on a connection of its own."""
    return httpx.post(
        f"{api.sandbox.url}/stripe/v1/checkout/sessions",
        data=form(),
        headers={"authorization": f"Bearer {api.key}", "idempotency-key": key},
        timeout=timeout,
    )


def sessions(api: StripeApi) -> int:
    """How many sessions there are."""
    return len(api.get("checkout/sessions")["data"])


@pytest.mark.parametrize(("kind", "made"), [("timeout_before", 0), ("timeout_after", 1)])
def test_a_timeout_hangs_until_the_client_goes(
    sandbox: RunningSandbox, api: StripeApi, kind: str, made: int
) -> None:
    fault(sandbox, kind, times=1)
    with pytest.raises(httpx.ReadTimeout):
        create(api, timeout=0.2)
    assert sessions(api) == made
    retried = create(api)
    assert retried.headers.get("idempotent-replayed") == ("true" if made else None)
    assert sessions(api) == 1


@pytest.mark.parametrize(("kind", "made"), [("timeout_before", 0), ("timeout_after", 1)])
def test_a_timeout_ends_in_a_cut_connection(
    sandbox: RunningSandbox, api: StripeApi, kind: str, made: int
) -> None:
    fault(sandbox, kind, times=1, seconds=0.1)
    with pytest.raises(httpx.RemoteProtocolError):
        create(api)
    assert sessions(api) == made


def test_reset_cuts_the_connection_and_does_nothing(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    fault(sandbox, "reset")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        create(api)
    assert sessions(api) == 0


def test_slow_is_slow_and_garbage_is_garbage(sandbox: RunningSandbox, api: StripeApi) -> None:
    fault(sandbox, "slow", seconds=0.2)
    started = time.monotonic()
    assert create(api, key="one").status_code == 200
    assert time.monotonic() - started >= 0.2
    fault(sandbox, "garbage")
    answer = create(api, key="two")
    assert (answer.status_code, answer.headers["content-type"][:9]) == (200, "text/html")
    assert sessions(api) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_http_error_does_nothing(sandbox: RunningSandbox, api: StripeApi, status: int) -> None:
    fault(sandbox, f"http_{status}", "*")
    answer = create(api)
    assert answer.status_code == status
    assert answer.headers["request-id"]
    assert set(answer.json()) == {"error"}
    assert sessions(api) == 0


def test_faults_meet_their_operation_as_often_as_asked(
    sandbox: RunningSandbox, api: StripeApi
) -> None:
    fault(sandbox, "http_503", "refund")
    fault(sandbox, "http_429", times=2)
    assert [create(api).status_code for _ in range(3)] == [429, 429, 200]
    waiting = sandbox.look("faults")["faults"]
    assert [(item["operation"], item["times"]) for item in waiting] == [("refund", 1)]
    calls = [(call["fault"], call["status"]) for call in sandbox.look("calls")["data"]]
    assert calls == [("http_429", 429), ("http_429", 429), (None, 200)]
    assert sandbox.http.delete("/_control/faults").json() == {"faults": []}


def test_paypal_meets_the_same_faults(sandbox: RunningSandbox) -> None:
    login = (sandbox.environment["PAYPAL_CLIENT_ID"], sandbox.environment["PAYPAL_CLIENT_SECRET"])

    def token() -> httpx.Response:
        return sandbox.http.post(
            "/paypal/v1/oauth2/token", data={"grant_type": "client_credentials"}, auth=login
        )

    for kind in ("slow", "garbage", "http_429"):
        sandbox.control("faults", provider="paypal", operation="token", fault=kind, seconds=0.1)
    started = time.monotonic()
    assert token().status_code == 200
    assert time.monotonic() - started >= 0.1
    assert "<html>" in token().text
    limited = token()
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")


def test_a_fault_never_meets_the_other_provider(sandbox: RunningSandbox, api: StripeApi) -> None:
    sandbox.control("faults", provider="paypal", operation="*", fault="http_500")
    assert create(api).status_code == 200


@pytest.mark.parametrize(
    "change",
    [{"fault": "fire"}, {"times": 0}, {"times": "1"}, {"times": True}, {"seconds": -1},
     {"operation": None}, {"seconds": "x"}],
)  # fmt: skip
def test_a_senseless_fault_is_refused(sandbox: RunningSandbox, change: dict[str, object]) -> None:
    body = {"provider": "stripe", "operation": "refund", "fault": "reset"} | change
    assert sandbox.control("faults", 400, **body)["error"]
    assert sandbox.look("faults")["faults"] == []
