"""`gateway doctor` sees what is wrong, says what to do, and finds nothing where all is well."""

import dataclasses
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from api import findings
from api.doctor import _file_system, examine
from gateway.provider import RegisteredWebhook
from storage import tables as t
from storage.condition import Server, Waiting
from tests.commands.running import command
from tests.faults.stage import Gateway, House, MovableClock, Sandbox


async def seen(house: House, **environment: str) -> dict[str, findings.Finding]:
    """What is not well, by what was looked at."""
    found = await examine({**house.environment, **environment})
    assert all(bool(one.cure) == (one.level != "ok") for one in found), found
    return {one.check: one for one in found if one.level != "ok"}


async def test_all_is_well(house: House, gateway: Gateway) -> None:
    """Only that a gateway on 127.0.0.1 is reached by nobody else is worth a word."""
    await gateway.paid("stripe")
    await gateway.paid("paypal", key="second")
    result = await command(house, "doctor", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    checks = [one["check"] for one in told["findings"]]
    assert [one["check"] for one in told["findings"] if one["level"] != "ok"] == ["public address"]
    for name in ("stripe", "paypal"):
        assert {name, f"{name}: webhook", f"{name}: last webhook"} <= set(checks)
    assert (told["warn"], told["fail"]) == (1, 0)
    assert told["ok"] == len(checks) - 1

    people = await command(house, "doctor")
    assert people.exit_code == 0
    assert "answers and accepts the credentials" in people.stdout
    assert "set GATEWAY_PUBLIC_URL" in people.stdout


async def test_nothing_secret_is_said(house: House, gateway: Gateway) -> None:
    result = await command(house, "doctor")
    secrets = [v for k, v in house.environment.items() if k.endswith(("SECRET", "SECRET_KEY"))]
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in result.output]


async def test_all_wrong_settings_at_once(house: House) -> None:
    wrong = {
        "GATEWAY_SECRET_KEY": "short",
        "GATEWAY_POOL_SIZE": "many",
        "STRIPE_SECRET_KEY": "",
        "PAYPAL_WEBHOOK_ID": "",
    }
    found = await examine({k: v for k, v in {**house.environment, **wrong}.items() if v})
    said = [one.detail for one in found if one.check == "settings"]
    for name in wrong:
        assert [detail for detail in said if detail.startswith(name)], (name, said)
    assert "database" in {one.check for one in found}  # it is looked at all the same
    result = await command(house, "doctor", **wrong)
    assert result.exit_code == 1


async def test_settings_without_a_provider(house: House) -> None:
    names = ("DATABASE_URL", "GATEWAY_SECRET_KEY")
    bare = dataclasses.replace(house, environment={n: house.environment[n] for n in names})
    assert (await seen(bare))["providers"].level == "fail"


async def test_a_database_that_is_not_there(house: House, tmp_path: Path) -> None:
    path = tmp_path / "nowhere.db"
    found = await seen(house, DATABASE_URL=f"sqlite+aiosqlite:///{path}")
    assert found["database"].level == "fail"
    assert "gateway migrate" in found["database"].cure
    assert not path.exists()  # looking does not make it
    path.touch()
    found = await seen(house, DATABASE_URL=f"sqlite+aiosqlite:///{path}")
    assert found["migrations"].level == "fail"
    assert "0001" in found["migrations"].detail


@pytest.mark.parametrize("provider", ["stripe", "paypal"])
async def test_a_webhook_that_is_not_registered(
    house: House, gateway: Gateway, sandbox: Sandbox, provider: str
) -> None:
    await sandbox.control("webhooks", provider=provider, url=f"{gateway.url}/elsewhere")
    found = await seen(house)
    assert f"{gateway.url}/webhooks/{provider}" in found[f"{provider}: webhook"].detail
    assert len([check for check in found if check.endswith(": webhook")]) == 1


async def test_credentials_that_are_refused(house: House, gateway: Gateway) -> None:
    found = await seen(house, STRIPE_SECRET_KEY="sk_test_wrong", PAYPAL_CLIENT_SECRET="wrong")
    assert "STRIPE_SECRET_KEY" in found["stripe"].detail
    assert "PAYPAL_CLIENT_SECRET" in found["paypal"].detail
    assert {found["stripe"].level, found["paypal"].level} == {"fail"}


async def test_a_webhook_id_that_is_another_s(house: House, gateway: Gateway) -> None:
    found = await seen(house, PAYPAL_WEBHOOK_ID="ANOTHER")
    assert found["paypal: webhook"].level == "fail"
    assert "PAYPAL_WEBHOOK_ID must be" in found["paypal: webhook"].cure


async def test_a_provider_that_is_away(house: House, gateway: Gateway, sandbox: Sandbox) -> None:
    await sandbox.fault("stripe", "list_sessions", "http_500")
    await sandbox.fault("paypal", "list_webhooks", "reset")
    found = await seen(house)
    assert (found["stripe"].level, found["paypal"].level) == ("fail", "fail")


async def test_a_clock_that_is_wrong(house: House, gateway: Gateway) -> None:
    clock = MovableClock()
    clock.ahead = timedelta(minutes=10)
    found = [one for one in await examine(house.environment, clock) if one.check == "clock"]
    assert {one.level for one in found} == {"fail"}
    told_by = {one.detail.split()[-1].removesuffix("'s") for one in found}
    assert told_by - {"database"} == {"stripe", "paypal"}  # SQLite has no clock of its own


async def test_work_that_nobody_does(house: House, gateway: Gateway, sandbox: Sandbox) -> None:
    order = await gateway.create("stripe")
    await sandbox.buyer(order)
    await sandbox.delivered()
    later = MovableClock()
    later.ahead = timedelta(minutes=20)
    found = {one.check: one for one in await examine(house.environment, later)}
    assert found["inbox"].level == "fail"
    assert "gateway worker" in found["inbox"].cure
    assert found["jobs"].level == "fail"
    await gateway.work()
    assert "inbox" not in await seen(house)


async def test_what_was_given_up_and_what_waits_for_a_person(
    house: House, gateway: Gateway, sandbox: Sandbox
) -> None:
    paid = await gateway.paid("stripe")
    capture = paid["payments"][0]["provider_payment_id"]
    await sandbox.control("dispute", provider="stripe", id=capture)
    await gateway.work()
    endpoint = {"url": f"{gateway.url}/nowhere", "events": ["*"]}
    made = (await gateway.http.post("/v1/webhook_endpoints", json=endpoint)).json()
    async with gateway.services.store.database.write() as connection:
        await connection.execute(
            update(t.inbox)
            .where(t.inbox.c.type == "checkout.session.completed")
            .values(status="dead")
        )
        await connection.execute(
            update(t.webhook_endpoints).values(status="disabled", disabled_reason="it said 410")
        )
    other = {"GATEWAY_SECRET_KEY": "another secret than the one that sealed it"}
    found = await examine({**house.environment, **other})
    told = {one.check: one.detail for one in found}
    assert told["dead letters"] == "1 webhooks and 0 jobs were given up"
    assert told["attention"] == "1 dispute"
    at = [one for one in found if one.check == "merchants' endpoints"]
    assert [one.level for one in at] == ["fail", "warn"]
    assert f"{made['id']} is disabled: it said 410" in at[1].detail


async def test_webhooks_that_stay_away(house: House, gateway: Gateway) -> None:
    await gateway.paid("paypal")
    now = gateway.clock.now()
    async with gateway.services.store.database.write() as connection:
        await connection.execute(update(t.inbox).values(received_at=now - timedelta(days=9)))
        await connection.execute(update(t.payments).values(created_at=now - timedelta(days=2)))
    found = await seen(house)
    assert found["paypal: last webhook"].detail.startswith("9 days ago")
    assert "stripe: last webhook" not in found  # nobody pays there


async def test_a_gateway_on_postgresql(house: House, postgresql_url: str) -> None:
    found = await examine({**house.environment, "DATABASE_URL": postgresql_url})
    told = {one.check: one for one in found}
    assert told["database"].level == "ok"
    assert "the database" in next(one.detail for one in found if one.check == "clock")
    # The server of the tests may be a fast one that would lose money.
    judged = [one for one in found if one.check == "postgresql"]
    assert judged
    assert [one for one in judged if one.level != "ok" and " is off: " not in one.detail] == []


async def test_a_gateway_that_nobody_can_call(house: House, sqlite_template: Path) -> None:
    found = await seen(house, DATABASE_URL=f"sqlite+aiosqlite:///{sqlite_template}")
    assert found["API keys"].level == "warn"
    assert "gateway keys create" in found["API keys"].cure


def test_servers_that_lose_money() -> None:
    settings = {
        "fsync": "off",
        "full_page_writes": "on",
        "synchronous_commit": "off",
        "max_connections": "100",
        "server_encoding": "SQL_ASCII",
    }
    now = MovableClock().now()
    server = Server(140_005, settings, read_only=True, connections=95, now=now)
    told = [(one.level, one.detail.split()[0]) for one in findings.server(server, 10)]
    assert told == [
        ("fail", "it"),
        ("fail", "it"),
        ("fail", "fsync"),
        ("fail", "synchronous_commit"),
        ("fail", "its"),
        ("warn", "95"),
    ]
    good = settings | dict.fromkeys(("fsync", "synchronous_commit"), "on")
    good["server_encoding"] = "UTF8"
    fine = findings.server(Server(180_001, good, read_only=False, connections=5, now=now), 10)
    assert [one.level for one in fine] == ["ok"]


def test_webhooks_that_lack_something() -> None:
    url = "https://pay.example/webhooks/x"
    hook = RegisteredWebhook("w1", f"{url}/", enabled=False, missing=("a.b", "c.d"))
    found = findings.registered("x", url, True, [RegisteredWebhook("w0", f"{url}y"), hook])
    assert [(one.level, one.detail) for one in found] == [
        ("fail", "w1 is disabled at x"),
        ("warn", "w1 is not sent a.b, c.d"),
    ]
    assert findings.registered("x", url, True, [])[0].level == "fail"
    assert findings.registered("x", url, False, [])[0].level == "warn"


def test_ages() -> None:
    waiting = Waiting(3, MovableClock().now())
    assert waiting.oldest is not None
    spans = [0, 119, 120, 7199, 7200, 172_799, 172_800]
    assert [findings.ago(timedelta(seconds=span)) for span in spans] == [
        "0 seconds", "119 seconds", "2 minutes", "119 minutes", "2 hours", "47 hours", "2 days",
    ]  # fmt: skip


def test_the_file_system_of_a_file(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nhost:/x {tmp_path} nfs4 rw 0 0\n")
    assert _file_system(tmp_path / "gateway.db", mounts) == "nfs4"
    assert _file_system(Path("/var/gateway.db"), mounts) == "ext4"
    assert _file_system(Path("/var/gateway.db"), tmp_path / "none") == ""
