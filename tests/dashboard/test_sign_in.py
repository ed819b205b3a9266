"""Signing in and out: who gets in, for how long, and what a session is guarded by."""

import pytest

from api.dashboard.people import Desk
from storage.users import SESSION_IDLE, SESSION_LIFE
from tests.api.conftest import Gateway
from tests.dashboard.conftest import OWN, PASSWORD, Reader, add_user

COOKIE = "__Host-gateway"


async def test_without_a_session_there_is_only_the_form(one_gateway: Gateway) -> None:
    reader = Reader(one_gateway)
    answer = await reader.http.get("/dashboard/orders?status=paid&q=1")
    assert answer.status_code == 303
    where = answer.headers["location"]
    assert where == "/dashboard/sign-in?next=/dashboard/orders%3Fstatus%3Dpaid%26q%3D1"
    page = await reader.http.get(where)
    assert 'name="next" value="/dashboard/orders?status=paid&amp;q=1"' in page.text
    done = await reader.http.post(
        "/dashboard/sign-in",
        data={"key": one_gateway.secret, "next": "/dashboard/orders?status=paid&q=1"},
        headers=OWN,
    )
    assert done.headers["location"] == "/dashboard/orders?status=paid&q=1"


@pytest.mark.parametrize(
    "where",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/demo", "/dashboard\n/x"],
)
async def test_after_it_one_stays_inside(one_gateway: Gateway, where: str) -> None:
    reader = Reader(one_gateway)
    answer = await reader.sign_in(key=one_gateway.secret, next=where)
    assert answer.headers["location"] == "/dashboard"


async def test_the_cookie_is_for_the_browser_alone(one_gateway: Gateway) -> None:
    answer = await Reader(one_gateway).sign_in(key=one_gateway.secret)
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(COOKIE.lower())
    for word in ("httponly", "secure", "samesite=lax", "path=/;"):
        assert word in f"{cookie};"


async def test_every_page_has_the_strict_policy(admin: Reader) -> None:
    for path in ("", "/orders", "/sign-in", "/orders/nope", "/static/dashboard.css"):
        answer = await admin.http.get(f"/dashboard{path}")
        assert answer.headers["x-content-type-options"] == "nosniff"
        if "static" not in path:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["cache-control"] == "no-store"
            assert " style=" not in answer.text
            assert " onclick=" not in answer.text


async def test_a_user_signs_in_whatever_the_case_of_the_address(one_gateway: Gateway) -> None:
    await add_user(one_gateway, "finance")
    reader = Reader(one_gateway)
    answer = await reader.sign_in(email=" ADA@example.com ", password=PASSWORD)
    assert answer.status_code == 303
    assert "Ada" in await reader.get("/account")


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "ada@example.com", "password": "wrong"},
        {"email": "eve@example.com", "password": PASSWORD},
        {"email": "ada@example.com\0", "password": PASSWORD},
        {"email": "", "password": ""},
        {"key": "sk_test_nope"},
    ],
)
async def test_the_others_do_not(one_gateway: Gateway, fields: dict[str, str]) -> None:
    await add_user(one_gateway, "finance")
    answer = await Reader(one_gateway).sign_in(**fields)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


async def test_a_publishable_key_is_no_way_in(one_gateway: Gateway) -> None:
    answer = await Reader(one_gateway).sign_in(key=await one_gateway.key("publishable"))
    assert answer.status_code == 401


async def test_five_wrong_passwords_and_one_has_to_wait(one_gateway: Gateway) -> None:
    await add_user(one_gateway, "finance")
    reader = Reader(one_gateway)
    for _ in range(5):
        assert (await reader.sign_in(email="ada@example.com", password="no")).status_code == 401
    late = await reader.sign_in(email="ada@example.com", password=PASSWORD)
    assert late.status_code == 429
    assert "try again in 15 minutes" in late.text
    one_gateway.clock.advance(minutes=15, seconds=1)
    assert (await reader.sign_in(email="ada@example.com", password=PASSWORD)).status_code == 303


async def test_right_passwords_are_not_counted(one_gateway: Gateway) -> None:
    await add_user(one_gateway, "finance")
    reader = Reader(one_gateway)
    for _ in range(8):
        answer = await reader.sign_in(email="ada@example.com", password=PASSWORD)
        assert answer.status_code == 303


async def test_a_session_ends_by_itself(one_gateway: Gateway, admin: Reader) -> None:
    one_gateway.clock.advance(seconds=SESSION_IDLE.total_seconds() - 60)
    await admin.get("/orders")
    one_gateway.clock.advance(seconds=SESSION_IDLE.total_seconds() + 60)
    await admin.get("/orders", 303)


async def test_however_much_it_is_used(one_gateway: Gateway, admin: Reader) -> None:
    for _ in range(int(SESSION_LIFE / SESSION_IDLE) * 2):
        await admin.get("/account")
        one_gateway.clock.advance(seconds=SESSION_IDLE.total_seconds() / 2)
    await admin.get("/account", 303)


async def test_a_revoked_key_ends_its_sessions(one_gateway: Gateway, admin: Reader) -> None:
    keys = await one_gateway.services.keys.list(one_gateway.merchant)
    await one_gateway.services.keys.revoke(keys[0].id)
    await admin.get("/orders", 303)


async def test_a_disabled_user_is_out_at_once(one_gateway: Gateway) -> None:
    user_id = await add_user(one_gateway, "finance")
    reader = Reader(one_gateway)
    await reader.sign_in(email="ada@example.com", password=PASSWORD)
    await reader.get("/account")
    users = Desk(one_gateway.services).users
    await users.set_disabled(one_gateway.merchant, user_id, True)
    await reader.get("/account", 303)
    assert (await reader.sign_in(email="ada@example.com", password=PASSWORD)).status_code == 401


async def test_signing_out_ends_this_session_only(one_gateway: Gateway, admin: Reader) -> None:
    other = Reader(one_gateway)
    await other.sign_in(key=one_gateway.secret)
    kept = admin.http.cookies[COOKIE]
    answer = await admin.send("/sign-out", await admin.get("/account"), everywhere="")
    assert answer.headers["location"] == "/dashboard/sign-in?done=out"
    admin.http.cookies.set(COOKIE, kept)  # a copy of the cookie is of no use
    await admin.get("/account", 303)
    await other.get("/account")


async def test_signing_out_everywhere_ends_all(one_gateway: Gateway, admin: Reader) -> None:
    other = Reader(one_gateway)
    await other.sign_in(key=one_gateway.secret)
    await admin.send("/sign-out", await admin.get("/account"), everywhere="1")
    await other.get("/account", 303)


async def test_a_form_needs_the_sessions_own_token(one_gateway: Gateway, admin: Reader) -> None:
    other = Reader(one_gateway)
    await other.sign_in(key=one_gateway.secret)
    page = await other.get("/keys")
    answer = await admin.send("/keys", page, kind="secret", name="stolen")
    assert answer.status_code == 403
    assert (await admin.send("/keys", "", kind="secret")).status_code == 403
    assert len(await one_gateway.services.keys.list(one_gateway.merchant)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
async def test_a_form_comes_from_our_own_pages(
    one_gateway: Gateway, headers: dict[str, str]
) -> None:
    answer = await Reader(one_gateway).http.post(
        "/dashboard/sign-in", data={"key": one_gateway.secret}, headers=headers
    )
    assert answer.status_code == 403


async def test_an_older_browser_says_where_it_comes_from(one_gateway: Gateway) -> None:
    answer = await Reader(one_gateway).http.post(
        "/dashboard/sign-in",
        data={"key": one_gateway.secret},
        headers={"origin": "https://pay.example.com"},
    )
    assert answer.status_code == 303


async def test_neither_password_nor_cookie_is_stored(one_gateway: Gateway, admin: Reader) -> None:
    await add_user(one_gateway, "admin")
    users = await Desk(one_gateway.services).users.by_email("ada@example.com")
    assert users[0].password.startswith("$argon2id$")
    assert PASSWORD not in repr(users[0])
    assert "argon2" not in repr(users[0])
    token = admin.http.cookies[COOKIE]
    assert await Desk(one_gateway.services).users.session(token) is None
