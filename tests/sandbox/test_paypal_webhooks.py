"""Webhooks of the sandbox's PayPal: which come when, and that a stranger can verify them."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tests.sandbox.conftest import Receiver, RunningSandbox
from tests.sandbox.paypal_client import PayPal, rel

LEAF_NAME = "messageverificationcerts.sandbox.paypal.com"


@pytest.fixture
def paypal(sandbox: RunningSandbox, receiver: Receiver) -> PayPal:
    sandbox.control("webhooks", provider="paypal", url=receiver.url)
    return PayPal(sandbox)


def types(paypal: PayPal, receiver: Receiver) -> list[str]:
    """The types of what has come, sorted, and forgotten again."""
    paypal.sandbox.settled()
    came = sorted(event["event_type"] for event in receiver.events())
    receiver.received.clear()
    return came


def event(paypal: PayPal, receiver: Receiver, event_type: str) -> dict[str, Any]:
    paypal.sandbox.settled()
    return next(e for e in receiver.events() if e["event_type"] == event_type)


def verify(
    environment: dict[str, str], headers: dict[str, str], body: bytes, certificate: bytes
) -> None:
    """As a merchant would, with nothing of the sandbox's code. Raises if it is not genuine."""
    leaf = x509.load_pem_x509_certificate(certificate)
    root, middle = x509.load_pem_x509_certificates(Path(environment["PAYPAL_CA_FILE"]).read_bytes())
    verifier = PolicyBuilder().store(Store([root])).build_server_verifier(x509.DNSName(LEAF_NAME))
    verifier.verify(leaf, [middle])
    message = "|".join(
        (
            headers["paypal-transmission-id"],
            headers["paypal-transmission-time"],
            environment["PAYPAL_WEBHOOK_ID"],
            str(zlib.crc32(body)),
        )
    )
    key = leaf.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    signature = base64.b64decode(headers["paypal-transmission-sig"])
    key.verify(signature, message.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_a_stranger_can_verify_a_webhook(paypal: PayPal, receiver: Receiver) -> None:
    paypal.approved()
    paypal.sandbox.settled()
    [(headers, body)] = receiver.received
    environment = paypal.sandbox.environment
    url = headers["paypal-cert-url"]
    assert url.startswith(f"{environment['PAYPAL_CERT_HOSTS']}/v1/notifications/certs/CERT-")
    assert headers["paypal-auth-algo"] == "SHA256withRSA"
    assert headers["content-type"] == "application/json"
    sent = datetime.fromisoformat(headers["paypal-transmission-time"])
    assert abs(datetime.now(UTC) - sent) < timedelta(minutes=1)
    certificate = paypal.http.get(url).content
    assert certificate.count(b"BEGIN CERTIFICATE") == 1
    verify(environment, headers, body, certificate)
    with pytest.raises(InvalidSignature):
        verify(environment, headers, body + b" ", certificate)
    with pytest.raises(InvalidSignature):
        verify(environment | {"PAYPAL_WEBHOOK_ID": "OTHER"}, headers, body, certificate)
    assert paypal.http.get(f"{url}x").status_code == 404


def test_the_leaf_alone_is_not_trusted(paypal: PayPal, receiver: Receiver) -> None:
    paypal.approved()
    paypal.sandbox.settled()
    headers, _ = receiver.received[0]
    leaf = x509.load_pem_x509_certificate(paypal.http.get(headers["paypal-cert-url"]).content)
    chain = Path(paypal.sandbox.environment["PAYPAL_CA_FILE"]).read_bytes()
    root = x509.load_pem_x509_certificates(chain)[0]
    verifier = PolicyBuilder().store(Store([root])).build_server_verifier(x509.DNSName(LEAF_NAME))
    with pytest.raises(VerificationError):
        verifier.verify(leaf, [])


def test_keys_and_webhook_id_survive_a_reset(paypal: PayPal) -> None:
    paypal.sandbox.control("reset")
    now = paypal.sandbox.look("environment")
    assert {k: v for k, v in now.items() if k.startswith("PAYPAL_")} == {
        k: v for k, v in paypal.sandbox.environment.items() if k.startswith("PAYPAL_")
    }
    assert paypal.get("/v1/notifications/webhooks").status_code == 200


def postback(paypal: PayPal, headers: dict[str, str], body: bytes, **other: Any) -> httpx.Response:
    asked = {
        "auth_algo": headers["paypal-auth-algo"],
        "cert_url": headers["paypal-cert-url"],
        "transmission_id": headers["paypal-transmission-id"],
        "transmission_sig": headers["paypal-transmission-sig"],
        "transmission_time": headers["paypal-transmission-time"],
        "webhook_id": paypal.sandbox.environment["PAYPAL_WEBHOOK_ID"],
    } | other
    spliced = json.dumps(asked).encode()[:-1] + b', "webhook_event": ' + body + b" }"
    return paypal.post("/v1/notifications/verify-webhook-signature", spliced)


def test_the_postback_verifies_the_bytes_as_they_were_sent(
    paypal: PayPal, receiver: Receiver
) -> None:
    paypal.approved()
    paypal.sandbox.settled()
    [(headers, body)] = receiver.received

    def status(sent: bytes, **other: Any) -> str:
        answer: str = postback(paypal, headers, sent, **other).json()["verification_status"]
        return answer

    assert status(body) == "SUCCESS"
    assert status(json.dumps(json.loads(body)).encode()) == "FAILURE"
    assert status(body.replace(b"APPROVED", b"DENIED")) == "FAILURE"
    assert status(body, webhook_id="OTHER") == "FAILURE"
    assert status(body, cert_url="https://elsewhere.example/CERT-1") == "FAILURE"
    assert status(body, auth_algo="SHA1withRSA") == "FAILURE"
    assert status(body, transmission_sig="AAAA") == "FAILURE"
    assert status(body, transmission_sig="%") == "FAILURE"
    assert status(body, transmission_id="other") == "FAILURE"


def test_the_postback_refuses_what_it_cannot_read(paypal: PayPal) -> None:
    path = "/v1/notifications/verify-webhook-signature"
    missing = paypal.post(path, {})
    assert missing.json()["details"][0]["issue"] == "MISSING_REQUIRED_PARAMETER"
    assert missing.json()["details"][0]["field"] == "/auth_algo"
    wrong = paypal.post(path, {"auth_algo": 1})
    assert wrong.json()["details"][0]["issue"] == "INVALID_PARAMETER_SYNTAX"
    broken = paypal.post(path, b"{")
    assert broken.json()["details"][0]["issue"] == "MALFORMED_REQUEST_JSON"


def test_events_of_a_payment_and_its_refund(paypal: PayPal, receiver: Receiver) -> None:
    capture = paypal.captured("20.00", custom_id="pay_1", invoice_id="D-1")
    approved = event(paypal, receiver, "CHECKOUT.ORDER.APPROVED")
    assert approved["resource_type"] == "checkout-order"
    assert approved["resource"]["status"] == "APPROVED"
    done = event(paypal, receiver, "PAYMENT.CAPTURE.COMPLETED")
    assert (done["resource_type"], done["resource"]["id"]) == ("capture", capture["id"])
    assert done["resource"]["custom_id"] == "pay_1"
    assert done["resource"]["supplementary_data"]["related_ids"]["order_id"]
    assert types(paypal, receiver) == [
        "CHECKOUT.ORDER.APPROVED",
        "CHECKOUT.ORDER.COMPLETED",
        "PAYMENT.CAPTURE.COMPLETED",
    ]
    refund = paypal.refund(capture["id"], "5.00").json()
    refunded = event(paypal, receiver, "PAYMENT.CAPTURE.REFUNDED")
    assert (refunded["resource_type"], refunded["resource"]["id"]) == ("refund", refund["id"])
    assert rel(refunded["resource"], "up") == rel(capture, "self")
    assert types(paypal, receiver) == ["PAYMENT.CAPTURE.REFUNDED"]


def test_events_of_a_pending_capture(paypal: PayPal, receiver: Receiver) -> None:
    for end, told in (("settle", "COMPLETED"), ("fail_async", "DENIED")):
        capture = paypal.captured("20.13")
        assert "PAYMENT.CAPTURE.PENDING" in types(paypal, receiver)
        paypal.buyer(capture["id"], end)
        ended = event(paypal, receiver, f"PAYMENT.CAPTURE.{told}")
        status = "COMPLETED" if end == "settle" else "DECLINED"
        assert (ended["resource_type"], ended["resource"]["status"]) == ("capture", status)
        assert types(paypal, receiver) == [f"PAYMENT.CAPTURE.{told}"]


def test_event_of_a_declined_capture(paypal: PayPal, receiver: Receiver) -> None:
    paypal.captured("20.21")
    assert event(paypal, receiver, "PAYMENT.CAPTURE.DECLINED")["resource"]["status"] == "DECLINED"


def test_events_of_a_pending_refund(paypal: PayPal, receiver: Receiver) -> None:
    capture = paypal.captured("50.00")
    for end, told in (
        ("settle", "PAYMENT.CAPTURE.REFUNDED"),
        ("fail_async", "PAYMENT.REFUND.FAILED"),
    ):
        receiver.received.clear()
        paypal.sandbox.settled()
        receiver.received.clear()
        refund = paypal.refund(capture["id"], "1.19").json()
        pending = event(paypal, receiver, "PAYMENT.REFUND.PENDING")
        assert (pending["resource_type"], pending["resource"]["id"]) == ("refund", refund["id"])
        receiver.received.clear()
        paypal.buyer(refund["id"], end)
        assert event(paypal, receiver, told)["resource"]["id"] == refund["id"]


def test_events_of_a_hold(paypal: PayPal, receiver: Receiver) -> None:
    held = paypal.authorized()
    created = event(paypal, receiver, "PAYMENT.AUTHORIZATION.CREATED")
    assert (created["resource_type"], created["resource"]["id"]) == ("authorization", held["id"])
    assert types(paypal, receiver) == ["CHECKOUT.ORDER.APPROVED", "PAYMENT.AUTHORIZATION.CREATED"]
    paypal.post(f"/v2/payments/authorizations/{held['id']}/void")
    voided = event(paypal, receiver, "PAYMENT.AUTHORIZATION.VOIDED")
    assert voided["resource"]["status"] == "VOIDED"


def test_a_hold_that_runs_out_is_announced(paypal: PayPal, receiver: Receiver) -> None:
    paypal.authorized()
    paypal.advance(days=30)
    assert "PAYMENT.AUTHORIZATION.VOIDED" in types(paypal, receiver)


def test_an_approval_that_runs_out_is_announced_once(paypal: PayPal, receiver: Receiver) -> None:
    abandoned, approved = paypal.create()["id"], paypal.approved()
    receiver.received.clear()
    paypal.advance(hours=7)
    reversed_ = event(paypal, receiver, "CHECKOUT.PAYMENT-APPROVAL.REVERSED")
    assert reversed_["resource"]["id"] == approved != abandoned
    assert types(paypal, receiver).count("CHECKOUT.PAYMENT-APPROVAL.REVERSED") == 1
    paypal.advance(hours=7)
    assert types(paypal, receiver) == []


def test_events_of_disputes(paypal: PayPal, receiver: Receiver) -> None:
    capture = paypal.captured("40.00")
    control = paypal.sandbox.control
    opened = control("dispute", provider="paypal", id=capture["id"])
    told = event(paypal, receiver, "CUSTOMER.DISPUTE.CREATED")
    assert told["resource_type"] == "dispute"
    assert told["resource"]["dispute_id"] == opened["dispute_id"]
    transaction = told["resource"]["disputed_transactions"][0]
    assert transaction["seller_transaction_id"] == capture["id"]
    types(paypal, receiver)
    control("dispute", provider="paypal", id=capture["id"], status="lost")
    reversal = event(paypal, receiver, "PAYMENT.CAPTURE.REVERSED")
    assert reversal["resource_type"] == "refund"
    assert rel(reversal["resource"], "up") == rel(capture, "self")
    resolved = event(paypal, receiver, "CUSTOMER.DISPUTE.RESOLVED")
    outcome = resolved["resource"]["dispute_outcome"]
    assert outcome["outcome_code"] == "RESOLVED_BUYER_FAVOUR"


def test_forged_webhooks_do_not_verify(paypal: PayPal, receiver: Receiver) -> None:
    paypal.sandbox.control("webhooks", mode="forge")
    paypal.approved()
    paypal.sandbox.settled()
    [(headers, body)] = receiver.received
    certificate = paypal.http.get(headers["paypal-cert-url"]).content
    with pytest.raises(InvalidSignature):
        verify(paypal.sandbox.environment, headers, body, certificate)
    assert postback(paypal, headers, body).json() == {"verification_status": "FAILURE"}


def test_lost_events_can_be_listed_and_sent_again(paypal: PayPal, receiver: Receiver) -> None:
    paypal.sandbox.control("webhooks", mode="drop")
    capture = paypal.captured()
    assert types(paypal, receiver) == []
    path = "/v1/notifications/webhooks-events"
    listed = paypal.get(path).json()
    assert listed["count"] == 3
    assert listed["events"][-1]["event_type"] == "CHECKOUT.ORDER.APPROVED"
    one = paypal.get(path, event_type="PAYMENT.CAPTURE.COMPLETED").json()["events"][0]
    assert one["resource"]["id"] == capture["id"]
    assert paypal.get(path, transaction_id=capture["id"]).json()["events"] == [one]
    assert paypal.get(path, end_time="2020-01-01T00:00:00Z").json()["events"] == []
    assert paypal.get(path, start_time="2020-01-01T00:00:00Z", page_size="1").json()["count"] == 1
    assert paypal.get(path, page_size="0").status_code == 400
    assert paypal.get(path, start_time="yesterday").status_code == 400
    assert paypal.get(f"{path}/{one['id']}").json() == one
    assert paypal.get(f"{path}/WH-NONE").status_code == 404
    paypal.sandbox.control("webhooks", mode="normal")
    assert paypal.post(f"{path}/{one['id']}/resend").status_code == 202
    assert types(paypal, receiver) == ["PAYMENT.CAPTURE.COMPLETED"]


def test_the_registered_webhook_is_listed(paypal: PayPal, receiver: Receiver) -> None:
    [webhook] = paypal.get("/v1/notifications/webhooks").json()["webhooks"]
    assert webhook["id"] == paypal.sandbox.environment["PAYPAL_WEBHOOK_ID"]
    assert webhook["url"] == receiver.url


def test_only_the_latest_events_are_kept(paypal: PayPal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.paypal.account.EVENTS_KEPT", 2)
    paypal.captured()
    kept = paypal.get("/v1/notifications/webhooks-events").json()["events"]
    assert [event["event_type"] for event in kept] == [
        "PAYMENT.CAPTURE.COMPLETED",
        "CHECKOUT.ORDER.COMPLETED",
    ]
