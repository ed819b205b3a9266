"""Two hundred orders over both providers, in six currencies: each payout is explained to the minor
unit, what was planted is listed, and nothing besides."""

from collections import Counter
from collections.abc import Sized
from datetime import timedelta
from functools import partial
from typing import Any

from msgspec.structs import replace
from sqlalchemy import delete, event, func, select

from gateway.inbox import DEFAULT_ACCOUNT
from gateway.provider_books import ProviderPayout, ProviderTransaction
from gateway.registry import Provider
from gateway.settlement import Statement, statement
from gateway.settlement_store import Side
from gateway.settling import compare, read
from gateway.verify import verify
from gateway.verify_accounts import verify_accounts
from storage import tables as t
from storage.account_ledger import SqlAccounts
from storage.ledger import SqlLedger
from storage.settlement import record_of
from tests.faults.stage import Gateway

Order = dict[str, Any]

#: With no, two and three decimals; PayPal has none of the latter.
SOLD = {
    "stripe": ("USD", "EUR", "JPY", "KWD", "GBP"),
    "paypal": ("USD", "EUR", "JPY", "GBP", "HUF"),
}
PRICE = {"USD": 5400, "EUR": 4990, "JPY": 6100, "KWD": 12340, "GBP": 3310, "HUF": 900_000}


async def sell(gateway: Gateway, provider: str, number: int, name: str = "") -> list[Order]:
    """Orders in all of a provider's currencies in turn, paid and known to be paid."""
    orders = []
    for index in range(number):
        currency = SOLD[provider][index % len(SOLD[provider])]
        step = 100 if currency == "HUF" else 10
        order = await gateway.create(
            provider,
            key=f"{provider}{name}{index}",
            currency=currency,
            amount=PRICE[currency] + index * step,
        )
        await gateway.sandbox.buyer(order)
        orders.append(order)
    await gateway.work()
    told = [await gateway.order(order) for order in orders]
    assert {order["status"] for order in told} == {"paid"}
    return told


def payment_of(order: Order) -> str:
    """The provider's id of what was paid."""
    return str(order["payments"][0]["provider_payment_id"])


async def settle(gateway: Gateway, provider: str) -> None:
    """Read all that the provider's report has, and compare."""
    opened = gateway.services.ctx.providers.get(provider)
    assert isinstance(opened, Provider)
    now = gateway.clock.now()
    assert opened.report_lag is not None
    until = now - opened.report_lag
    await read(gateway.services.ctx, opened, until - timedelta(days=30), until)


async def exceptions(gateway: Gateway) -> list[tuple[str, str, str]]:
    """(provider, kind, order) of all that are open, sorted."""
    c = t.settlement_exceptions.c
    async with gateway.services.store.database.read() as connection:
        rows = await connection.execute(
            select(c.provider, c.kind, c.order_id).where(c.status == "open")
        )
        return sorted(tuple(row) for row in rows)


async def statements(gateway: Gateway) -> dict[str, list[Statement]]:
    """Every payout, explained by the lines that are stored for it."""
    c = t.provider_records.c
    told: dict[str, list[Statement]] = {}
    async with gateway.services.store.database.read() as connection:
        payouts = select(t.provider_payouts).order_by(t.provider_payouts.c.id)
        for payout in (await connection.execute(payouts)).all():
            rows = await connection.execute(
                select(t.provider_records).where(
                    c.provider == payout.provider, c.payout_id == payout.provider_payout_id
                )
            )
            explained = statement(
                ProviderPayout(
                    id=payout.provider_payout_id,
                    amount=payout.amount,
                    currency=payout.currency,
                    status="paid",
                    at=payout.at,
                    balance_after=payout.balance_after,
                    fee=payout.fee,
                ),
                [record_of(row) for row in rows],
                payout.brought_forward,
            )
            told.setdefault(payout.provider, []).append(explained)
    return told


async def clearing(gateway: Gateway) -> dict[str, int]:
    """What our ledger has at the providers, by account, where that is anything."""
    answer = (await gateway.http.get("/v1/ledger/accounts")).raise_for_status().json()["data"]
    found = {row["account"]: row["balance"] for row in answer if row["balance"]}
    return {name: amount for name, amount in found.items() if name.startswith("provider_clearing")}


async def at_providers(gateway: Gateway) -> dict[str, int]:
    """What the providers' own books carry forward, by the name of our account for it."""
    c = t.provider_records.c
    query = select(c.provider, c.currency, func.sum(c.net)).group_by(c.provider, c.currency)
    async with gateway.services.store.database.read() as connection:
        rows = (await connection.execute(query)).all()
    return {f"provider_clearing:{p}:{currency}": int(net) for p, currency, net in rows if net}


async def differing(gateway: Gateway) -> set[tuple[str, str | None]]:
    """(provider, order) of all of whom our lines and the provider's do not come to the same, in
    any currency; the order is None for those of the account itself."""
    b, r = t.balance_transactions.c, t.provider_records.c
    sums: Counter[tuple[str, str | None, str]] = Counter()
    ours = select(b.provider, b.order_id, b.currency, b.net)
    theirs = select(r.provider, r.order_id, r.currency, r.net)
    async with gateway.services.store.database.read() as connection:
        for provider, order, currency, net in await connection.execute(ours):
            sums[provider, order, currency] += net
        for provider, order, currency, net in await connection.execute(theirs):
            sums[provider, order or None, currency] -= net
    return {(provider, order) for (provider, order, _), net in sums.items() if net}


async def proven(gateway: Gateway) -> None:
    """`gateway verify` finds nothing, in the orders and in the accounts."""
    ledger = SqlLedger(gateway.services.store.database)
    assert [found async for done in verify(ledger) for found in done.found] == []
    accounts = SqlAccounts(gateway.services.store.database)
    assert [found async for done in verify_accounts(accounts) for found in done.found] == []


async def move(gateway: Gateway, **span: float) -> None:
    """Both clocks, the providers' and ours."""
    seconds = timedelta(**span).total_seconds()
    await gateway.sandbox.control("clock", advance_seconds=seconds)
    gateway.clock.ahead += timedelta(seconds=seconds)


async def live(gateway: Gateway, number: int) -> dict[str, list[Order]]:
    """A month: sales, partial refunds, disputes won and lost, a refund in each dashboard."""
    sold = {provider: await sell(gateway, provider, number) for provider in SOLD}
    control = gateway.sandbox.control
    for provider, orders in sold.items():
        for index, order in enumerate(orders[: number // 5]):
            part = 10_000 if order["currency"] == "HUF" else 1_000
            answer = await gateway.refund(order, part, key=f"{provider} refund {index}")
            assert answer.status_code == 201, answer.text
        for order, outcome in zip(orders[-3:-1], ("won", "lost"), strict=True):
            await control("dispute", provider=provider, id=payment_of(order))
            await control("dispute", provider=provider, id=payment_of(order), status=outcome)
        await control("refund", provider=provider, id=payment_of(orders[-1]), amount=1000)
    await gateway.work()
    return sold


async def test_two_hundred_orders_are_settled_to_the_minor_unit(either: Gateway) -> None:
    gateway = either
    sold = await live(gateway, 100)
    for provider in sold:
        await move(gateway, days=3)
        await gateway.sandbox.control("payout", provider=provider)
    await move(gateway, hours=4)
    for provider in sold:
        await settle(gateway, provider)
    explained = await statements(gateway)
    for provider, told in explained.items():
        assert all(one.exact for one in told), (provider, told)
        assert all(sum(row.net for row in one.rows) == one.amount for one in told)
    assert {provider: len(told) for provider, told in explained.items()} == {
        provider: len(currencies) for provider, currencies in SOLD.items()
    }
    dashboard = [(p, "out_of_band", orders[-1]["id"]) for p, orders in sorted(sold.items())]
    assert await exceptions(gateway) == dashboard
    c = t.provider_records.c
    async with gateway.services.store.database.read() as connection:
        rows = await connection.execute(select(c.kind, c.stage, c.merchant_id))
        found = Counter((row.kind, row.stage, bool(row.merchant_id)) for row in rows)
    assert {kind for kind, stage, _ in found if not stage} == {"payout"}
    assert found["charge", "id", True] == 200
    assert await differing(gateway) == set()
    assert await clearing(gateway) == await at_providers(gateway)
    await proven(gateway)
    for provider in sold:  # again: nothing changes
        await settle(gateway, provider)
    assert await exceptions(gateway) == dashboard
    assert await statements(gateway) == explained
    assert await clearing(gateway) == await at_providers(gateway)


async def test_what_is_converted_and_what_fails_is_settled_too(either: Gateway) -> None:
    """The account has no DKK: they become EUR. The bank returns the first payout."""
    gateway = either
    order = await gateway.create("stripe", currency="DKK", amount=54_000)
    await gateway.sandbox.buyer(order)
    await gateway.work()
    assert (await gateway.refund(order, 1_000)).status_code == 201
    payment = payment_of(await gateway.order(order))
    await gateway.sandbox.control("dispute", provider="stripe", id=payment, amount=2_000)
    await gateway.work()
    await move(gateway, days=3)
    made = await gateway.sandbox.control("payout", provider="stripe")
    await move(gateway, hours=1)
    await settle(gateway, "stripe")
    assert await clearing(gateway) == await at_providers(gateway) == {}

    await gateway.sandbox.control("payout", provider="stripe", id=made["data"][0]["id"])
    await move(gateway, hours=1)
    await settle(gateway, "stripe")
    assert await clearing(gateway) == await at_providers(gateway) != {}
    await gateway.sandbox.control("payout", provider="stripe")
    await move(gateway, hours=1)
    await settle(gateway, "stripe")

    assert await clearing(gateway) == await at_providers(gateway) == {}
    assert await differing(gateway) == set()
    assert await exceptions(gateway) == []
    explained = (await statements(gateway))["stripe"]
    assert [one.exact for one in explained] == [True, True]
    (again,) = [row for one in explained for row in one.rows if row.kind == "payout_failure"]
    assert again.net == made["data"][0]["amount"]
    await proven(gateway)


async def test_a_part_of_a_converted_authorization_is_captured(either: Gateway) -> None:
    gateway = either
    order = await gateway.create("stripe", currency="DKK", amount=54_000, capture="manual")
    await gateway.sandbox.buyer(order)
    await gateway.work()
    path = f"/v1/orders/{order['id']}/capture"
    assert (await gateway.post(path, "capture", {"amount": 40_000})).status_code == 200
    await gateway.work()
    await move(gateway, hours=1)
    await settle(gateway, "stripe")
    assert await clearing(gateway) == await at_providers(gateway) != {}
    assert await exceptions(gateway) == []


async def test_what_paypal_converts_is_settled_too(either: Gateway) -> None:
    """The account has no DKK: two lines of their own make EUR of what each movement brought."""
    gateway = either
    order = await gateway.create("paypal", currency="DKK", amount=54_020)
    await gateway.sandbox.buyer(order)
    await gateway.work()
    assert (await gateway.refund(order, 1_010)).status_code == 201
    told = {"provider": "paypal", "id": payment_of(await gateway.order(order))}
    await gateway.sandbox.control("dispute", **told, amount=2_030)
    await gateway.sandbox.control("dispute", **told, status="lost")
    await gateway.work()
    await move(gateway, days=3)
    await gateway.sandbox.control("payout", provider="paypal")
    await move(gateway, hours=4)
    await settle(gateway, "paypal")
    assert await exceptions(gateway) == []
    assert await clearing(gateway) == await at_providers(gateway) == {}
    ((told_of_it,),) = (await statements(gateway)).values()
    assert told_of_it.exact
    assert [(row.kind, row.count) for row in told_of_it.rows] == [("conversion", 3)]
    lines = (await gateway.http.get("/v1/balance_transactions?type=conversion")).json()["data"]
    into = [line for line in lines if line["currency"] == "EUR"]
    assert {line["payout"] is not None for line in into if not line["dispute"]} == {True}
    assert await differing(gateway) == set()
    await proven(gateway)


async def test_payouts_that_cost_something_and_come_back(either: Gateway) -> None:
    """A fee of 1.00 for each; the first is returned, and goes out with the second."""
    gateway = either
    control = gateway.sandbox.control
    for provider in SOLD:
        await sell(gateway, provider, 1)
        await move(gateway, days=3)
        made = await control("payout", provider=provider, currency="USD", fee=100)
        await move(gateway, hours=4)
        await settle(gateway, provider)
        assert await clearing(gateway) == await at_providers(gateway) == {}

        (first,) = made["payouts"] if provider == "paypal" else made["data"]
        await control("payout", provider=provider, id=first["id"])
        await move(gateway, hours=4)
        await settle(gateway, provider)
        assert await clearing(gateway) == await at_providers(gateway) != {}
        await control("payout", provider=provider, currency="USD", fee=100)
        await move(gateway, hours=4)
        await settle(gateway, provider)

        assert await clearing(gateway) == await at_providers(gateway) == {}
        told = (await statements(gateway))[provider]
        assert [one.exact for one in told] == [True, True]
        rows = [row.kind for one in told for row in one.rows]
        assert (rows.count("payout_fee"), rows.count("payout_failure")) == (2, 1)
        (back,) = (row for one in told for row in one.rows if row.kind == "payout_failure")
        assert {one.amount for one in told} == {back.net, back.net - 100}
    assert await exceptions(gateway) == []
    lines = (await gateway.http.get("/v1/balance_transactions")).json()["data"]
    for name in {line["payout"] for line in lines}:
        assert sum(line["net"] for line in lines if line["payout"] == name) == 0
    await proven(gateway)


async def test_a_chargeback_at_paypal_costs_a_fee(either: Gateway) -> None:
    """It is a line of its own, which names the payment."""
    gateway = either
    (order,) = await sell(gateway, "paypal", 1)
    told = {"provider": "paypal", "id": payment_of(order)}
    await gateway.sandbox.control("dispute", **told, reason="UNAUTHORISED")
    await gateway.sandbox.control("dispute", **told, status="lost", fee=2000)
    await gateway.work()
    await move(gateway, hours=4)
    await settle(gateway, "paypal")
    assert await exceptions(gateway) == []
    assert await clearing(gateway) == await at_providers(gateway)
    lines = (await gateway.http.get("/v1/balance_transactions?type=fee")).json()["data"]
    assert [(line["fee"], line["order"]) for line in lines] == [(2000, None)]
    await proven(gateway)


async def test_what_is_planted_is_listed_and_nothing_besides(either: Gateway) -> None:
    gateway = either
    sold = {provider: await sell(gateway, provider, 10) for provider in SOLD}
    control = gateway.sandbox.control
    planted = []
    for provider, orders in sold.items():
        for index, kind in enumerate(("missing", "amount", "currency", "fee", "duplicate")):
            await control("discrepancy", provider=provider, id=payment_of(orders[index]), kind=kind)
            name = "missing_there" if kind == "missing" else kind
            planted.append((provider, name, orders[index]["id"]))
        await gateway.sandbox.webhooks("drop")  # a refund that we hear nothing of
        await control("refund", provider=provider, id=payment_of(orders[6]), amount=1000)
        await control("charge", provider=provider, amount=4200, currency="USD")
        await gateway.sandbox.webhooks("normal")
        planted += [(provider, "missing_here", orders[6]["id"]), (provider, "out_of_band", "")]
    await move(gateway, days=3)
    for provider in sold:
        await control("payout", provider=provider)
    await move(gateway, hours=4)
    for provider in sold:
        await settle(gateway, provider)
    assert await exceptions(gateway) == sorted(planted)
    told = await statements(gateway)
    assert [one for provider in sold for one in told[provider] if not one.exact] == []
    # What the ledger has otherwise than the provider is in the lines that are listed, and only
    # there; what nobody's order is about has been booked as it is.
    assert await differing(gateway) == {(p, order) for p, _, order in planted if order}
    await proven(gateway)


async def test_more_payments_take_no_more_statements(gateway: Gateway) -> None:
    """Whatever there is to note of them."""
    opened = gateway.services.ctx.providers.get("stripe")
    assert isinstance(opened, Provider)
    side = Side(DEFAULT_ACCOUNT, "stripe", livemode=False)
    engine = gateway.services.store.database.engine.sync_engine
    counted = []
    for number in (1, 6):
        for order in await sell(gateway, "stripe", number, f"{number} "):
            await gateway.sandbox.control(
                "discrepancy", provider="stripe", id=payment_of(order), kind="fee"
            )
        await move(gateway, days=8)
        until = gateway.clock.now() - timedelta(hours=1)
        since = until - timedelta(days=30)
        await settle(gateway, "stripe")
        async with gateway.services.store.database.write() as connection:
            await connection.execute(delete(t.settlement_exceptions))
        statements: list[str] = []

        def count(_c: object, _k: object, statement: str, *_: object, seen: list[str]) -> None:
            seen.append(statement)

        counting = partial(count, seen=statements)
        event.listen(engine, "before_cursor_execute", counting)
        await compare(gateway.services.ctx, side, since, until)
        event.remove(engine, "before_cursor_execute", counting)
        counted.append(len(statements))
    assert counted[0] == counted[1] > 0
    assert len(await exceptions(gateway)) == 6  # of the first one the order was told meanwhile


async def test_lines_of_nobody_are_compared_in_batches(either: Gateway) -> None:
    """An account may sell elsewhere as well, and a statement takes so many parameters only."""
    gateway, number = either, 1000
    side, until = Side(DEFAULT_ACCOUNT, "stripe", livemode=False), gateway.clock.now()
    lines = [
        ProviderTransaction(
            id=f"txn_{index}", kind="charge", gross=100, fee=0, net=100, currency="USD",
            at=until - timedelta(minutes=index), object_id=f"ch_{index}",
        )
        for index in range(number)
    ]  # fmt: skip
    for start in range(0, number, 200):
        async with gateway.services.store.transaction() as tx:
            await tx.save_records(side, lines[start : start + 200], until)
    most = 0

    def count(_c: object, _k: object, _s: object, given: Sized, _x: object, many: bool) -> None:
        nonlocal most
        most = max(most, 0 if many else len(given))

    engine = gateway.services.store.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    for _ in range(2):  # again: nothing changes
        await compare(gateway.services.ctx, side, until - timedelta(days=5), until)
        assert await exceptions(gateway) == [("stripe", "out_of_band", "")] * number
    event.remove(engine, "before_cursor_execute", count)
    assert 200 < most < 300
    n = t.settlement_notes.c
    async with gateway.services.store.database.read() as connection:
        noted = await connection.execute(select(n.action, func.count()).group_by(n.action))
        assert [tuple(row) for row in noted] == [("found", number)]


async def test_a_payout_by_hand_and_what_comes_after_it(either: Gateway) -> None:
    """Stripe refuses to tell what it holds; the job goes on, and finance sees the payout."""
    gateway = either
    await sell(gateway, "stripe", 1)
    await move(gateway, days=3)
    made = await gateway.sandbox.control("payout", provider="stripe", automatic=False)
    await sell(gateway, "stripe", 1, "after")
    await move(gateway, days=3)
    await gateway.sandbox.control("payout", provider="stripe")
    await move(gateway, hours=1)
    ctx = gateway.services.ctx
    async with ctx.store.transaction() as tx:
        await tx.enqueue("", "settle", "stripe", ctx.now())
    await gateway.work()
    payouts = (await gateway.http.get("/v1/payouts")).json()["data"]
    told = {}
    for payout in payouts:
        found = (await gateway.http.get(f"/v1/payouts/{payout['id']}")).json()
        told[payout["provider_payout_id"]] = [row["kind"] for row in found["rows"]]
    assert told.pop(made["data"][0]["id"]) == ["unexplained"]
    assert list(told.values()) == [["charge"]]
    assert await clearing(gateway) == await at_providers(gateway) == {}
    assert await exceptions(gateway) == []
    await proven(gateway)


async def test_an_exception_goes_when_its_cause_does(gateway: Gateway) -> None:
    order = (await sell(gateway, "stripe", 1))[0]
    await gateway.sandbox.webhooks("drop")
    await gateway.sandbox.control("refund", provider="stripe", id=payment_of(order), amount=1000)
    await move(gateway, hours=4)
    await settle(gateway, "stripe")
    assert await exceptions(gateway) == [("stripe", "missing_here", order["id"])]
    await gateway.sandbox.webhooks("normal")
    await gateway.later(days=1)  # the list of events is read
    await settle(gateway, "stripe")
    assert await exceptions(gateway) == [("stripe", "out_of_band", order["id"])]


async def test_the_job_reads_period_by_period_and_comes_back(gateway: Gateway) -> None:
    await sell(gateway, "paypal", 2)
    await move(gateway, hours=4)
    ctx = gateway.services.ctx
    async with ctx.store.transaction() as tx:
        await tx.enqueue("", "settle", "paypal", ctx.now())
    await gateway.work()
    async with gateway.services.store.database.read() as connection:
        job = (await connection.execute(select(t.jobs).where(t.jobs.c.kind == "settle"))).one()
        lines = (await connection.execute(select(t.provider_records))).all()
    assert job.run_at > ctx.now() + timedelta(minutes=59)
    assert len(lines) == 2
    assert all(record_of(line) == replace(record_of(line), payout_id=None) for line in lines)
    assert await exceptions(gateway) == []


async def test_a_dispute_that_is_lost_at_paypal(gateway: Gateway) -> None:
    """PayPal takes its money by a reversal, which the order shows among its refunds as well."""
    (order,) = await sell(gateway, "paypal", 1)
    told = {"provider": "paypal", "id": payment_of(order)}
    await gateway.sandbox.control("dispute", **told, reason="MERCHANDISE_OR_SERVICE_NOT_RECEIVED")
    await gateway.work()
    await gateway.sandbox.control("dispute", **told, status="lost")
    await gateway.work()
    await sell(gateway, "paypal", 1, "more")
    await move(gateway, days=3)
    await gateway.sandbox.control("payout", provider="paypal")
    await move(gateway, hours=6)
    await settle(gateway, "paypal")
    assert await exceptions(gateway) == []
    lines = (await gateway.http.get("/v1/balance_transactions")).json()["data"]
    types = Counter(line["type"] for line in lines if line["order"] == order["id"])
    assert types["dispute"] == 1
    (payout,) = (line for line in lines if line["type"] == "payout")
    assert sum(line["net"] for line in lines if line["payout"] == payout["payout"]) == 0
    assert await clearing(gateway) == await at_providers(gateway)
