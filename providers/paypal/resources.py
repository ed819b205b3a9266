"""The parts of PayPal's JSON that we read, as types: what decodes into them is well-formed.

Only the fields that mean something to us stand here; PayPal may add others at any time. Statuses
stay strings, because one that we do not know must reach the attention list, not an error.
"""

from typing import Any

import msgspec


class Amount(msgspec.Struct, frozen=True):
    """Money on the wire: a decimal string beside an ISO 4217 code. A JSON number is refused."""

    currency_code: str
    value: str


class Link(msgspec.Struct, frozen=True):
    """A HATEOAS link."""

    href: str
    rel: str = ""


class StatusDetails(msgspec.Struct, frozen=True):
    """Why a status is what it is."""

    reason: str = ""


class ExchangeRate(msgspec.Struct, frozen=True):
    """Units of the target currency for one of the source currency, as an exact decimal string."""

    value: str | None = None


class NetItem(msgspec.Struct, frozen=True):
    """The net amount of a refund in the currency that the merchant's account is held in."""

    converted_amount: Amount | None = None
    exchange_rate: ExchangeRate | None = None


class Breakdown(msgspec.Struct, frozen=True):
    """`seller_receivable_breakdown` of a capture and `seller_payable_breakdown` of a refund."""

    gross_amount: Amount | None = None
    paypal_fee: Amount | None = None
    paypal_fee_in_receivable_currency: Amount | None = None
    net_amount: Amount | None = None
    receivable_amount: Amount | None = None
    exchange_rate: ExchangeRate | None = None
    net_amount_breakdown: tuple[NetItem, ...] = ()


class RelatedIds(msgspec.Struct, frozen=True):
    """Ids of the objects around a payment."""

    order_id: str | None = None
    authorization_id: str | None = None
    capture_id: str | None = None


class SupplementaryData(msgspec.Struct, frozen=True):
    """Carries the related ids."""

    related_ids: RelatedIds = RelatedIds()


class Transaction(msgspec.Struct, frozen=True):
    """An authorization, a capture or a refund: PayPal gives the three almost the same fields."""

    id: str
    status: str = ""
    amount: Amount | None = None
    custom_id: str | None = None
    invoice_id: str | None = None
    status_details: StatusDetails = StatusDetails()
    create_time: str | None = None
    update_time: str | None = None
    expiration_time: str | None = None
    note_to_payer: str | None = None
    seller_receivable_breakdown: Breakdown | None = None
    seller_payable_breakdown: Breakdown | None = None
    supplementary_data: SupplementaryData = SupplementaryData()
    links: tuple[Link, ...] = ()


class Payments(msgspec.Struct, frozen=True):
    """All that happened to the money of a purchase unit."""

    authorizations: tuple[Transaction, ...] = ()
    captures: tuple[Transaction, ...] = ()
    refunds: tuple[Transaction, ...] = ()


class PurchaseUnit(msgspec.Struct, frozen=True):
    """One contract between buyer and merchant; our orders have exactly one."""

    amount: Amount | None = None
    custom_id: str | None = None
    payments: Payments = Payments()


class Source(msgspec.Struct, frozen=True):
    """How it was paid. Names and addresses are left on the wire on purpose."""

    brand: str | None = None
    last_digits: str | None = None


class Order(msgspec.Struct, frozen=True):
    """A checkout order."""

    id: str
    status: str = ""
    intent: str = ""
    purchase_units: tuple[PurchaseUnit, ...] = ()
    payment_source: dict[str, Source] = {}
    create_time: str | None = None
    update_time: str | None = None
    links: tuple[Link, ...] = ()


class DisputedTransaction(msgspec.Struct, frozen=True):
    """`seller_transaction_id` is the capture's id, `custom` its custom id."""

    seller_transaction_id: str | None = None
    custom: str | None = None


class DisputeOutcome(msgspec.Struct, frozen=True):
    """How a dispute ended."""

    outcome_code: str = ""
    amount_refunded: Amount | None = None


class Adjudication(msgspec.Struct, frozen=True):
    """One decision about a dispute; an appeal brings another."""

    adjudication_time: str | None = None


class Dispute(msgspec.Struct, frozen=True):
    """A case that a buyer or a bank has opened."""

    dispute_id: str
    status: str = ""
    reason: str = ""
    dispute_amount: Amount | None = None
    disputed_transactions: tuple[DisputedTransaction, ...] = ()
    dispute_outcome: DisputeOutcome | None = None
    create_time: str | None = None
    update_time: str | None = None
    adjudications: tuple[Adjudication, ...] = ()
    seller_response_due_date: str | None = None


class ReversedApproval(msgspec.Struct, frozen=True):
    """The resource of CHECKOUT.PAYMENT-APPROVAL.REVERSED, which names its order two ways."""

    order_id: str | None = None
    id: str | None = None
    purchase_units: tuple[PurchaseUnit, ...] = ()


class Event(msgspec.Struct, frozen=True):
    """A webhook's envelope; `resource` is decoded by type."""

    id: str
    event_type: str
    create_time: str
    resource: dict[str, Any]


class EventPage(msgspec.Struct, frozen=True):
    """Some of the events of the past, each as its webhook carried it."""

    events: tuple[msgspec.Raw, ...] = ()


class EventType(msgspec.Struct, frozen=True):
    """A type of event that a webhook is sent; "*" is all of them."""

    name: str


class Webhook(msgspec.Struct, frozen=True):
    """An address of the app to which PayPal sends events."""

    id: str
    url: str
    event_types: tuple[EventType, ...] = ()


class Webhooks(msgspec.Struct, frozen=True):
    """All webhooks of the app."""

    webhooks: tuple[Webhook, ...] = ()


class Token(msgspec.Struct, frozen=True):
    """An access token and its life in seconds."""

    access_token: str
    expires_in: int


class Detail(msgspec.Struct, frozen=True):
    """One reason of a refusal. `value` and `field`, which may quote a person, are not read."""

    issue: str = ""
    description: str = ""


class Problem(msgspec.Struct, frozen=True):
    """PayPal's error body."""

    name: str
    message: str = ""
    debug_id: str | None = None
    details: tuple[Detail, ...] = ()


class Verification(msgspec.Struct, frozen=True):
    """The answer to a postback: SUCCESS or FAILURE."""

    verification_status: str


class TransactionInfo(msgspec.Struct, frozen=True):
    """One transaction of the account's report. `fee_amount` is negative where PayPal keeps it."""

    transaction_id: str
    transaction_event_code: str = ""
    transaction_status: str = ""
    transaction_initiation_date: str | None = None
    transaction_amount: Amount | None = None
    fee_amount: Amount | None = None
    ending_balance: Amount | None = None
    paypal_reference_id: str | None = None
    custom_field: str | None = None


class TransactionDetail(msgspec.Struct, frozen=True):
    """Of the parts of a transaction, the one that is about money."""

    transaction_info: TransactionInfo


class TransactionPage(msgspec.Struct, frozen=True):
    """One page of the report."""

    transaction_details: tuple[TransactionDetail, ...] = ()
    total_pages: int = 1
