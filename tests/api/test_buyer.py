"""The buyer comes back: confirmed server-side, then sent on, whatever the provider does."""

import pytest

from api.buyer import with_order
from gateway.errors import OutcomeUnknown, Unavailable
from tests.api.conftest import Gateway, code_of, page_of


async def test_the_return_confirms_and_sends_the_buyer_on(gateway: Gateway) -> None:
    order = await gateway.order(success_url="https://shop.example/ok?cart=9&order=old#top")
    gateway.fake.buyer_pays(page_of(order))
    for _ in range(2):  # a reload too
        answer = await gateway.http.get(f"/checkout/{order['id']}/return?token=x&PayerID=y")
        assert answer.status_code == 303
        assert (
            answer.headers["Location"] == f"https://shop.example/ok?cart=9&order={order['id']}#top"
        )
    shown = await gateway.read(order)
    assert (shown["status"], shown["amount_captured"]) == ("paid", 5400)


async def test_the_redirect_alone_proves_nothing(gateway: Gateway) -> None:
    order = await gateway.order()
    answer = await gateway.http.get(f"/checkout/{order['id']}/return")
    assert answer.headers["Location"] == f"https://shop.example/ok?order={order['id']}"
    assert (await gateway.read(order))["status"] == "open"


async def test_giving_up_leaves_the_order_open(gateway: Gateway) -> None:
    order = await gateway.order()
    answer = await gateway.http.get(f"/checkout/{order['id']}/cancel")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"https://shop.example/cart?order={order['id']}"
    assert (await gateway.read(order))["status"] == "open"


@pytest.mark.parametrize(
    "error", [Unavailable("down"), OutcomeUnknown("no answer"), RuntimeError("a bug in an adapter")]
)
async def test_a_provider_that_is_down_does_not_hold_the_buyer(
    gateway: Gateway, error: Exception
) -> None:
    order = await gateway.order()
    gateway.fake.fail("confirm", error, error, error)
    answer = await gateway.http.get(f"/checkout/{order['id']}/return")
    assert answer.status_code == 303
    gateway.fake.buyer_pays(page_of(order))
    gateway.clock.advance(minutes=2)
    await gateway.work()  # and the worker finds out
    assert (await gateway.read(order))["status"] == "paid"


async def test_an_order_that_is_not_there(gateway: Gateway) -> None:
    for path in ("/checkout/ord_none/return", "/checkout/ord_none/cancel"):
        assert code_of(await gateway.http.get(path)) == (404, "not_found")
    assert code_of(await gateway.http.get("/checkout/%00/return")) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://shop.example", "https://shop.example?order=ord_1"),
        ("https://shop.example/a%20b", "https://shop.example/a%20b?order=ord_1"),
        ("https://shop.example/?q=a%20b+c", "https://shop.example/?q=a%20b+c&order=ord_1"),
        ("https://shop.example/?q=%E9&flag", "https://shop.example/?q=%E9&flag&order=ord_1"),
        ("https://shop.example/?order=old&x=1", "https://shop.example/?x=1&order=ord_1"),
        ("https://shop.example/?reorder=1", "https://shop.example/?reorder=1&order=ord_1"),
        ("https://shop.example/#/cart", "https://shop.example/?order=ord_1#/cart"),
    ],
)
def test_the_order_joins_the_query(url: str, expected: str) -> None:
    assert with_order(url, "ord_1") == expected
