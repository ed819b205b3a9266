"""The verbs: what is asked of Stripe, and what is made of the answers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.errors import InvalidAmount, OutcomeUnknown, Rejected, Unavailable
from gateway.facts import Canceled, Captured, Expired, RefundUpdated
from gateway.money import Money
from gateway.provider import Cancels, Captures, FindsRefunds, PaymentProvider
from providers.stripe.adapter import StripeAdapter
from providers.stripe.money import to_units
from providers.stripe.parameters import session_params
from tests.stripe.fake import FakeStripe
from tests.stripe.payloads import (
    NOW,
    balance,
    charge,
    dispute,
    intent,
    open_session,
    session,
)
from tests.stripe.payloads import refund as refund_object
from tests.stripe.requests import PAYMENT, REFUND, REQUEST, in_currency, payment, refund

HELD = payment(authorization_id="pi_1", capture="manual")
IDEMPOTENCY = {"type": "idempotency_error", "message": "Keys for idempotent requests…"}
NOT_OPEN = {"type": "invalid_request_error", "message": "Only open sessions can be expired."}
MOVED_ON = {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}


def page(*entries: Any, has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(entries), "has_more": has_more, "url": "/v1/x"}


async def test_its_powers(adapter: StripeAdapter) -> None:
    checked: PaymentProvider = adapter
    assert isinstance(checked, Cancels)
    assert isinstance(checked, Captures)
    assert isinstance(checked, FindsRefunds)


# --- create_order ---------------------------------------------------------------------------------


async def test_create_order(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.will(open_session())
    checkout = await adapter.create_order(REQUEST, key="key-1")
    assert checkout.provider_order_id == "cs_test_1"
    assert checkout.url == "https://checkout.example/c/cs_test_1"
    assert checkout.expires_at == datetime.fromtimestamp(NOW + 1860, UTC)
    [call] = fake.calls
    assert call.path == "/v1/checkout/sessions"
    assert call.params == {
        "mode": "payment",
        "line_items[0][quantity]": "2",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "2450",
        "line_items[0][price_data][product_data][name]": "Mug",
        "line_items[1][quantity]": "1",
        "line_items[1][price_data][currency]": "usd",
        "line_items[1][price_data][unit_amount]": "500",
        "line_items[1][price_data][product_data][name]": "Engraving & wrapping",
        "client_reference_id": "pay_1",
        "metadata[order_id]": "ord_1",
        "metadata[payment_id]": "pay_1",
        "payment_intent_data[capture_method]": "automatic",
        "payment_intent_data[metadata][order_id]": "ord_1",
        "payment_intent_data[metadata][payment_id]": "pay_1",
        "success_url": "https://pay.example/checkout/ord_1/return?s={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://pay.example/checkout/ord_1/cancel",
        "expires_at": str(NOW + 3600),
        "adaptive_pricing[enabled]": "false",
        "customer_email": "buyer@example.com",
    }


def test_the_same_request_gives_the_same_parameters() -> None:
    assert session_params(REQUEST) == session_params(REQUEST)


@pytest.mark.parametrize(
    ("currency", "amount", "units"),
    [
        ("JPY", 500, 500),
        ("MGA", 5400, 54),
        ("ISK", 54, 5400),
        ("UGX", 54, 5400),
        ("HUF", 5400, 5400),
        ("KWD", 1250, 1250),
    ],
)
def test_amounts_in_stripes_units(currency: str, amount: int, units: int) -> None:
    [item] = session_params(in_currency(currency, amount))["line_items"]
    assert item["price_data"]["unit_amount"] == units


@pytest.mark.parametrize(("currency", "amount"), [("KWD", 1255), ("MGA", 5450), ("XXX", 1)])
async def test_an_amount_that_stripe_cannot_express(
    adapter: StripeAdapter, fake: FakeStripe, currency: str, amount: int
) -> None:
    with pytest.raises(InvalidAmount):
        to_units(amount, currency)
    with pytest.raises(Rejected, match=currency) as raised:
        await adapter.create_order(in_currency(currency, amount), key="key-1")
    assert raised.value.provider_code == "invalid_amount"
    with pytest.raises(Rejected):
        await adapter.refund(refund(money=Money(amount, currency)), key="key-1")
    with pytest.raises(Rejected):
        await adapter.capture(HELD, Money(amount, currency), key="key-1")
    assert fake.calls == []


async def test_a_session_without_an_address_is_no_answer(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.will(open_session() | {"url": None})
    with pytest.raises(OutcomeUnknown):
        await adapter.create_order(REQUEST, key="key-1")


async def test_a_creation_that_failed_for_good_is_looked_up(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    strangers = [open_session(id=f"cs_{n}") | {"client_reference_id": f"pay_{n}"} for n in (7, 8)]
    fake.will(page(*strangers, has_more=True))
    fake.will(page(open_session()))
    checkout = await adapter.create_order(REQUEST, key="key-1")
    assert checkout.provider_order_id == "cs_test_1"
    _, first, second = fake.calls
    assert first.params == {"limit": "100", "created[gte]": str(NOW + 3600 - 25 * 3600)}
    assert second.params == first.params | {"starting_after": "cs_8"}


async def test_a_creation_that_failed_and_left_nothing(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    fake.will(page())
    with pytest.raises(Rejected, match="nothing was done") as raised:
        await adapter.create_order(REQUEST, key="key-1")
    assert raised.value.provider_code == "api_error"


async def test_a_creation_that_cannot_be_looked_up_stays_unknown(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    fake.refuse(503, {"type": "api_error"})
    with pytest.raises(OutcomeUnknown):
        await adapter.create_order(REQUEST, key="key-1")


# --- confirm --------------------------------------------------------------------------------------


async def test_confirm_reads_everything_at_once(adapter: StripeAdapter, fake: FakeStripe) -> None:
    paid = charge(balance_transaction=balance(), refunds=page())
    fake.will(session(payment_intent=intent(latest_charge=paid)))
    facts = await adapter.confirm(PAYMENT, key="key-1")
    assert [fact.kind for fact in facts] == [
        "provider_ids",
        "provider_ids",
        "captured",
        "provider_ids",
        "paid_with",
        "fee",
    ]
    assert fake.calls[0].params == {
        "expand[0]": "payment_intent.latest_charge.balance_transaction",
        "expand[1]": "payment_intent.latest_charge.refunds",
    }


async def test_confirm_reads_refunds_and_disputes_where_there_are_some(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    refunded = charge(refunds=page(refund_object(status="failed")), disputed=True)
    fake.will(session(payment_intent=intent(latest_charge=refunded)))
    fake.will(page(refund_object(balance_transaction=balance("txn_2", fee=0, net=-400))))
    fake.will(page(dispute()))
    facts = await adapter.confirm(PAYMENT, key="key-1")
    assert [fact.key for fact in facts[-4:]] == [
        "refund_updated:re_1:succeeded:ref_1",
        "fee:re_1:0:-400:USD:txn_2",
        "dispute_updated:dp_1:needs_response",
        "fee:dp_1:1500:-6900:USD:txn_3",
    ]
    assert [call.path for call in fake.calls[1:]] == ["/v1/refunds", "/v1/disputes"]


# --- refund ---------------------------------------------------------------------------------------


async def test_refund(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.will(refund_object(balance_transaction=balance("txn_2", fee=0, net=-400)))
    facts = await adapter.refund(REFUND, key="key-1")
    assert [fact.key for fact in facts] == [
        "refund_updated:re_1:succeeded:ref_1",
        "fee:re_1:0:-400:USD:txn_2",
    ]
    [call] = fake.calls
    assert call.path == "/v1/refunds"
    assert call.params == {
        "payment_intent": "pi_1",
        "amount": "400",
        "metadata[order_id]": "ord_1",
        "metadata[payment_id]": "pay_1",
        "metadata[refund_id]": "ref_1",
        "expand[0]": "balance_transaction",
        "expand[1]": "failure_balance_transaction",
        "expand[2]": "charge",
    }


@pytest.mark.parametrize(
    ("reason", "name", "value"),
    [
        ("duplicate", "reason", "duplicate"),
        ("it broke", "metadata[reason]", "it broke"),
        ("é" * 600, "metadata[reason]", "é" * 500),
    ],
)
async def test_a_reason_that_stripe_knows_and_others(
    adapter: StripeAdapter, fake: FakeStripe, reason: str, name: str, value: str
) -> None:
    fake.will(refund_object())
    await adapter.refund(refund(reason=reason, capture_id="py_1"), key="key-1")
    params = fake.calls[0].params
    assert params[name] == value
    assert params["charge"] == "py_1"
    assert len([param for param in params if "reason" in param]) == 1


async def test_a_key_used_differently_is_looked_up_before_it_is_refused(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    """Otherwise a refund that was made would be called refused, and be made again."""
    other = refund_object(id="re_9", metadata={"refund_id": "ref_9"})
    fake.refuse(400, IDEMPOTENCY)
    fake.will(page(other, refund_object()))
    facts = await adapter.refund(REFUND, key="key-1")
    assert [fact.key for fact in facts] == ["refund_updated:re_1:succeeded:ref_1"]

    fake.refuse(400, IDEMPOTENCY)
    fake.will(page(other))
    with pytest.raises(Rejected, match="bug") as raised:
        await adapter.refund(REFUND, key="key-1")
    assert raised.value.provider_code == "idempotency_error"


async def test_a_refund_that_failed_for_good_stays_unknown_unless_it_is_found(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    fake.will(page(refund_object()))
    assert await adapter.refund(REFUND, key="key-1")
    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    fake.will(page())
    with pytest.raises(OutcomeUnknown):
        await adapter.refund(REFUND, key="key-1")


async def test_find_refunds(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.will(page(refund_object(id="re_2"), has_more=True))
    fake.will(page(refund_object(id="re_1")))
    facts = await adapter.find_refunds(payment(capture_id="pi_1"))
    refunds = [fact.provider_refund_id for fact in facts if isinstance(fact, RefundUpdated)]
    assert refunds == ["re_2", "re_1"]
    assert [call.params.get("starting_after") for call in fake.calls] == [None, "re_2"]
    assert fake.calls[0].params["payment_intent"] == "pi_1"


async def test_find_refunds_of_a_payment_whose_intent_is_not_known_yet(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.will(session(payment_intent=intent()))
    fake.will(page(refund_object()))
    assert len(await adapter.find_refunds(PAYMENT)) == 1
    fake.will(open_session())
    assert await adapter.find_refunds(PAYMENT) == []


async def test_a_list_without_an_end_is_given_up(adapter: StripeAdapter, fake: FakeStripe) -> None:
    for _ in range(20):
        fake.will(page(refund_object(), has_more=True))
    with pytest.raises(Unavailable, match="2000"):
        await adapter.find_refunds(payment(capture_id="pi_1"))


# --- cancel ---------------------------------------------------------------------------------------


async def test_cancel_expires_an_open_session(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.will(session(status="expired", payment_status="unpaid", payment_intent=None))
    facts = await adapter.cancel(PAYMENT, key="key-1")
    assert [fact.key for fact in facts if isinstance(fact, Canceled)] == ["canceled:cs_test_1"]
    assert not [fact for fact in facts if isinstance(fact, Expired)]
    assert fake.calls[0].path == "/v1/checkout/sessions/cs_test_1/expire"


async def test_cancel_never_hides_that_it_was_paid(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(400, NOT_OPEN)
    fake.will(session(payment_intent=intent()))
    facts = await adapter.cancel(PAYMENT, key="key-1")
    assert [type(fact) for fact in facts if isinstance(fact, Canceled | Captured)] == [Captured]


async def test_cancel_of_what_ran_out_by_itself(adapter: StripeAdapter, fake: FakeStripe) -> None:
    fake.refuse(400, NOT_OPEN)
    fake.will(session(status="expired", payment_intent=None))
    facts = await adapter.cancel(PAYMENT, key="key-1")
    assert [fact.key for fact in facts if isinstance(fact, Expired)] == ["expired:cs_test_1"]


async def test_cancel_that_is_refused_while_the_session_stays_open(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(400, NOT_OPEN)
    fake.will(open_session())
    with pytest.raises(Rejected):
        await adapter.cancel(PAYMENT, key="key-1")


async def test_a_cancel_that_failed_for_good_is_read(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    fake.will(open_session())
    with pytest.raises(Rejected, match="nothing was done"):
        await adapter.cancel(PAYMENT, key="key-1")


async def test_cancel_lets_go_of_money_that_is_only_held(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(400, NOT_OPEN)
    held = intent(status="requires_capture", amount_capturable=5400)
    fake.will(session(payment_status="unpaid", payment_intent=held))
    fake.will(intent(status="canceled", cancellation_reason="requested_by_customer"))
    facts = await adapter.cancel(PAYMENT, key="key-1")
    assert [fact.key for fact in facts if isinstance(fact, Canceled)] == ["canceled:pi_1"]
    assert fake.calls[2].path == "/v1/payment_intents/pi_1/cancel"
    assert fake.calls[2].params["cancellation_reason"] == "requested_by_customer"
    assert fake.calls[2].headers["idempotency-key"] != fake.calls[0].headers["idempotency-key"]


async def test_cancel_of_an_authorization_that_was_captured_meanwhile(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(400, MOVED_ON)
    fake.will(session(payment_intent=intent()))
    facts = await adapter.cancel(HELD, key="key-1")
    assert [fact.key for fact in facts if isinstance(fact, Captured)] == ["captured:pi_1:5400:USD"]


# --- capture --------------------------------------------------------------------------------------


async def test_capture_of_a_part(adapter: StripeAdapter, fake: FakeStripe) -> None:
    paid = charge(amount_captured=4000, balance_transaction=balance(fee=146, net=3854))
    fake.will(intent(amount_received=4000, latest_charge=paid))
    facts = await adapter.capture(HELD, Money(4000, "USD"), key="key-1")
    assert {"captured:pi_1:4000:USD", "fee:pi_1:146:3854:USD:txn_1"} <= {fact.key for fact in facts}
    [call] = fake.calls
    assert call.path == "/v1/payment_intents/pi_1/capture"
    assert call.params == {
        "amount_to_capture": "4000",
        "expand[0]": "latest_charge.balance_transaction",
    }


async def test_capture_of_what_is_captured_already_tells_the_truth(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(400, MOVED_ON)
    fake.will(session(payment_intent=intent(amount_received=3000)))
    facts = await adapter.capture(HELD, Money(4000, "USD"), key="key-1")
    assert [fact.key for fact in facts if isinstance(fact, Captured)] == ["captured:pi_1:3000:USD"]


@pytest.mark.parametrize(
    ("error", "truth"),
    [
        (MOVED_ON, [session(payment_intent=intent(status="canceled"))]),
        ({"type": "invalid_request_error", "code": "amount_too_large"}, []),
    ],
)
async def test_a_capture_that_is_refused(
    adapter: StripeAdapter, fake: FakeStripe, error: dict[str, Any], truth: list[Any]
) -> None:
    fake.refuse(400, error)
    for answer in truth:
        fake.will(answer)
    with pytest.raises(Rejected) as raised:
        await adapter.capture(HELD, Money(9000, "USD"), key="key-1")
    assert raised.value.provider_code == error["code"]
    assert fake.answers == []


async def test_a_capture_that_failed_for_good_is_read(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    fake.will(session(payment_intent=intent()))
    facts = await adapter.capture(HELD, HELD.money, key="key-1")
    assert [fact.key for fact in facts if isinstance(fact, Captured)] == ["captured:pi_1:5400:USD"]

    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    fake.will(session(payment_intent=intent(status="requires_capture", amount_capturable=5400)))
    with pytest.raises(Rejected, match="nothing was done"):
        await adapter.capture(HELD, HELD.money, key="key-1")


async def test_a_capture_whose_truth_cannot_be_read_may_be_tried_again(
    adapter: StripeAdapter, fake: FakeStripe
) -> None:
    fake.refuse(500, {"type": "api_error"}, idempotent_replayed="true")
    fake.refuse(500, {"type": "api_error"})
    with pytest.raises(Unavailable):
        await adapter.capture(HELD, HELD.money, key="key-1")


async def test_capture_before_the_buyer_agreed(adapter: StripeAdapter, fake: FakeStripe) -> None:
    with pytest.raises(Rejected, match="authorized"):
        await adapter.capture(PAYMENT, PAYMENT.money, key="key-1")
    assert fake.calls == []
