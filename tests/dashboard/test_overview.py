"""The first page says what the reports say, in the reader's zone, one currency at a time."""

from datetime import timedelta

from tests.api.conftest import Gateway
from tests.dashboard.conftest import reader_as


async def sums(gateway: Gateway, currency: str) -> dict[str, int]:
    """What the report of the last 30 days says of a currency."""
    today = gateway.clock.now().date()
    answer = await gateway.get(
        "/v1/reports/summary",
        **{"from": f"{today - timedelta(days=29)}", "to": f"{today + timedelta(days=1)}"},
    )
    assert answer.status_code == 200, answer.text
    (total,) = [row for row in answer.json()["totals"] if row["currency"] == currency]
    found: dict[str, int] = total
    return found


async def test_its_figures_are_those_of_the_report(one_gateway: Gateway) -> None:
    for provider, currency in (("fake", "USD"), ("other", "USD"), ("fake", "EUR")):
        order = await one_gateway.paid(provider=provider, currency=currency)
        await one_gateway.post(f"/v1/orders/{order['id']}/refunds", {"amount": 700})
    await one_gateway.order()
    await one_gateway.work()
    reader = await reader_as(one_gateway, "finance")
    page = await reader.get("")
    total = await sums(one_gateway, "USD")
    assert total["amount_captured"] == 10800
    assert total["amount_refunded"] == 1400
    for name in ("amount_captured", "amount_refunded", "net", "fee"):
        assert f'class="figure">${total[name] / 100:.2f}<' in page, name
    assert "2 paid orders in USD" in page
    assert "3 of 4 orders, in all currencies, were paid" in page
    assert ">75.0%<" in page
    assert "EUR" in page
    assert 'class="figure">€54.00<' not in page
    euros = await reader.get("", currency="EUR", days="7")
    assert 'class="figure">€54.00<' in euros
    assert "$108.00" not in euros
    # A currency that was not sold is none.
    assert 'class="figure">$108.00<' in await reader.get("", currency="XXX")


async def test_days_are_those_of_the_zone(one_gateway: Gateway) -> None:
    await one_gateway.paid()  # captured at midnight, UTC
    reader = await reader_as(one_gateway, "finance")
    page = await reader.get("")
    assert '<th scope="row">Jan 1, 2026</th>' in page
    assert "– Jan 1, 2026" in page
    await reader.send("/account/zone", await reader.get("/account"), zone="America/New_York")
    assert '<th scope="row">Dec 31, 2025</th>' in await reader.get("")
    one_gateway.clock.advance(hours=15)  # the session is over; in New York it is still the 1st
    again = await reader_as(one_gateway, "support")
    assert "– Jan 2, 2026" in await again.get("")
    await again.send("/account/zone", await again.get("/account"), zone="America/New_York")
    assert "– Jan 1, 2026" in await again.get("")


async def test_with_nothing_there_it_says_so(one_gateway: Gateway) -> None:
    reader = await reader_as(one_gateway, "finance")
    page = await reader.get("", days="90")
    for words in ("No order was paid in this time", "No orders yet", "Nothing waits for you"):
        assert words in page
    await reader.get("", 400, days="31")
