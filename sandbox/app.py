"""Puts the sandbox together: provider APIs, hosted pages, control calls, one index page."""

from __future__ import annotations

import asyncio
import contextlib
import json
import traceback
from collections.abc import AsyncIterator
from email.utils import format_datetime
from typing import Any

from litestar import Litestar, Router, get
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import HTTPException
from litestar.types import Message, Scope

from sandbox import control, paypal, stripe
from sandbox.faults import FAULTS, AnyRequest, Reply
from sandbox.pages import render
from sandbox.stripe.cards import AMOUNTS, CARDS
from sandbox.webhooks import MODES
from sandbox.world import Config, World

TICK_SECONDS = 0.5


def create_app(config: Config) -> Litestar:
    """The sandbox as an ASGI application; its World is `app.state.world`.

    Serve it with `sandbox.server`, or the faults that cut a connection cannot.
    """
    world = World(config, {"stripe": stripe.StripeSide, "paypal": paypal.PayPalSide})
    app = Litestar(
        route_handlers=[
            Router("/stripe", route_handlers=stripe.routes(world)),
            Router("/pay/stripe", route_handlers=stripe.pages(world)),
            Router("/paypal", route_handlers=paypal.routes(world)),
            Router("/pay/paypal", route_handlers=paypal.pages(world)),
            control.router(world),
            _index(world),
        ],
        lifespan=[_running(world)],
        after_exception=[_report],
        before_send=[_dated(world)],
        exception_handlers={HTTPException: _unknown(world)},
        openapi_config=None,
    )
    app.state.world = world
    return app


def _dated(world: World) -> Any:
    """Answers have the sandbox's time, as a provider's have the provider's."""

    async def dated(message: Message, _: Scope) -> None:
        if message["type"] == "http.response.start":
            date = format_datetime(world.clock.now(), usegmt=True)
            MutableScopeHeaders.from_message(message).add("Date", date)

    return dated


def _index(world: World) -> Any:
    @get("/", name="index")
    async def index() -> Reply:
        return render(
            "index.html",
            environment=world.environment(),
            cards=CARDS,
            amounts=AMOUNTS,
            faults=FAULTS,
            modes=MODES,
        )

    return index


def _running(world: World) -> Any:
    """While the server runs, time passes; when it stops, nothing is sent any more."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        ticking = asyncio.create_task(_tick(world))
        try:
            yield
        finally:
            ticking.cancel()
            await world.webhooks.close()

    return lifespan


async def _tick(world: World) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        try:
            await world.tick()
        except Exception:  # time must go on
            traceback.print_exc()


def _unknown(world: World) -> Any:
    """Addresses that nobody answers get the error of the provider they belong to."""

    def handle(request: AnyRequest, error: HTTPException) -> Reply:
        provider = request.url.path.split("/")[1]
        if provider in world.providers:
            status, body = world.providers[provider].error(error.status_code, "not_found")
        else:
            status, body = error.status_code, {"error": error.detail}
        return Reply(json.dumps(body).encode(), status_code=status, media_type="application/json")

    return handle


async def _report(error: Exception, _: Scope) -> None:
    """A fault of the sandbox itself is shown where it was started, with its place."""
    if not isinstance(error, HTTPException):
        traceback.print_exception(error)
