"""One order's page, and giving money back: typed, once, and by the API's own rules."""

import re
from html import unescape
from typing import Any

import pytest

from api.dashboard.people import Desk
from tests.api.conftest import Gateway, page_of
from tests.dashboard.conftest import Reader, reader_as


async def _ask(reader: Reader, order: dict[str, Any], amount: str = "", reason: str = "") -> str:
    return await reader.get(f"/orders/{order['id']}/refund", amount=amount, reason=reason)


async def test_it_shows_the_order(one_gateway: Gateway, admin: Reader) -> None:
    order = await one_gateway.paid(
        reference="W-1", customer_email="ada@example.com", metadata={"cart": "<7>"}
    )
    page = await admin.get(f"/orders/{order['id']}")
    for words in ("$54.00", "2 × Chair", "W-1", "ada@example.com", "&lt;7&gt;", "Timeline"):
        assert words in page
    assert order["payments"][0]["provider_payment_id"] in page
    assert "captured $54.00" in page  # the timeline's amounts are written for people
    assert "5400 USD" not in page


async def test_a_refund_is_asked_for_typed_and_made(one_gateway: Gateway, admin: Reader) -> None:
    order = await one_gateway.paid()
    page = await _ask(admin, order, "12.5", "Broken leg")
    assert "Refund $12.50?" in page
    assert "$41.50" in page  # what is left after it
    answer = await admin.send(f"/orders/{order['id']}/refund", page, typed="12.50")
    assert answer.headers["location"] == f"/dashboard/orders/{order['id']}?done=refunded"
    after = await one_gateway.read(order)
    assert [(r["amount"], r["reason"]) for r in after["refunds"]] == [(1250, "Broken leg")]
    page = await admin.get(f"/orders/{order['id']}", done="refunded")
    assert "The refund was made" in page


async def test_sent_twice_it_is_made_once(one_gateway: Gateway, admin: Reader) -> None:
    order = await one_gateway.paid()
    page = await _ask(admin, order, "10")
    for _ in range(2):
        answer = await admin.send(f"/orders/{order['id']}/refund", page, typed="10")
        assert answer.status_code == 303
    assert (await one_gateway.read(order))["amount_refunded"] == 1000
    changed = await admin.send(f"/orders/{order['id']}/refund", page, units="2000", typed="20")
    assert changed.status_code == 422
    assert (await one_gateway.read(order))["amount_refunded"] == 1000


@pytest.mark.parametrize("typed", ["", "12.05", "1250", "12,50", "yes", "-12.50"])
async def test_mistyped_nothing_happens(one_gateway: Gateway, admin: Reader, typed: str) -> None:
    order = await one_gateway.paid()
    page = await _ask(admin, order, "12.50")
    answer = await admin.send(f"/orders/{order['id']}/refund", page, typed=typed)
    assert answer.status_code == 400
    assert "Nothing was refunded" in answer.text
    assert 'value="1250"' in answer.text
    assert (await one_gateway.read(order))["refunds"] == []


@pytest.mark.parametrize("amount", ["54.01", "0", "-1", "1.001", "many", "1_0", "\u0661"])
async def test_too_much_and_nonsense_are_not_even_asked_for(
    one_gateway: Gateway, admin: Reader, amount: str
) -> None:
    order = await one_gateway.paid()
    page = await admin.get(f"/orders/{order['id']}/refund", 400, amount=amount)
    assert 'name="typed"' not in page


async def test_the_gateway_judges_how_much_is_left(one_gateway: Gateway, admin: Reader) -> None:
    order = await one_gateway.paid()
    page = await _ask(admin, order)
    await one_gateway.post(f"/v1/orders/{order['id']}/refunds", {"amount": 5000})
    answer = await admin.send(f"/orders/{order['id']}/refund", page, typed="54.00")
    assert answer.status_code == 422
    assert "Refund exceeds what is left" in answer.text
    assert (await one_gateway.read(order))["amount_refunded"] == 5000
    entries, _ = await Desk(one_gateway.services).audit.page(one_gateway.merchant, False, None, 5)
    assert entries[0].action == "refunded"
    assert entries[0].outcome.startswith("refused: ")


async def test_in_german_it_is_typed_in_german(one_gateway: Gateway) -> None:
    reader = Reader(one_gateway, "de-DE,de;q=0.9")
    await reader.sign_in(key=one_gateway.secret)
    order = await one_gateway.paid(items=[{"name": "Sofa", "unit_amount": 123450, "quantity": 1}])
    assert "1.234,50\xa0$" in unescape(await reader.get(f"/orders/{order['id']}"))
    page = await _ask(reader, order, "1.200,50")
    assert "1200,50" in page
    answer = await reader.send(f"/orders/{order['id']}/refund", page, typed="1.200,50")
    assert answer.status_code == 303
    assert (await one_gateway.read(order))["amount_refunded"] == 120050


async def test_a_thousand_yen_is_not_one(one_gateway: Gateway) -> None:
    order = await one_gateway.paid(
        currency="JPY", items=[{"name": "Sofa", "unit_amount": 5000, "quantity": 1}]
    )
    for language, wrong, right in (("de-DE", "1,000", "1.000"), ("fr-FR", "1,000", "1 000")):
        reader = Reader(one_gateway, language)
        await reader.sign_in(key=one_gateway.secret)
        page = await reader.get(f"/orders/{order['id']}/refund", 400, amount=wrong)
        assert "has decimals, which it cannot have in JPY" in page
        page = await _ask(reader, order, right)
        assert 'name="units" value="1000"' in page
        answer = await reader.send(f"/orders/{order['id']}/refund", page, typed=wrong)
        assert answer.status_code == 400
    assert (await one_gateway.read(order))["refunds"] == []


async def test_an_unpaid_order_offers_no_refund(one_gateway: Gateway, admin: Reader) -> None:
    order = await one_gateway.order()
    assert "Refund…" not in await admin.get(f"/orders/{order['id']}")
    page = await admin.get(f"/orders/{order['id']}/refund", 400)
    assert "Nothing of this order can be refunded now." in page


async def test_what_was_done_is_in_the_audit_log(one_gateway: Gateway, admin: Reader) -> None:
    order = await one_gateway.paid()
    page = await _ask(admin, order, "1", "Goodwill")
    await admin.send(f"/orders/{order['id']}/refund", page, typed="1.00")
    log = await admin.get("/audit")
    rows = re.findall(r"<tr>(.*?)</tr>", log.partition("<tbody>")[2], re.DOTALL)
    assert "refunded" in rows[0]
    assert "$1.00 Goodwill" in rows[0]
    assert "Done" in rows[0]
    assert "signed in" in rows[1]


async def test_the_provider_is_asked_now(one_gateway: Gateway, admin: Reader) -> None:
    order = await one_gateway.order()
    one_gateway.fake.buyer_pays(page_of(order))
    page = await admin.get(f"/orders/{order['id']}")
    answer = await admin.send(f"/orders/{order['id']}/confirm", page)
    assert answer.status_code == 303
    assert "Paid" in await admin.get(f"/orders/{order['id']}", 200, done="asked")
    assert "asked the provider" in await admin.get("/audit")
    support = await reader_as(one_gateway, "support")
    page = await support.get(f"/orders/{order['id']}")
    assert "Ask the provider now" not in page
    assert (await support.send(f"/orders/{order['id']}/confirm", page)).status_code == 403


async def test_many_items_do_not_make_the_page_endless(one_gateway: Gateway, admin: Reader) -> None:
    items = [{"name": f"Part {n}", "unit_amount": 100, "quantity": 1} for n in range(60)]
    order = await one_gateway.order(items=items)
    page = await admin.get(f"/orders/{order['id']}")
    assert "60 items." in page
    assert 'class="long"' in page
    few = await admin.get(f"/orders/{(await one_gateway.order())['id']}")
    assert 'class="long"' not in few
