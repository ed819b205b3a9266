"""The policy over HTTP: reading, replacing, and what it makes of the list of providers."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Gateway, code_of

DEFAULT = {"rules": [{"providers": ["*"]}], "avoid_degraded": True}
POLICY = {
    "rules": [
        {"currencies": ["USD"], "max_amount": 1000, "providers": ["other"]},
        {"countries": ["DE"], "shares": {"fake": 30, "other": 70}},
        {"providers": ["fake"]},
    ],
    "avoid_degraded": False,
}


async def put(gateway: Gateway, policy: Any, key: str | None = None) -> httpx.Response:
    """PUT /v1/routing."""
    headers = {"Authorization": f"Bearer {key or gateway.secret}"}
    return await gateway.http.put("/v1/routing", json=policy, headers=headers)


async def listed(gateway: Gateway, **wanted: Any) -> tuple[list[str], dict[str, str]]:
    """The names in order, and why the others are not there."""
    answer = await gateway.get("/v1/providers", **wanted)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return (
        [provider["name"] for provider in found["data"]],
        {provider["name"]: provider["reason"] for provider in found["excluded"]},
    )


async def test_a_policy_is_replaced_as_a_whole(gateway: Gateway) -> None:
    assert (await gateway.get("/v1/routing")).json() == DEFAULT
    for _ in range(2):
        answer = await put(gateway, POLICY)
        assert (answer.status_code, answer.json()) == (200, POLICY)
        assert (await gateway.get("/v1/routing")).json() == POLICY
    assert (await put(gateway, DEFAULT)).status_code == 200
    assert (await gateway.get("/v1/routing")).json() == DEFAULT


async def test_it_is_one_merchant_s_in_one_mode(gateway: Gateway) -> None:
    await put(gateway, POLICY)
    stranger = await gateway.key(merchant=await gateway.services.keys.merchant("Bob's shop"))
    for key in (stranger, await gateway.key(livemode=True)):
        assert (await gateway.get("/v1/routing", key=key)).json() == DEFAULT
    live = {"rules": [{"providers": ["reallive"]}], "avoid_degraded": True}
    assert (await put(gateway, live, await gateway.key(livemode=True))).status_code == 200
    assert (await gateway.get("/v1/routing")).json() == POLICY


async def test_who_may(refusing: Gateway) -> None:
    reader = await refusing.key("restricted", scopes=("orders:read",))
    writer = await refusing.key("restricted", scopes=("orders:write",))
    public = await refusing.key("publishable")
    assert (await refusing.get("/v1/routing", key=reader)).status_code == 200
    assert code_of(await put(refusing, DEFAULT, reader)) == (403, "forbidden")
    assert (await put(refusing, DEFAULT, writer)).status_code == 200
    for answer in (
        await refusing.get("/v1/routing", key=public),
        await put(refusing, DEFAULT, public),
    ):
        assert code_of(answer) == (403, "forbidden")
    assert code_of(await refusing.http.get("/v1/routing")) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("policy", "code", "path"),
    [
        ({}, "invalid_request", "rules"),
        ({"rules": []}, "invalid_request", "rules"),
        ({"rules": [{"provider": "fake"}]}, "invalid_request", "rules[0].provider"),
        ({"rules": [{"providers": "fake"}]}, "invalid_request", "rules[0].providers"),
        ({"rules": [{"shares": {"fake": "50"}}]}, "invalid_request", "rules[0].shares[...]"),
        ({"rules": [{"shares": {"fake": 99}}]}, "invalid_request", "rules[0].shares"),
        ({"rules": [{"providers": ["reallive"]}]}, "unknown_provider", "rules[0].providers[0]"),
        (
            {"rules": [{"providers": ["*"], "countries": ["Germany"]}]},
            "invalid_request",
            "rules[0].countries[0]",
        ),
        (
            {"rules": [{"providers": ["*"], "currencies": ["XXX"]}]},
            "invalid_amount",
            "rules[0].currencies[0]",
        ),
    ],
)
async def test_a_mistake_is_named_by_its_path(
    refusing: Gateway, policy: Any, code: str, path: str
) -> None:
    answer = await put(refusing, policy)
    assert code_of(answer) == (400, code), answer.text
    assert [error["path"] for error in answer.json()["errors"]] == [path]


async def test_without_a_question_all_are_listed(one_gateway: Gateway) -> None:
    await put(one_gateway, {"rules": [{"providers": ["other"]}]})
    assert await listed(one_gateway) == (["fake", "other"], {})


async def test_those_that_can_serve_best_first(one_gateway: Gateway) -> None:
    await put(one_gateway, POLICY)
    assert await listed(one_gateway, currency="USD", amount=1000) == (["other", "fake"], {})
    names, excluded = await listed(one_gateway, currency="USD", amount=1001)
    assert names == ["fake"]
    assert excluded == {"other": "no rule of the policy that fits names it"}
    assert (await listed(one_gateway, country="DE"))[0] == ["other", "fake"]
    names, excluded = await listed(one_gateway, currency="JPY", country="DE")
    assert (names, excluded) == (["fake"], {"other": "Fake does not take JPY"})
    names, excluded = await listed(one_gateway, capture="manual", country="DE")
    assert (names, excluded) == (
        ["fake"],
        {"other": "Fake cannot authorize now and capture later"},
    )
    answer = await one_gateway.get("/v1/providers", country="DE")
    assert [one["reason"] for one in answer.json()["data"]] == [
        "rule 2: a share of 70 percent",
        "rule 2: a share of 30 percent",
    ]


async def test_an_amount_that_one_cannot_express(one_gateway: Gateway) -> None:
    assert (await listed(one_gateway, currency="HUF", amount=12300))[0] == ["fake"]
    names, excluded = await listed(one_gateway, currency="HUF", amount=12345)
    assert names == []
    assert "cannot be expressed exactly" in excluded["fake"]


@pytest.mark.parametrize(
    ("query", "code", "path"),
    [
        ({"currency": "XXX"}, "invalid_request", "currency"),
        ({"amount": "5"}, "invalid_request", "currency"),
        ({"currency": "USD", "amount": "0"}, "invalid_request", "amount"),
        ({"currency": "USD", "amount": "5.5"}, "invalid_request", "amount"),
        ({"country": "Germany"}, "invalid_request", "country"),
        ({"country": "DE\n"}, "invalid_request", "country"),
        ({"capture": "later"}, "invalid_request", "capture"),
        ({"curency": "USD"}, "invalid_request", "curency"),
    ],
)
async def test_what_cannot_be_asked(
    refusing: Gateway, query: dict[str, str], code: str, path: str
) -> None:
    answer = await refusing.get("/v1/providers", **query)
    assert code_of(answer) == (400, code), answer.text
    assert [error["path"] for error in answer.json()["errors"]] == [path]
