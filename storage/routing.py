"""Routing policies: which provider a merchant's orders go to where he leaves it to us."""

import msgspec
from sqlalchemy import select

from gateway.ports import Clock
from gateway.routing import DEFAULT, RoutingPolicy
from storage import tables as t
from storage.engine import Database

_decode = msgspec.json.Decoder(RoutingPolicy).decode


class RoutingPolicies:
    """The policies of all merchants; each call names the merchant and the mode."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, merchant_id: str, livemode: bool) -> RoutingPolicy:
        """The merchant's policy, or the one for those who have none."""
        c = t.routing_policies.c
        query = select(c.policy).where(c.merchant_id == merchant_id, c.livemode == livemode)
        async with self._database.read() as connection:
            stored = await connection.scalar(query)
        return DEFAULT if stored is None else _decode(stored)

    async def replace(self, merchant_id: str, livemode: bool, policy: RoutingPolicy) -> None:
        """This one from now on."""
        insert = self._database.insert(t.routing_policies).values(
            merchant_id=merchant_id,
            livemode=livemode,
            policy=msgspec.json.encode(policy),
            updated_at=self._clock.now(),
        )
        async with self._database.write() as connection:
            await connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["merchant_id", "livemode"],
                    set_={
                        "policy": insert.excluded.policy,
                        "updated_at": insert.excluded.updated_at,
                    },
                )
            )
