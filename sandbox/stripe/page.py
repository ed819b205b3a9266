"""The hosted pay page: what the buyer sees, and what the form does."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

from litestar import get, post
from litestar.handlers import BaseRouteHandler

from sandbox.faults import AnyRequest, Reply
from sandbox.pages import redirect, render
from sandbox.stripe import currencies, sessions
from sandbox.stripe.account import Object
from sandbox.stripe.cards import AMOUNTS, CARDS, Method
from sandbox.stripe.side import StripeSide
from sandbox.world import World

LARGEST_FORM = 10_000
BANKS = {"us_bank_account": "US bank account", "sepa_debit": "SEPA direct debit"}
NOT_A_TEST_CARD = "Only the test cards listed here work. Never type the number of a real card."


def pages(world: World) -> list[BaseRouteHandler]:
    """The handlers of the pay page, to be mounted at `/pay/stripe`."""

    @get("/{session_id:str}", name="stripe_pay_page")
    async def show(request: AnyRequest) -> Reply:
        side = StripeSide.of(world)
        await side.tick()
        session = side.account.find(request.path_params["session_id"])
        return _page(side, session)

    @post("/{session_id:str}", name="stripe_pay", status_code=303)
    async def pay(request: AnyRequest) -> Reply:
        side = StripeSide.of(world)
        await side.tick()
        session = side.account.find(request.path_params["session_id"])
        if session is None or session.get("url") is None:
            return _page(side, session)
        form = _fields(await request.body())
        problem = _pay(side, session, form)
        if problem:
            return _page(side, session, problem, form)
        if session["status"] == "complete":
            target = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
            return redirect(target)
        return redirect(f"{world.base_url}/pay/stripe/{session['id']}")

    return [show, pay]


def _fields(body: bytes) -> dict[str, str]:
    text = body[:LARGEST_FORM].decode(errors="replace")
    return {name: values[0].strip() for name, values in parse_qs(text).items()}


def _pay(side: StripeSide, session: Object, form: dict[str, str]) -> str | None:
    """Pay as the form says; returns what is wrong with the form, if anything."""
    method_type = form.get("method", "card")
    if method_type not in session["payment_method_types"]:
        return "Please choose a payment method."
    if method_type != "card":
        method = Method.of_bank(method_type)
    else:
        expiry = re.fullmatch(r"(0?[1-9]|1[0-2])\s*/\s*(?:20)?(\d\d)", form.get("expiry", ""))
        if expiry is None or not re.fullmatch(r"\d{3,4}", form.get("cvc", "")):
            return "Please give an expiry date as MM / YY and a security code of three digits."
        if (2000 + int(expiry[2]), int(expiry[1])) < _month(side):
            return "This expiry date is in the past."
        number = re.sub(r"[\s-]", "", form.get("card", ""))
        if number not in CARDS:
            return NOT_A_TEST_CARD
        amount = session["amount_total"]
        method = Method.of_card(number, amount, int(expiry[1]), 2000 + int(expiry[2]))
    email = form.get("email") or None
    if email is not None and not re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,250}", email):
        return "Please give a complete email address."
    sessions.pay(side.account, session, method, email, form.get("name") or None)
    return None


def _month(side: StripeSide) -> tuple[int, int]:
    now = side.account.world.clock.now()
    return now.year, now.month


def _page(
    side: StripeSide,
    session: Object | None,
    problem: str | None = None,
    form: dict[str, str] | None = None,
) -> Reply:
    if session is None or session["object"] != "checkout.session":
        return _message("No such checkout", "There is no checkout session at this address.", 404)
    if session["status"] == "complete":
        text = "This checkout has been completed. Nothing more is to be done here."
        return _message("All done", text, 200, session["success_url"], "Back to the shop")
    if session["status"] == "expired":
        text = "This checkout is not open any more. Nothing was charged here."
        return _message(
            "This checkout has expired", text, 200, session["cancel_url"], "Back to the shop"
        )
    return render(
        "stripe_pay.html",
        200 if problem is None else 422,
        **_context(side, session),
        problem=problem,
        form=form or {},
    )


def _message(
    heading: str, text: str, status: int, link: str | None = None, link_text: str = ""
) -> Reply:
    if link is not None and not link.startswith(("http://", "https://")):
        link = None
    return render(
        "message.html", status, heading=heading, text=text, link=link, link_text=link_text
    )


def _context(side: StripeSide, session: Object) -> dict[str, Any]:
    currency = session["currency"]
    items = side.account.line_items[session["id"]]
    intent = side.account.find(session["payment_intent"] or "")
    error = intent["last_payment_error"] if intent else None
    return {
        "total": currencies.text(session["amount_total"], currency),
        "items": [
            {
                "name": item["description"],
                "quantity": item["quantity"],
                "amount": currencies.text(item["amount_total"], currency),
            }
            for item in items
        ],
        "email": session["customer_email"],
        "cancel_url": session["cancel_url"],
        "session_id": session["id"],
        "banks": {type: BANKS[type] for type in session["payment_method_types"] if type in BANKS},
        "has_card": "card" in session["payment_method_types"],
        "cards": [
            {"number": " ".join(re.findall("....", number)), "note": behaviour.note}
            for number, behaviour in CARDS.items()
        ],
        "special_amount": AMOUNTS[session["amount_total"]].note
        if session["amount_total"] in AMOUNTS
        else None,
        "declined": error["message"] if error else None,
    }
