"""`gateway report`: what the API says, for people and for programs."""

from tests.commands.running import command, lines
from tests.faults.stage import Gateway, House

TIME = ("--from", "2026-01-01", "--to", "2035-01-01")


async def test_the_commands_say_what_the_api_says(store_house: House, gateway: Gateway) -> None:
    order = await gateway.paid("stripe")
    await gateway.paid("paypal", key="another")
    await gateway.create("stripe", key="unpaid")
    await gateway.refund(order, 400)
    await gateway.work()
    asked = {"from": "2026-01-01", "to": "2035-01-01", "tz": "Asia/Kathmandu"}
    for name, grouped in (
        ("summary", {"group_by": "month,provider"}),
        ("summary", {"by": "occurred"}),
        ("conversion", {"group_by": "provider"}),
        ("balance", {"by": "booked", "currency": "USD"}),
    ):
        answer = await gateway.http.get(f"/v1/reports/{name}", params={**asked, **grouped})
        assert answer.status_code == 200, answer.text
        options = [
            word
            for option, value in grouped.items()
            for word in (f"--{option.replace('_', '-')}", value)
        ]
        words = ("report", name, *TIME, "--tz", "Asia/Kathmandu", *options)
        (told,) = await lines(store_house, *words)
        assert told == answer.json()
        people = await command(store_house, *words)
        assert people.exit_code == 0, people.output
        assert "2026-01-01 00:00 to 2035-01-01 00:00, Asia/Kathmandu" in people.stdout


async def test_people_read_amounts(store_house: House, gateway: Gateway) -> None:
    order = await gateway.paid("stripe")
    await gateway.refund(order, 400)
    await gateway.work()
    people = await command(store_house, "report", "summary", *TIME, "--group-by", "provider")
    for words in ("stripe", "Total", "USD", "54.00", "4.00"):
        assert words in people.stdout
    people = await command(store_house, "report", "conversion", *TIME)
    assert "100.00 %" in people.stdout
    assert "Total" not in people.stdout
    people = await command(store_house, "report", "balance", *TIME)
    for words in ("opening", "sales", "refunds", "payouts", "closing", "-4.00"):
        assert words in people.stdout


async def test_what_is_meant_must_be_said(store_house: House, gateway: Gateway) -> None:
    result = await command(store_house, "report", "summary", *TIME, "--tz", "Mars")
    assert (result.exit_code, "--tz" in result.stderr) == (2, True)
    result = await command(store_house, "report", "summary", "--from", "soon", "--to", "2026-01-01")
    assert (result.exit_code, "--from" in result.stderr) == (2, True)
    result = await command(store_house, "report", "conversion", *TIME, "--group-by", "status")
    assert (result.exit_code, "--group-by" in result.stderr) == (2, True)
    result = await command(store_house, "report", "balance", *TIME, "--merchant", "Nobody")
    assert (result.exit_code, "Nobody" in result.stderr) == (1, True)
    other = await gateway.services.keys.merchant("Bob's shop")
    result = await command(store_house, "report", "balance", *TIME)
    assert (result.exit_code, other in result.stderr) == (1, True)
    (told,) = await lines(store_house, "report", "balance", *TIME, "--merchant", "Bob's shop")
    assert told["data"] == []
    (told,) = await lines(store_house, "report", "balance", *TIME, "--merchant", other, "--live")
    assert told["data"] == []
