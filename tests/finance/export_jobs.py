"""Exports as jobs, for their tests: asked for, worked on, read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import func, select

from api.exporting import making
from api.exporting.making import Exporter
from storage import tables as t
from tests.api.conftest import Gateway, open_gateway


@asynccontextmanager
async def gateway_with_orders(database_url: str) -> AsyncIterator[Gateway]:
    """With five orders; batches and pieces are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.flat.BATCH", 2)
        patch.setattr(making, "_PIECE", 1000)
        async with open_gateway(database_url) as opened:
            for number in range(5):
                await opened.order(reference=f"A-{number}", currency="EUR" if number else "JPY")
            yield opened


async def asked(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    answer = await gateway.post("/v1/exports", {"kind": "orders"} | fields)
    assert answer.status_code == 202, answer.text
    export: dict[str, Any] = answer.json()
    return export


async def read(gateway: Gateway, export: dict[str, Any]) -> dict[str, Any]:
    answer = await gateway.get(f"/v1/exports/{export['id']}")
    assert answer.status_code == 200, answer.text
    now: dict[str, Any] = answer.json()
    return now


async def work(gateway: Gateway) -> None:
    """What the worker does, until nothing is due."""
    while await Exporter(gateway.services).run_due():
        pass


async def pieces(gateway: Gateway) -> int:
    async with gateway.services.store.database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(t.export_chunks)) or 0


async def end(gateway: Gateway, export: dict[str, Any]) -> str:
    headers = {"Authorization": f"Bearer {gateway.secret}"}
    answer = await gateway.http.delete(f"/v1/exports/{export['id']}", headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["status"])
