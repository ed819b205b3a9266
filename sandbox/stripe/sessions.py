"""Checkout Sessions in payment mode: created by the merchant, paid or left by the buyer."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import charges, currencies, disputes, intents
from sandbox.stripe.account import DAY, Account, Object
from sandbox.stripe.cards import DELAYED, Method
from sandbox.stripe.errors import StripeError, missing, not_simulated, required
from sandbox.world import ControlError

SHORTEST = 30 * 60
LONGEST = DAY
NO_CUSTOMER = dict.fromkeys(
    ("address", "business_name", "individual_name", "email", "name", "phone", "tax_ids")
)


def create(account: Account, params: Object) -> Object:
    """`POST /v1/checkout/sessions`. Raises StripeError for whatever Stripe would refuse."""
    if params["mode"] != "payment":
        raise not_simulated("mode")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise not_simulated("ui_mode")
    if not params.get("line_items"):
        raise required("line_items")
    if "success_url" not in params:
        raise required("success_url")
    expires_at = _expiry(account, params.get("expires_at"))
    currency, total = _total(params)
    types = _method_types(params, currency)
    session = _add(account, params, currency, total, types, expires_at)
    account.intent_data[session["id"]] = params.get("payment_intent_data", {})
    account.line_items[session["id"]] = [_line_item(account, item) for item in params["line_items"]]
    account.agenda.add(expires_at, lambda: _time_is_up(account, session))
    return session


def _expiry(account: Account, asked: int | None) -> int:
    """When a session ends. Who does not move along with our clock asks by the real one."""
    if asked is None:
        return account.now() + LONGEST
    ahead = asked - account.now()
    real = asked - int(account.world.clock.real().timestamp())
    if not SHORTEST <= ahead <= LONGEST and SHORTEST <= real <= LONGEST:
        return account.now() + real
    if ahead < SHORTEST:
        message = (
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        )
        raise StripeError(message, param="expires_at")
    if ahead > LONGEST:
        message = (
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        )
        raise StripeError(message, param="expires_at")
    return asked


def _total(params: Object) -> tuple[str, int]:
    """The one currency of all items and their sum. Raises StripeError."""
    total = 0
    currencies_seen: list[str] = []
    for position, item in enumerate(params["line_items"]):
        path = f"line_items[{position}]"
        if "price" in item:
            raise missing("price", item["price"], f"{path}[price]", 400)
        if "price_data" not in item:
            message = "You must specify either `price` or `price_data` when creating a line item."
            raise StripeError(message, code="parameter_missing", param=path)
        if "quantity" not in item:
            raise required(f"{path}[quantity]")
        price = item["price_data"]
        unit = price["unit_amount"]
        currencies.check_precision(unit, price["currency"], f"{path}[price_data][unit_amount]")
        total += unit * item["quantity"]
        currencies_seen.append(price["currency"])
    currency = currencies_seen[0]
    if set(currencies_seen) != {currency} or params.get("currency", currency) != currency:
        raise StripeError("All line items must have the same currency.", param="line_items")
    currencies.check_total(total, currency)
    return currency, total


def _method_types(params: Object, currency: str) -> list[str]:
    """What the buyer may choose from: as asked, or cards and the currency's delayed debit."""
    delayed = DELAYED.get(currency)
    manual = params.get("payment_intent_data", {}).get("capture_method") == "manual"
    if "payment_method_types" not in params:
        return ["card", delayed] if delayed and not manual else ["card"]
    types: list[str] = params["payment_method_types"]
    for position, type in enumerate(types):
        if type != "card" and (type != delayed or manual):
            message = f"The payment method type provided: {type} is invalid for this session."
            raise StripeError(message, param=f"payment_method_types[{position}]")
    return types


def _add(
    account: Account,
    params: Object,
    currency: str,
    total: int,
    types: list[str],
    expires_at: int,
) -> Object:
    email = params.get("customer_email")
    id = account.new_id("checkout.session")
    messages = dict.fromkeys(
        ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    )
    switched_off: dict[str, Any] = {
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    }
    return account.add(
        "checkout.session",
        id=id,
        adaptive_pricing={"enabled": False},
        after_expiration=None,
        allow_promotion_codes=params.get("allow_promotion_codes"),
        amount_subtotal=total,
        amount_total=total,
        automatic_tax=switched_off,
        billing_address_collection=params.get("billing_address_collection"),
        cancel_url=params.get("cancel_url"),
        client_reference_id=params.get("client_reference_id"),
        client_secret=None,
        collected_information=None,
        consent=None,
        consent_collection=None,
        currency=currency,
        currency_conversion=None,
        custom_fields=[],
        custom_text=messages,
        customer=None,
        customer_account=None,
        customer_creation=params.get("customer_creation", "if_required"),
        customer_details=_customer(email, None) if email else None,
        customer_email=email,
        discounts=[],
        expires_at=expires_at,
        integration_identifier=params.get("integration_identifier"),
        invoice=None,
        invoice_creation=None,
        locale=params.get("locale"),
        metadata=params.get("metadata", {}),
        mode="payment",
        origin_context=params.get("origin_context"),
        payment_intent=None,
        payment_link=None,
        payment_method_collection="if_required",
        payment_method_configuration_details=None,
        payment_method_options={},
        payment_method_types=types,
        payment_status="unpaid",
        permissions=None,
        phone_number_collection={"enabled": False},
        recovered_from=None,
        saved_payment_method_options=None,
        setup_intent=None,
        shipping_address_collection=None,
        shipping_cost=None,
        shipping_options=[],
        status="open",
        submit_type=params.get("submit_type"),
        subscription=None,
        success_url=params["success_url"],
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        ui_mode="hosted_page",
        url=f"{account.world.base_url}/pay/stripe/{id}",
        wallet_options=None,
    )


def _customer(email: str | None, name: str | None) -> Object:
    return NO_CUSTOMER | {"email": email, "name": name, "tax_exempt": "none"}


def _line_item(account: Account, item: Object) -> Object:
    data = item["price_data"]
    amount = data["unit_amount"] * item["quantity"]
    price = {
        "id": account.new_id("price"),
        "object": "price",
        "active": False,
        "billing_scheme": "per_unit",
        "created": account.now(),
        "currency": data["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": account.new_id("product"),
        "recurring": None,
        "tax_behavior": data.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": data["unit_amount"],
        "unit_amount_decimal": str(data["unit_amount"]),
    }
    return {
        "id": account.new_id("item"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": data["currency"],
        "description": data["product_data"]["name"],
        "metadata": item.get("metadata", {}),
        "price": price,
        "quantity": item["quantity"],
    }


def expire(account: Account, session: Object) -> Object:
    """`POST …/expire`: only an open session can be expired; raises StripeError otherwise."""
    if session["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}."
        )
    session.update(status="expired", url=None)
    account.emit("checkout.session.expired", session)
    if session["payment_intent"] is not None:
        intents.close(
            account, account.get("payment_intent", session["payment_intent"]), "automatic"
        )
    return session


def _time_is_up(account: Account, session: Object) -> None:
    if session["status"] == "open":
        expire(account, session)


def pay(
    account: Account,
    session: Object,
    method: Method,
    email: str | None = None,
    name: str | None = None,
) -> bool:
    """The buyer pays with a method; False when it is declined, and the session stays open.

    Raises ControlError when the session is not open or does not offer the method.
    """
    if session["status"] != "open":
        raise ControlError(f"this checkout session is {session['status']}, not open")
    if method.type not in session["payment_method_types"]:
        raise ControlError(f"this checkout session does not offer {method.type}")
    if session["payment_intent"] is None:
        session["payment_intent"] = intents.create(account, session)["id"]
    intent = account.get("payment_intent", session["payment_intent"])
    email = email or session["customer_email"] or "buyer@example.com"
    if not intents.attempt(account, intent, method, charges.billing(email, name)):
        return False
    paid = intent["status"] == "succeeded"
    session.update(
        status="complete",
        payment_status="paid" if paid else "unpaid",
        url=None,
        customer_details=_customer(email, name),
    )
    account.emit("checkout.session.completed", session)
    if method.delayed:
        due = account.now() + intents.DEBIT_CLEARS_AFTER
        account.agenda.add(due, lambda: _debit_clears(account, session, intent))
    if method.later == "disputed" and paid:
        disputes.start(account, account.get("charge", intent["latest_charge"]))
    return True


def settle(account: Account, session: Object) -> None:
    """A delayed debit clears. Raises ControlError when none is under way."""
    intent = _processing(account, session)
    intents.settle(account, intent)
    session["payment_status"] = "paid"
    account.emit("checkout.session.async_payment_succeeded", session)


def fail_async(account: Account, session: Object) -> None:
    """A delayed debit bounces. Raises ControlError when none is under way."""
    intents.fail_debit(account, _processing(account, session))
    account.emit("checkout.session.async_payment_failed", session)


def _processing(account: Account, session: Object) -> Object:
    id = session["payment_intent"]
    intent = account.get("payment_intent", id) if id else None
    if intent is None or intent["status"] != "processing":
        raise ControlError("no delayed payment is under way here (use pay_async first)")
    return intent


def _debit_clears(account: Account, session: Object, intent: Object) -> None:
    if intent["status"] == "processing":
        settle(account, session)
