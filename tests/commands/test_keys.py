"""`gateway keys roll`: the new key at once, the old one for its grace and no longer."""

import os
from datetime import datetime, timedelta

import httpx
import pytest

from api.security import Keys, Unauthenticated
from gateway.ids import Ids
from storage.engine import Database
from tests.commands.running import command, lines
from tests.faults.stage import SERVER_SECRET, Gateway, House, MovableClock


async def status(gateway: Gateway, key: str) -> int:
    """How a key is answered."""
    headers = {"authorization": f"Bearer {key}"}
    answer: httpx.Response = await gateway.http.get("/v1/orders", headers=headers)
    return answer.status_code


async def test_both_keys_are_good_for_the_grace(house: House, gateway: Gateway) -> None:
    ((old,),) = await lines(house, "keys", "list")
    (rolled,) = await lines(house, "keys", "roll", old["id"], "--grace", "2")
    left = datetime.fromisoformat(rolled["old_until"]) - gateway.clock.now()
    assert timedelta(hours=1, minutes=59) < left < timedelta(hours=2)
    assert [await status(gateway, key) for key in (house.key, rolled["key"])] == [200, 200]
    gateway.clock.ahead = timedelta(hours=1, minutes=59)
    assert [await status(gateway, key) for key in (house.key, rolled["key"])] == [200, 200]
    gateway.clock.ahead = timedelta(hours=2, seconds=1)
    assert [await status(gateway, key) for key in (house.key, rolled["key"])] == [401, 200]
    (listed,) = await lines(house, "keys", "list")
    new = next(key for key in listed if key["id"] == rolled["id"])
    same = ("merchant", "kind", "livemode", "scopes", "name")
    assert [new[name] for name in same] == [old[name] for name in same]
    assert new["revoked_at"] is None


async def test_without_grace_and_after_it(house: House, gateway: Gateway) -> None:
    ((old,),) = await lines(house, "keys", "list")
    result = await command(house, "keys", "roll", old["id"], "--grace", "0")
    assert result.exit_code == 0
    assert await status(gateway, house.key) == 401
    assert await status(gateway, result.stdout.strip()) == 200
    again = await command(house, "keys", "roll", old["id"])
    assert again.exit_code == 1
    assert "is revoked" in again.stderr
    unknown = await command(house, "keys", "roll", "key_unknown")
    assert unknown.exit_code == 1
    assert (await command(house, "keys", "roll", old["id"], "--grace", "-1")).exit_code == 2


async def test_a_rolled_key_can_be_revoked_at_once(house: House, gateway: Gateway) -> None:
    ((old,),) = await lines(house, "keys", "list")
    (rolled,) = await lines(house, "keys", "roll", old["id"])
    assert await status(gateway, house.key) == 200
    assert (await command(house, "keys", "revoke", old["id"])).exit_code == 0
    assert [await status(gateway, key) for key in (house.key, rolled["key"])] == [401, 200]
    (listed,) = await lines(house, "keys", "list")
    ended = next(key for key in listed if key["id"] == old["id"])["revoked_at"]
    assert datetime.fromisoformat(ended) <= gateway.clock.now()
    await command(house, "keys", "revoke", old["id"])
    (listed,) = await lines(house, "keys", "list")
    assert next(key for key in listed if key["id"] == old["id"])["revoked_at"] == ended


async def test_rolling_on_either_database(database_url: str) -> None:
    """Rolled twice, a key ends when the first grace does."""
    database, clock = Database(database_url), MovableClock()
    try:
        keys = Keys(database, Ids(clock, os.urandom), clock, SERVER_SECRET)
        merchant = await keys.merchant("M")
        key = await keys.create(merchant, "restricted", livemode=True, scopes=("orders:read",))
        (listed,) = await keys.list()
        first = await keys.roll(listed.id, timedelta(hours=1))
        second = await keys.roll(listed.id, timedelta(hours=9))
        assert second.old_until == first.old_until
        assert first.key not in repr(first)
        clock.ahead = timedelta(hours=1, seconds=1)
        with pytest.raises(Unauthenticated):
            await keys.authenticate(f"Bearer {key}")
        for rolled in (first, second):
            caller = await keys.authenticate(f"Bearer {rolled.key}")
            assert (caller.kind, caller.livemode) == ("restricted", True)
            assert caller.scopes == {"orders:read"}
        await keys.revoke(first.id)
        with pytest.raises(Unauthenticated):
            await keys.authenticate(f"Bearer {first.key}")
    finally:
        await database.close()


async def test_an_id_that_is_read_off_the_list_is_whole(house: House) -> None:
    """People and scripts copy ids: neither a narrow window nor a pipe may cut them."""
    (made,) = await lines(house, "keys", "create", "--merchant", "Another")
    listed = await command(house, "keys", "list")
    assert made["id"] in listed.stdout
    revoked = await command(house, "keys", "revoke", made["id"])
    assert revoked.exit_code == 0
