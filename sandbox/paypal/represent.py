"""The JSON of PayPal's resources, from the model. Pure: nothing here changes anything.

`base` is the sandbox's own address, without a slash at the end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sandbox.paypal.model import Authorization, Capture, Dispute, Order, Refund, Unit
from sandbox.paypal.money import CONVERTED, Money, exchanged, rate_json

Json = dict[str, Any]
MERCHANT = {"email_address": "sb-merchant@business.example.com", "merchant_id": "SANDBXMERCH22"}
BUYER = {
    "name": {"given_name": "Robin", "surname": "Sandbox"},
    "email_address": "sb-buyer@personal.example.com",
    "payer_id": "SANDBXBUYER22",
    "address": {"country_code": "US"},
}
PROTECTION = {
    "status": "ELIGIBLE",
    "dispute_categories": ["ITEM_NOT_RECEIVED", "UNAUTHORIZED_TRANSACTION"],
}


def seconds(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def link(href: str, rel: str, method: str) -> dict[str, str]:
    """One HATEOAS link."""
    return {"href": href, "rel": rel, "method": method}


def pay_page(base: str, order: Order) -> str:
    """The address at which the buyer approves."""
    return f"{base}/pay/paypal/{order.id}"


def present(**fields: Any) -> Json:
    """The fields that have a value; PayPal leaves the others out."""
    return {name: value for name, value in fields.items() if value is not None}


def order_json(base: str, order: Order, full: bool = True) -> Json:
    """An order; not `full` is what `Prefer: return=minimal` gives: no amounts and no captures."""
    minimal = present(
        id=order.id,
        status=order.status,
        payment_source=_payment_source(order),
        links=_order_links(base, order),
    )
    if not full:
        return minimal
    return minimal | present(
        intent=order.intent,
        purchase_units=[_unit(base, order, unit) for unit in order.units],
        payer=order.payer,
        create_time=seconds(order.created),
        update_time=seconds(order.updated),
    )


def _payment_source(order: Order) -> Json | None:
    if order.payer is None:
        return {"paypal": {}} if order.wallet else None
    payer = order.payer
    return {
        "paypal": {
            "email_address": payer["email_address"],
            "account_id": payer["payer_id"],
            "account_status": "VERIFIED",
            "name": payer["name"],
            "address": payer["address"],
        }
    }


def _order_links(base: str, order: Order) -> list[Json]:
    itself = f"{base}/paypal/v2/checkout/orders/{order.id}"
    links = [link(itself, "self", "GET")]
    action = order.intent.lower()
    if order.status in ("CREATED", "PAYER_ACTION_REQUIRED"):
        links.append(
            link(pay_page(base, order), "payer-action" if order.wallet else "approve", "GET")
        )
    if order.status in ("CREATED", "APPROVED"):
        links.append(link(itself, "update", "PATCH"))
        links.append(link(f"{itself}/{action}", action, "POST"))
    return links


def _unit(base: str, order: Order, unit: Unit) -> Json:
    amount: Json = dict(Money(unit.amount, unit.currency).json())
    if unit.breakdown is not None:
        amount["breakdown"] = unit.breakdown
    refunds = [refund for capture in unit.captures for refund in capture.refunds]
    payments = present(
        authorizations=[authorization_json(base, a, nested=True) for a in unit.authorizations]
        or None,
        captures=[capture_json(base, c, nested=True) for c in unit.captures] or None,
        refunds=[refund_json(base, r) for r in refunds] or None,
    )
    return present(
        reference_id=unit.reference_id,
        amount=amount,
        payee=MERCHANT,
        **unit.details,
        payments=payments or None,
    )


def capture_json(base: str, capture: Capture, *, full: bool = True, nested: bool = False) -> Json:
    """A capture; `nested` is how it stands inside an order."""
    itself = f"{base}/paypal/v2/payments/captures/{capture.id}"
    held = capture.authorization
    parent = (
        f"{base}/paypal/v2/payments/authorizations/{held.id}"
        if held
        else f"{base}/paypal/v2/checkout/orders/{capture.order.id}"
    )
    links = [link(itself, "self", "GET"), link(f"{itself}/refund", "refund", "POST")]
    minimal: Json = {
        "id": capture.id,
        "status": capture.status,
        "links": [*links, link(parent, "up", "GET")],
    }
    if not full:
        return minimal
    body = minimal | present(
        status_details={"reason": capture.reason} if capture.reason else None,
        amount=capture.money(capture.amount).json(),
        final_capture=capture.final,
        disbursement_mode="INSTANT",
        seller_protection=PROTECTION,
        seller_receivable_breakdown=_receivable(capture) if capture.settled else None,
        invoice_id=capture.invoice_id,
        custom_id=capture.custom_id,
        create_time=seconds(capture.created),
        update_time=seconds(capture.updated),
    )
    return body if nested else body | _relations(capture.order, held)


def _receivable(capture: Capture) -> Json:
    net = capture.money(capture.amount - capture.fee)
    told: Json = {
        "gross_amount": capture.money(capture.amount).json(),
        "paypal_fee": capture.money(capture.fee).json(),
        "net_amount": net.json(),
    }
    if capture.currency not in CONVERTED:
        return told
    rate = rate_json(capture.currency)
    return told | {"receivable_amount": exchanged(net).json(), "exchange_rate": rate}


def _payable(refund: Refund) -> Json:
    capture, returned = refund.capture, refund.fee_returned
    net = capture.money(refund.amount - returned)
    told: Json = {
        "gross_amount": capture.money(refund.amount).json(),
        "paypal_fee": capture.money(returned).json(),
        "net_amount": net.json(),
        "total_refunded_amount": capture.money(refund.total_so_far).json(),
    }
    if capture.currency not in CONVERTED:
        return told
    converted = {
        "payable_amount": net.json(),
        "converted_amount": exchanged(net).json(),
        "exchange_rate": rate_json(capture.currency),
    }
    return told | {"net_amount_breakdown": [converted]}


def _relations(order: Order, held: Authorization | None) -> Json:
    ids = present(order_id=order.id, authorization_id=held.id if held else None)
    return {"supplementary_data": {"related_ids": ids}, "payee": MERCHANT}


def authorization_json(base: str, authorization: Authorization, *, nested: bool = False) -> Json:
    """An authorization; `nested` is how it stands inside an order."""
    itself = f"{base}/paypal/v2/payments/authorizations/{authorization.id}"
    body: Json = {
        "id": authorization.id,
        "status": authorization.status,
        "links": [
            link(itself, "self", "GET"),
            link(f"{itself}/capture", "capture", "POST"),
            link(f"{itself}/void", "void", "POST"),
            link(f"{base}/paypal/v2/checkout/orders/{authorization.order.id}", "up", "GET"),
        ],
    }
    body |= present(
        amount=Money(authorization.amount, authorization.currency).json(),
        invoice_id=authorization.unit.invoice_id,
        custom_id=authorization.unit.custom_id,
        seller_protection=PROTECTION,
        expiration_time=seconds(authorization.expires),
        create_time=seconds(authorization.created),
        update_time=seconds(authorization.updated),
    )
    return body if nested else body | _relations(authorization.order, None)


def refund_json(base: str, refund: Refund, *, full: bool = True) -> Json:
    """A refund, or a reversal, which looks the same; its capture is behind the `up` link."""
    capture = refund.capture
    minimal: Json = {
        "id": refund.id,
        "status": refund.status,
        "links": [
            link(f"{base}/paypal/v2/payments/refunds/{refund.id}", "self", "GET"),
            link(f"{base}/paypal/v2/payments/captures/{capture.id}", "up", "GET"),
        ],
    }
    if not full:
        return minimal
    return minimal | present(
        status_details={"reason": "ECHECK"} if refund.status == "PENDING" else None,
        amount=capture.money(refund.amount).json(),
        invoice_id=refund.invoice_id,
        custom_id=refund.custom_id,
        note_to_payer=refund.note,
        seller_payable_breakdown=_payable(refund),
        create_time=seconds(refund.created),
        update_time=seconds(refund.updated),
    )


def dispute_json(base: str, dispute: Dispute) -> Json:
    """A dispute; its capture is the `seller_transaction_id`."""
    capture = dispute.capture
    outcome: Json | None = None
    if dispute.outcome is not None:
        lost = dispute.outcome == "RESOLVED_BUYER_FAVOUR"
        refunded = capture.money(dispute.amount if lost else 0).json()
        outcome = {"outcome_code": dispute.outcome, "amount_refunded": refunded}
    return present(
        dispute_id=dispute.id,
        create_time=seconds(dispute.created),
        update_time=seconds(dispute.updated),
        disputed_transactions=[
            present(
                seller_transaction_id=capture.id,
                create_time=seconds(capture.created),
                transaction_status="COMPLETED",
                gross_amount=capture.money(capture.amount).json(),
                invoice_number=capture.invoice_id,
                custom=capture.custom_id,
                seller={"merchant_id": MERCHANT["merchant_id"], "name": "Sandbox Store"},
            )
        ],
        reason=dispute.reason,
        status="OPEN" if dispute.outcome is None else "RESOLVED",
        dispute_amount=capture.money(dispute.amount).json(),
        dispute_outcome=outcome,
        dispute_life_cycle_stage="INQUIRY",
        dispute_channel="INTERNAL",
        links=[link(f"{base}/paypal/v1/customer/disputes/{dispute.id}", "self", "GET")],
    )
