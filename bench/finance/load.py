"""Filling a migrated PostgreSQL with orders, as fast as it takes them."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager

import asyncpg

from bench.finance import orders

_CHUNK = 5_000
_PROCESSES = 2


async def load(url: str, total: int) -> None:
    """Make `total` orders of one merchant. `url`: of an empty, migrated database, without driver.

    As any bulk load: without foreign keys, the indexes built afterwards.
    """
    async with _connected(url) as connection:
        await connection.execute(
            "INSERT INTO merchants (id, name, created_at) VALUES ($1, 'Shop', $2)",
            orders.MERCHANT,
            orders.START,
        )
        await connection.copy_records_to_table(
            "provider_payouts", records=orders.payouts(), columns=orders.COLUMNS["provider_payouts"]
        )
        indexes = await connection.fetch(_INDEXES, [*orders.COLUMNS])
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        await _fill(url, total)
        for index in indexes:
            await connection.execute(index["made"])
        await connection.execute("VACUUM ANALYZE")


_INDEXES = """
    SELECT indexname AS name, indexdef AS made FROM pg_indexes
    WHERE tablename = ANY($1) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
    ORDER BY indexname
"""


async def _fill(url: str, total: int) -> None:
    chunks = [range(at, min(at + _CHUNK, total)) for at in range(0, total, _CHUNK)]
    if len(chunks) < _PROCESSES * 2:
        await _copy(url, total, chunks)
        return
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(_PROCESSES) as pool:
        shares = [chunks[number::_PROCESSES] for number in range(_PROCESSES)]
        work = [loop.run_in_executor(pool, _copy_alone, url, total, share) for share in shares]
        await asyncio.gather(*work)


def _copy_alone(url: str, total: int, chunks: list[range]) -> None:
    asyncio.run(_copy(url, total, chunks))


async def _copy(url: str, total: int, chunks: list[range]) -> None:
    async with _connected(url) as connection:
        await connection.execute("SET session_replication_role = replica")
        for chunk in chunks:
            rows = orders.made(total, chunk)
            for table, its in rows.items():
                await connection.copy_records_to_table(
                    table, records=its, columns=orders.COLUMNS[table]
                )


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=30)
    try:
        yield connection
    finally:
        await connection.close()
