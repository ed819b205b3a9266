"""The sandbox in a thread of its own, and what both stands have in common."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar, TypeVar

from gateway.conformance import Act, Books, Delivery, Mailbox, NotPossible, ProviderStand
from gateway.money import Money
from sandbox.app import create_app
from sandbox.server import Server, listen
from sandbox.world import Config, ControlError, ProviderSide, World

T = TypeVar("T")

#: Statuses of a charge or refund that has moved nothing.
_NO_MONEY = frozenset(("authorized", "canceled", "cancelled", "declined", "denied", "failed"))


class Town:
    """A served sandbox. Its world lives in its thread, and is reached through `do`."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self._world = world
        self._loop = loop

    @property
    def url(self) -> str:
        """Its address."""
        return self._world.base_url

    async def do(self, act: Callable[[World], Awaitable[T]]) -> T:
        """What `act` does with the world, done in the sandbox's own event loop."""

        async def acted() -> T:
            return await act(self._world)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(acted(), self._loop))

    async def reset(self) -> None:
        """Empty, and delivering nowhere."""

        async def empty(world: World) -> None:
            for name in world.providers:
                world.webhooks.register(name, "")
            world.reset()

        await self.do(empty)


@contextmanager
def open_town(state_dir: Path) -> Iterator[Town]:
    """A sandbox on a free port."""
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = create_app(Config(base_url=url, seed=1, state_dir=state_dir))
    loop = asyncio.new_event_loop()
    server = Server(app)
    thread = Thread(
        target=lambda: loop.run_until_complete(server.serve(sockets=[listening])), daemon=True
    )
    thread.start()
    try:
        yield Town(app.state.world, loop)
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()
        loop.close()


class SandboxStand(ProviderStand):
    """One provider's side of the town. `actions`: the sandbox's words for what a buyer does."""

    name: str
    actions: ClassVar[Mapping[Act, str]]

    def __init__(self, town: Town, mailbox: Mailbox) -> None:
        self.town = town
        self.mailbox = mailbox
        self.url = f"{town.url}/{self.name}"
        self.given: Mapping[str, str] = {}

    async def settle_in(self) -> None:
        """Empty the town and have it deliver to the mailbox."""
        await self.town.reset()

        async def register(world: World) -> None:
            world.webhooks.register(self.name, self.mailbox.url)
            self.given = world.side(self.name).environment(world.base_url)

        await self.town.do(register)

    async def side(self, act: Callable[[Any], Awaitable[T]]) -> T:
        """What `act` does with the provider's side. Raises NotPossible where it refuses."""
        try:
            return await self.town.do(lambda world: act(world.side(self.name)))
        except ControlError as error:
            raise NotPossible(error.message) from None

    async def buyer(self, checkout_id: str, act: Act) -> None:
        if act == "expire":
            await self.later(self.lifetime)
            return
        await self.side(lambda side: side.buyer(checkout_id, self.actions[act]))

    #: After which an open checkout is over.
    lifetime = timedelta(hours=7)

    async def later(self, span: timedelta) -> None:
        """Move the sandbox's clock."""

        async def move(world: World) -> None:
            world.clock.advance(span.total_seconds())
            await world.tick()

        await self.town.do(move)

    @abstractmethod
    async def checkouts(self, side: Any, payment_id: str) -> tuple[str, ...]:
        """The ids of the payment's checkouts."""

    async def books(self, payment_id: str) -> Books:
        async def read(side: ProviderSide) -> Books:
            rows = [
                row
                for row in side.ledger()
                if row["order_ref"] == payment_id and row["status"].lower() not in _NO_MONEY
            ]
            return Books(
                checkouts=await self.checkouts(side, payment_id),
                captured=_sums(rows, "charge"),
                refunded=_sums(rows, "refund"),
            )

        return await self.side(read)

    async def deliveries(self) -> Sequence[Delivery]:
        async def pending(world: World) -> int:
            return int(world.webhooks.state()["pending"])

        for _ in range(1000):
            if not await self.town.do(pending):
                return list(self.mailbox.received)
            await asyncio.sleep(0.002)
        raise AssertionError("webhooks are still under way")

    async def refund_at_provider(self, checkout_id: str, money: Money) -> None:
        await self.side(lambda side: side.refund(checkout_id, money.amount))

    async def dispute(self, checkout_id: str) -> None:
        await self.side(lambda side: side.dispute(checkout_id))

    async def decide_dispute(self, checkout_id: str, *, won: bool) -> None:
        status = "won" if won else "lost"
        await self.side(lambda side: side.dispute(checkout_id, status=status))


def _sums(rows: Sequence[Any], kind: str) -> tuple[Money, ...]:
    return tuple(Money(abs(r["amount"]), r["currency"]) for r in rows if r["kind"] == kind)
