"""An old backup is restored: what has happened since is imported, and nothing is done twice."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from gateway.sweeps import schedule
from tests.faults.stage import PROVIDERS, House, MovableClock, Sandbox, open_gateway
from tests.recovery.story import attention


def database(house: House) -> Path:
    """The file of a house on SQLite."""
    return Path(str(make_url(house.environment["DATABASE_URL"]).database))


def restore(backup: Path, file: Path) -> None:
    """Put the backup in the place of what there is."""
    for suffix in ("-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(backup, file)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_old_backup(sqlite_house: House, sandbox: Sandbox, provider: str) -> None:
    """Before the backup: an open order and a paid one. After it: both move on, a third is paid."""
    clock, file = MovableClock(), database(sqlite_house)
    async with open_gateway(sqlite_house, sandbox, clock=clock) as gateway:
        paid = await gateway.paid(provider, key="paid")
        opened = await gateway.create(provider, key="opened")
        await schedule(gateway.services.ctx)
        await gateway.work()
    backup = file.with_suffix(".backup")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(backup)) as copy:
        source.backup(copy)

    async with open_gateway(sqlite_house, sandbox, clock=clock) as gateway:
        await sandbox.buyer(opened)
        await gateway.work()
        assert (await gateway.order(opened))["status"] == "paid"
        assert (await gateway.refund(paid, 1000)).status_code == 201
        lost = await gateway.paid(provider, key="lost")
        await gateway.work()
        charges, refunds = await sandbox.ledger("charge"), await sandbox.ledger("refund")
    assert (len(charges), len(refunds)) == (3, 1)

    restore(backup, file)
    async with open_gateway(sqlite_house, sandbox, clock=clock) as gateway:
        assert (await gateway.order(opened))["status"] == "open"
        await schedule(gateway.services.ctx)
        await gateway.work()
        now_opened, now_paid = await gateway.order(opened), await gateway.order(paid)
        assert now_opened["status"] == "paid"
        assert now_paid["status"] == "partially_refunded"
        assert now_paid["amount_refundable"] == 4400
        orphans: list[Any] = []
        while not orphans:  # what belongs to the lost order is nobody's, and is told
            await gateway.later(seconds=35)
            orphans = await attention(gateway, kind="orphan_event", status="open")
        assert any(lost["payments"][0]["id"] in item["detail"] for item in orphans)
        # The merchant repeats what was lost, and the gateway asks after everything once more.
        repeated = await gateway.create(provider, key="lost")
        assert repeated["status"] == "open"
        await gateway.confirm(opened)
        await gateway.later(hours=25)
        assert await sandbox.ledger("charge") == charges
        assert await sandbox.ledger("refund") == refunds
