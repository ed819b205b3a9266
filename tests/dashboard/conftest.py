"""A browser without a screen: signs in at a gateway's dashboard, opens pages, sends their forms."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest

from api.dashboard.passwords import hash_password
from api.dashboard.people import Desk
from storage.users import Role
from tests.api.conftest import PUBLIC_URL, Gateway, one_gateway

__all__ = ["one_gateway"]

PASSWORD = "correct horse battery staple"
_HASH = hash_password(PASSWORD)
OWN = {"sec-fetch-site": "same-origin"}
_FIELD = re.compile(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"')


class Reader:
    """One person and a browser."""

    def __init__(
        self, gateway: Gateway | None, language: str = "en-US", *, url: str = PUBLIC_URL
    ) -> None:
        self.http = httpx.AsyncClient(
            transport=gateway.http._transport if gateway else None,
            base_url=url,
            headers={"accept-language": language},
        )

    async def sign_in(self, **fields: str) -> httpx.Response:
        """With `key`, or with `email` and `password`."""
        return await self.http.post("/dashboard/sign-in", data=fields, headers=OWN)

    async def get(self, path: str, code: int = 200, /, **params: Any) -> str:
        """A page's HTML."""
        answer = await self.http.get(f"/dashboard{path}", params=params or None)
        assert answer.status_code == code, (answer.status_code, answer.headers, answer.text)
        return answer.text

    async def send(self, path: str, page: str, /, **fields: Any) -> httpx.Response:
        """A form of `page`, with its hidden fields."""
        sent = {name: unescape(value) for name, value in _FIELD.findall(page)} | fields
        return await self.http.post(f"/dashboard{path}", data=sent, headers=OWN)


async def add_user(gateway: Gateway, role: Role, email: str = "ada@example.com") -> str:
    """A user of the gateway's merchant, whose password is PASSWORD; the id."""
    desk = Desk(gateway.services)
    return (await desk.users.create(gateway.merchant, email, "Ada", role, _HASH)).id


async def reader_as(gateway: Gateway, role: Role) -> Reader:
    """A user of this role, signed in, in test mode."""
    email = f"{role}@example.com"
    await add_user(gateway, role, email)
    reader = Reader(gateway)
    assert (await reader.sign_in(email=email, password=PASSWORD)).status_code == 303
    page = await reader.get("/account")
    await reader.send("/mode", page, mode="test")
    return reader


@pytest.fixture
async def admin(one_gateway: Gateway) -> AsyncIterator[Reader]:
    """Signed in with the merchant's secret key."""
    reader = Reader(one_gateway)
    answer = await reader.sign_in(key=one_gateway.secret)
    assert answer.status_code == 303, answer.text
    yield reader
    await reader.http.aclose()
