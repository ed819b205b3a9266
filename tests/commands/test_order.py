"""`gateway order`: found by any id, shown, and told."""

from tests.commands.running import command, lines
from tests.faults.stage import Gateway, House


async def test_an_order_is_found_by_every_id(house: House, gateway: Gateway) -> None:
    order = await gateway.paid("stripe", reference="A-1001")
    await gateway.paid("paypal", key="another")
    await gateway.refund(order, 400)
    await gateway.work()
    order = await gateway.order(order)
    payment, refund = order["payments"][0], order["refunds"][0]
    words = [order["id"], "A-1001", payment["id"], refund["id"], refund["provider_refund_id"]]
    words += [payment["provider_order_id"], payment["provider_payment_id"]]
    for word in words:
        (shown,) = await lines(house, "order", "show", word)
        assert shown == {k: v for k, v in order.items() if k != "client_token"}, word
    people = await command(house, "order", "show", "A-1001")
    assert people.exit_code == 0
    for word in [*words, "54.00 USD", "4.00 USD", "partially_refunded"]:
        assert word in people.stdout
    assert order["client_token"] not in people.stdout


async def test_what_is_nobody_s_and_what_is_several(house: House, gateway: Gateway) -> None:
    order = await gateway.create("stripe")
    other = await gateway.create("stripe", key="other", reference=order["id"])
    for name in ("show", "timeline"):
        result = await command(house, "order", name, "ord_unknown")
        assert result.exit_code == 1
        assert "ord_unknown" in result.stderr
    result = await command(house, "order", "show", order["id"])
    assert result.exit_code == 1
    assert order["id"] in result.stderr
    assert other["id"] in result.stderr


async def test_the_timeline_is_the_api_s(house: House, gateway: Gateway) -> None:
    order = await gateway.paid("paypal")
    (told,) = await lines(house, "order", "timeline", order["payments"][0]["provider_order_id"])
    assert (told["order"], told["status"]) == (order["id"], "paid")
    entries = await gateway.timeline(order)
    assert [entry["id"] for entry in told["data"]] == [entry["id"] for entry in entries]
    people = await command(house, "order", "timeline", order["id"])
    assert [entry["summary"] for entry in entries if entry["summary"] not in people.stdout] == []
    assert " → paid" in people.stdout
