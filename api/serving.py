"""Running the HTTP server and the worker in one event loop, until a signal ends them."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import uvicorn
import uvloop

from api import worker
from api.app import WithRequestId, create_app, create_operations_app
from api.settings import Settings
from api.wiring import Services, open_services
from gateway.errors import SettingsError, StoreUnavailable
from storage.copying import unfinished
from storage.migrate import pending


class _Server(uvicorn.Server):
    """uvicorn's own handling re-raises the signal before we have closed anything."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `until_signal`."""
        yield


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def until_signal() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def check_schema(database_url: str) -> None:
    """Raises SettingsError when migrations or rows are missing, or the database cannot be used."""
    missing = await missing_migrations(database_url)
    if missing:
        raise SettingsError(
            f"the database lacks the migrations {', '.join(missing)}: run `gateway migrate`"
        )
    if await unfinished(database_url):
        raise SettingsError(
            "the copy into this database has not ended: run `gateway migrate-store` again"
        )


async def missing_migrations(database_url: str) -> list[str]:
    """The migrations that the database lacks. Raises SettingsError when it cannot be used."""
    try:
        return await pending(database_url)
    except StoreUnavailable:
        await asyncio.sleep(0.05)  # aiosqlite's thread speaks to this loop once more
        raise SettingsError(
            "the database of DATABASE_URL cannot be used: is it there, running and writable?"
        ) from None


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections. Raises SettingsError: in use, or no such address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"cannot listen on {host} port {port}: {reason}") from None


async def serve(
    settings: Settings,
    host: str,
    port: int,
    *,
    with_worker: bool = True,
    build: Callable[[Services], WithRequestId] = create_app,
    ready: Callable[[], None] = lambda: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until a signal. `ready` is called once requests are answered."""
    await check_schema(settings.database_url)
    stop = stop or until_signal()
    async with contextlib.AsyncExitStack() as stack:
        listening = stack.enter_context(listen(host, port))
        services = await stack.enter_async_context(open_services(settings))
        if with_worker:
            await stack.enter_async_context(worker.running(services, stop))
        server = http_server(build(services), host, port)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        stopping = asyncio.create_task(stop.wait())
        while not (server.started or task.done()):  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.01)
        if server.started:
            ready()
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        stopping.cancel()
        await task


def http_server(app: Any, host: str, port: int) -> uvicorn.Server:
    """A server that leaves logging and signals to us."""
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=30,
        )
    )


async def work(
    settings: Settings, ready: Callable[[], None] = lambda: None, *, host: str = "127.0.0.1"
) -> None:
    """Run a worker alone until a signal. `ready` is called once it works.

    With a `worker_port`, its metrics and health are served on `host` meanwhile.
    """
    await check_schema(settings.database_url)
    stop = until_signal()
    async with contextlib.AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        if port := settings.worker_port:
            listening = stack.enter_context(listen(host, port))
            server = http_server(create_operations_app(services), host, port)
            task = asyncio.create_task(server.serve(sockets=[listening]))
            stack.push_async_callback(_end, server, task)
        ready()
        await worker.run(services, stop)


async def _end(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    server.should_exit = True
    await task
