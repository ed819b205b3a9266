"""The database goes away under a running service, and comes back."""

from collections.abc import Iterator

import pytest

from api import worker
from storage.migrate import upgrade
from tests.api.conftest import code_of, open_gateway, order_body, page_of, until
from tests.own_postgres import OwnPostgres, own_postgres


@pytest.fixture
def server() -> Iterator[OwnPostgres]:
    """A PostgreSQL that this test may kill."""
    with own_postgres() as one:
        yield one


async def test_without_its_database_it_says_503_and_goes_on_when_it_is_back(
    server: OwnPostgres,
) -> None:
    url = server.server.database_url("postgres")
    await upgrade(url)
    async with open_gateway(url) as gateway, worker.running(gateway.services):
        order = await gateway.order()
        headers, body = gateway.fake.event(gateway.fake.buyer_pays(page_of(order)), "ev_1")

        server.kill()
        ready = await gateway.http.get("/health/ready")
        assert (ready.status_code, ready.json()["database"]) == (503, "unavailable")
        assert (await gateway.http.get("/health/live")).status_code == 200
        for answer in (
            await gateway.get(f"/v1/orders/{order['id']}"),
            await gateway.post("/v1/orders", order_body(), idempotency="k-1"),
            await gateway.http.post("/webhooks/fake", headers=headers, content=body),
            await gateway.http.get(f"/checkout/{order['id']}/return"),
        ):
            assert code_of(answer) == (503, "store_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert gateway.fake.count("create") == 1

        server.start()
        assert (await gateway.http.get("/health/ready")).status_code == 200
        again = await gateway.post("/v1/orders", order_body(), idempotency="k-1")
        assert again.status_code == 201
        answer = await gateway.http.post("/webhooks/fake", headers=headers, content=body)
        assert answer.status_code == 200

        async def paid() -> bool:
            return bool((await gateway.read(order))["status"] == "paid")

        await until(paid)  # the worker has lived through it
