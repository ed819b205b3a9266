"""People made and changed in the browser, links to choose a password by, and one's own account."""

import asyncio
import re
from html import unescape

import httpx

from api.dashboard.people import Desk
from gateway.errors import Conflict
from tests.api.conftest import PUBLIC_URL, Gateway
from tests.dashboard.conftest import PASSWORD, Reader, add_user, reader_as

NEW = "a longer and quite different sentence"


def link_in(page: str) -> str:
    """The address of a page that shows a link once, without the host."""
    found = re.search(rf'{re.escape(PUBLIC_URL)}/dashboard(/password\?link=[^<"]+)', page)
    assert found, page
    return unescape(found[1])


async def choose(reader: Reader, link: str, new: str = NEW, again: str = NEW) -> httpx.Response:
    page = await reader.get(link)
    return await reader.send("/password", page, new=new, again=again)


async def test_who_is_added_chooses_a_password_once(one_gateway: Gateway, admin: Reader) -> None:
    page = await admin.get("/users")
    made = await admin.send("/users", page, email="Eve@example.com", name="Eve", role="support")
    assert made.status_code == 200
    link = link_in(made.text)
    eve = Reader(one_gateway)
    assert "eve@example.com" in await eve.get(link)
    assert (await choose(eve, link, "short", "short")).status_code == 400
    assert (await choose(eve, link, NEW, PASSWORD)).status_code == 400
    chosen = await choose(eve, link)
    assert chosen.headers["location"].endswith("done=chosen")
    await eve.get(link, 404)
    sent = await eve.http.post(
        "/dashboard/password",
        data={"link": link.partition("=")[2], "new": PASSWORD, "again": PASSWORD},
        headers={"sec-fetch-site": "same-origin"},
    )
    assert sent.status_code == 404
    assert (await eve.sign_in(email="eve@example.com", password=NEW)).status_code == 303
    assert "Support" in await eve.get("/account")
    await eve.get("/users", 403)


async def test_a_link_is_good_for_a_day_and_for_nobody_else(
    one_gateway: Gateway, admin: Reader
) -> None:
    await add_user(one_gateway, "finance", "bob@example.com")
    page = await admin.get("/users")
    made = await admin.send("/users", page, email="eve@example.com", name="", role="finance")
    link = link_in(made.text)
    eve = Reader(one_gateway)
    merchant_id, user_id, until, signature = link.partition("=")[2].split(".")
    desk = Desk(one_gateway.services)
    bob = (await desk.users.by_email("bob@example.com"))[0].id
    for forged in (
        f"{merchant_id}.{bob}.{until}.{signature}",
        f"{merchant_id}.{user_id}.{int(until) + 1}.{signature}",
        f"{merchant_id}.{user_id}.{until}.{signature[:-1]}",
        f"{merchant_id}.{user_id}.x.{signature}",
        "",
        "é",
    ):
        answer = await eve.http.get("/dashboard/password", params={"link": forged})
        assert answer.status_code == 404, forged
    one_gateway.clock.advance(hours=25)
    await eve.get(link, 404)


async def test_a_reset_ends_sessions_and_the_password(one_gateway: Gateway, admin: Reader) -> None:
    reader = await reader_as(one_gateway, "finance")
    user = (await Desk(one_gateway.services).users.by_email("finance@example.com"))[0]
    page = await admin.get("/users")
    link = link_in((await admin.send(f"/users/{user.id}/reset", page)).text)
    assert (await reader.http.get("/dashboard/account")).status_code == 303
    gone = await reader.sign_in(email="finance@example.com", password=PASSWORD)
    assert gone.status_code == 401
    assert (await choose(reader, link)).status_code == 303
    assert (await reader.sign_in(email="finance@example.com", password=NEW)).status_code == 303


async def test_a_changed_role_counts_from_the_next_page(
    one_gateway: Gateway, admin: Reader
) -> None:
    reader = await reader_as(one_gateway, "support")
    user = (await Desk(one_gateway.services).users.by_email("support@example.com"))[0]
    await reader.get("/ledger", 403)
    page = await admin.get("/users")
    assert (await admin.send(f"/users/{user.id}/role", page, role="finance")).status_code == 303
    await reader.get("/ledger")
    assert (await admin.send(f"/users/{user.id}/role", page, role="owner")).status_code == 400
    assert (await admin.send(f"/users/{user.id}/disable", page)).status_code == 303
    assert (await reader.http.get("/dashboard/ledger")).status_code == 303
    assert (await admin.send(f"/users/{user.id}/reset", page)).status_code == 409
    assert (await admin.send(f"/users/{user.id}/enable", page)).status_code == 303
    assert (await reader.sign_in(email=user.email, password=PASSWORD)).status_code == 303
    log = await admin.get("/audit")
    for words in ("changed a user", "disabled a user", "enabled a user", "support to finance"):
        assert words in log


async def test_the_last_administrator_stays(one_gateway: Gateway) -> None:
    admin = await reader_as(one_gateway, "admin")
    desk = Desk(one_gateway.services)
    user = (await desk.users.by_email("admin@example.com"))[0]
    page = await admin.get("/users")
    for path, fields in (("role", {"role": "finance"}), ("disable", {})):
        answer = await admin.send(f"/users/{user.id}/{path}", page, **fields)
        assert answer.status_code == 409
        assert "last administrator" in answer.text
    await add_user(one_gateway, "admin", "second@example.com")
    changed = await admin.send(f"/users/{user.id}/role", page, role="finance")
    assert changed.status_code == 303
    await admin.get("/users", 403)


async def test_two_administrators_cannot_unmake_each_other_at_once(one_gateway: Gateway) -> None:
    users = Desk(one_gateway.services).users
    merchant = one_gateway.merchant
    for name in ("ada", "bob"):
        await add_user(one_gateway, "admin", f"{name}@example.com")
    both = [user.id for user in await users.of_merchant(merchant)]
    ended = await asyncio.gather(
        *(users.set_role(merchant, user_id, "support") for user_id in both),
        return_exceptions=True,
    )
    assert [type(one) for one in ended if one is not None] == [Conflict]
    roles = sorted(user.role for user in await users.of_merchant(merchant))
    assert roles == ["admin", "support"]


async def test_users_of_another_merchant_are_not_there(one_gateway: Gateway, admin: Reader) -> None:
    other = await one_gateway.services.keys.merchant("Bob's shop")
    desk = Desk(one_gateway.services)
    bob = await desk.users.create(other, "bob@example.com", "Bob", "admin", "hash")
    page = await admin.get("/users")
    assert "bob@example.com" not in page
    for path in ("role", "disable", "enable", "reset"):
        answer = await admin.send(f"/users/{bob.id}/{path}", page, role="support")
        assert answer.status_code == 404, path
    assert [user.role for user in await desk.users.of_merchant(other)] == ["admin"]


async def test_a_wrong_user_is_not_added(one_gateway: Gateway, admin: Reader) -> None:
    await add_user(one_gateway, "finance", "bob@example.com")
    page = await admin.get("/users")
    for email, role, words in (
        ("bob@example.com", "admin", "already"),
        ("nobody", "admin", "e-mail"),
        ("eve@example.com", "owner", "role"),
    ):
        answer = await admin.send("/users", page, email=email, name="X", role=role)
        assert answer.status_code == 400
        assert words in answer.text
        assert f'value="{email}"' in answer.text


async def test_ones_own_password(one_gateway: Gateway, admin: Reader) -> None:
    reader, elsewhere = await reader_as(one_gateway, "finance"), Reader(one_gateway)
    await elsewhere.sign_in(email="finance@example.com", password=PASSWORD)
    page = await reader.get("/account")

    async def change(current: str, new: str, again: str) -> int:
        fields = {"current": current, "new": new, "again": again}
        return (await reader.send("/account/password", page, **fields)).status_code

    assert await change("not it", NEW, NEW) == 400
    assert await change(PASSWORD, "short", "short") == 400
    assert await change(PASSWORD, NEW, NEW + "!") == 400
    assert await change(PASSWORD, NEW, NEW) == 303
    await reader.get("/account")
    assert (await elsewhere.http.get("/dashboard/account")).status_code == 303
    assert (await elsewhere.sign_in(email="finance@example.com", password=NEW)).status_code == 303
    key_page = await admin.get("/account")
    assert "Change the password" not in key_page
    assert (await admin.send("/account/password", key_page, current="", new=NEW)).status_code == 403


async def test_guessing_ones_own_password_is_throttled(one_gateway: Gateway) -> None:
    reader = await reader_as(one_gateway, "finance")
    page = await reader.get("/account")
    fields = {"current": "wrong", "new": NEW, "again": NEW}
    codes = [(await reader.send("/account/password", page, **fields)).status_code for _ in range(6)]
    assert codes == [400] * 5 + [429]
    one_gateway.clock.advance(minutes=16)
    right = fields | {"current": PASSWORD}
    assert (await reader.send("/account/password", page, **right)).status_code == 303


async def test_times_are_told_in_the_chosen_zone(one_gateway: Gateway) -> None:
    order = await one_gateway.order()
    reader = await reader_as(one_gateway, "finance")
    page = await reader.get(f"/orders/{order['id']}")
    assert "12:00" in page
    assert "Times are in" in page
    account = await reader.get("/account")
    answer = await reader.send("/account/zone", account, zone="Asia/Kolkata")
    assert answer.status_code == 303
    page = await reader.get(f"/orders/{order['id']}")
    assert "5:30" in page
    assert "Asia/Kolkata" in page
    assert (await reader.send("/account/zone", account, zone="Mars/Base")).status_code == 400
    # It is the person's, in later sessions too.
    again = Reader(one_gateway)
    await again.sign_in(email="finance@example.com", password=PASSWORD)
    assert "Asia/Kolkata" in await again.get("/payouts")


async def test_a_day_of_a_filter_is_one_of_the_zone(one_gateway: Gateway) -> None:
    one_gateway.clock.advance(hours=8)  # 20:00 UTC is the next day in Kolkata
    order = await one_gateway.order(reference="W-77")
    one_gateway.clock.advance(minutes=1)
    reader = await reader_as(one_gateway, "finance")
    for zone, day in (("UTC", "2026-01-01"), ("Asia/Kolkata", "2026-01-02")):
        await reader.send("/account/zone", await reader.get("/account"), zone=zone)
        found = await reader.get("/orders", created_from=day, created_to=day)
        assert order["id"] in found
        other = {"2026-01-01": "2026-01-02", "2026-01-02": "2026-01-01"}[day]
        found = await reader.get("/orders", created_from=other, created_to=other)
        assert order["id"] not in found


async def test_an_idle_link_does_not_open_a_session(one_gateway: Gateway, admin: Reader) -> None:
    page = await admin.get("/users")
    made = await admin.send("/users", page, email="eve@example.com", name="", role="admin")
    eve = Reader(one_gateway)
    await choose(eve, link_in(made.text))
    assert (await eve.http.get("/dashboard/users")).status_code == 303
