"""The table of simulated API calls: address, parameters, and what each does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sandbox.stripe import endpoints, intents, refunds, sessions
from sandbox.stripe import parameters as p
from sandbox.stripe.account import EVENTS_SHOWN, Account, Object
from sandbox.stripe.errors import StripeError
from sandbox.stripe.listing import page, within
from sandbox.stripe.schema import Check

Ids = Mapping[str, Any]
Run = Callable[[Account, Ids, Object], Object]
BY_HAND = "Balance transaction history can only be filtered on automatic transfers, not manual."


@dataclass(frozen=True)
class Call:
    """One API call; `operation` is its name for the faults."""

    method: str
    path: str
    operation: str
    parameters: Check
    run: Run


def _retrieve(kind: str) -> Run:
    return lambda account, ids, params: account.get(kind, ids["id"])


def _equal(item: Object, params: Object, *names: str) -> bool:
    return all(params.get(name, item[name]) == item[name] for name in names)


def _list(kind: str, url: str, *filters: str) -> Run:
    """Newest first, filtered by equality of some members."""

    def run(account: Account, ids: Ids, params: Object) -> Object:
        return page(account.newest(kind), params, url, lambda item: _equal(item, params, *filters))

    return run


def _list_sessions(account: Account, ids: Ids, params: Object) -> Object:
    email = params.get("customer_details", {}).get("email")

    def matches(item: Object) -> bool:
        details = item["customer_details"] or {}
        return _equal(item, params, "payment_intent", "status") and (
            email is None or details.get("email") == email
        )

    return page(account.newest("checkout.session"), params, "/v1/checkout/sessions", matches)


def _list_line_items(account: Account, ids: Ids, params: Object) -> Object:
    session = account.get("checkout.session", ids["id"], "session")
    made = [item | {"created": session["created"]} for item in account.line_items[session["id"]]]
    shown = page(made, params, f"/v1/checkout/sessions/{session['id']}/line_items")
    for item in shown["data"]:
        del item["created"]
    return shown


def _list_transactions(account: Account, ids: Ids, params: Object) -> Object:
    payout = params.get("payout")
    known = account.find(payout or "")
    if known is not None and not known.get("automatic", True):
        raise StripeError(BY_HAND)

    def matches(item: Object) -> bool:
        held_by = account.payout_of.get(item["id"])
        return payout in (None, held_by) and _equal(item, params, "source", "type", "currency")

    return page(account.newest("balance_transaction"), params, "/v1/balance_transactions", matches)


def _list_payouts(account: Account, ids: Ids, params: Object) -> Object:
    bounds = params.get("arrival_date", {})

    def matches(item: Object) -> bool:
        return within(item["arrival_date"], bounds) and _equal(item, params, "status")

    return page(account.newest("payout"), params, "/v1/payouts", matches)


def _list_events(account: Account, ids: Ids, params: Object) -> Object:
    patterns = params.get("types", [params["type"]] if "type" in params else ["*"])
    oldest = account.now() - EVENTS_SHOWN

    def matches(item: Object) -> bool:
        fits = any(fnmatchcase(item["type"], pattern) for pattern in patterns)
        return fits and item["created"] >= oldest

    return page(account.newest("event"), params, "/v1/events", matches)


def _capture(account: Account, ids: Ids, params: Object) -> Object:
    return intents.capture(account, account.get("payment_intent", ids["id"], "intent"), params)


def _cancel(account: Account, ids: Ids, params: Object) -> Object:
    intent = account.get("payment_intent", ids["id"], "intent")
    return intents.cancel(account, intent, params.get("cancellation_reason"))


def _expire(account: Account, ids: Ids, params: Object) -> Object:
    return sessions.expire(account, account.get("checkout.session", ids["id"], "session"))


def _account(account: Account, ids: Ids, params: Object) -> Object:
    return {
        "id": "acct_sandbox",
        "object": "account",
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "merchant@example.com",
        "payouts_enabled": True,
        "type": "standard",
    }


SESSIONS = "/v1/checkout/sessions"
INTENTS = "/v1/payment_intents"
ENDPOINTS = "/v1/webhook_endpoints"
CALLS = (
    Call("POST", SESSIONS, "create_session", p.CREATE_SESSION,
         lambda account, ids, params: sessions.create(account, params)),
    Call("GET", SESSIONS, "list_sessions", p.LIST_SESSIONS, _list_sessions),
    Call("GET", SESSIONS + "/{id:str}", "retrieve_session", p.EXPAND_ONLY,
         _retrieve("checkout.session")),
    Call("POST", SESSIONS + "/{id:str}/expire", "expire_session", p.EXPAND_ONLY, _expire),
    Call("GET", SESSIONS + "/{id:str}/line_items", "list_line_items", p.LIST_LINE_ITEMS,
         _list_line_items),
    Call("GET", INTENTS, "list_payment_intents", p.LIST_INTENTS,
         _list("payment_intent", INTENTS)),
    Call("GET", INTENTS + "/{id:str}", "retrieve_payment_intent", p.EXPAND_ONLY,
         _retrieve("payment_intent")),
    Call("POST", INTENTS + "/{id:str}/capture", "capture", p.CAPTURE, _capture),
    Call("POST", INTENTS + "/{id:str}/cancel", "cancel", p.CANCEL_INTENT, _cancel),
    Call("GET", "/v1/charges", "list_charges", p.LIST_CHARGES,
         _list("charge", "/v1/charges", "payment_intent", "transfer_group")),
    Call("GET", "/v1/charges/{id:str}", "retrieve_charge", p.EXPAND_ONLY, _retrieve("charge")),
    Call("POST", "/v1/refunds", "refund", p.CREATE_REFUND,
         lambda account, ids, params: refunds.create(account, params)),
    Call("GET", "/v1/refunds", "list_refunds", p.LIST_REFUNDS,
         _list("refund", "/v1/refunds", "payment_intent", "charge")),
    Call("GET", "/v1/refunds/{id:str}", "retrieve_refund", p.EXPAND_ONLY, _retrieve("refund")),
    Call("POST", "/v1/refunds/{id:str}/cancel", "cancel_refund", p.EXPAND_ONLY,
         lambda account, ids, params: refunds.cancel(account, account.get("refund", ids["id"]))),
    Call("GET", "/v1/balance_transactions", "list_balance_transactions", p.LIST_TRANSACTIONS,
         _list_transactions),
    Call("GET", "/v1/balance_transactions/{id:str}", "retrieve_balance_transaction",
         p.EXPAND_ONLY, _retrieve("balance_transaction")),
    Call("GET", "/v1/disputes", "list_disputes", p.LIST_DISPUTES,
         _list("dispute", "/v1/disputes", "payment_intent", "charge")),
    Call("GET", "/v1/disputes/{id:str}", "retrieve_dispute", p.EXPAND_ONLY, _retrieve("dispute")),
    Call("GET", "/v1/payouts", "list_payouts", p.LIST_PAYOUTS, _list_payouts),
    Call("GET", "/v1/payouts/{id:str}", "retrieve_payout", p.EXPAND_ONLY, _retrieve("payout")),
    Call("GET", "/v1/events", "list_events", p.LIST_EVENTS, _list_events),
    Call("GET", "/v1/events/{id:str}", "retrieve_event", p.EXPAND_ONLY, _retrieve("event")),
    Call("GET", ENDPOINTS, "list_webhook_endpoints", p.LIST_ENDPOINTS,
         lambda account, ids, params: page(endpoints.shown(account), params, ENDPOINTS)),
    Call("POST", ENDPOINTS, "create_webhook_endpoint", p.CREATE_ENDPOINT,
         lambda account, ids, params: endpoints.create(account, params)),
    Call("GET", ENDPOINTS + "/{id:str}", "retrieve_webhook_endpoint", p.EXPAND_ONLY,
         lambda account, ids, params: endpoints.retrieve(account, ids["id"])),
    Call("DELETE", ENDPOINTS + "/{id:str}", "delete_webhook_endpoint", p.EXPAND_ONLY,
         lambda account, ids, params: endpoints.delete(account, ids["id"])),
    Call("GET", "/v1/account", "retrieve_account", p.EXPAND_ONLY, _account),
)  # fmt: skip
