"""The `/_control` calls: the buyer, the weather and the clock, for tests and demonstrations."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Router, delete, get, post
from litestar.handlers import BaseRouteHandler

from sandbox.faults import AnyRequest, Reply
from sandbox.ledger import totals
from sandbox.world import DISCREPANCIES, ControlError, World

Body = dict[str, Any]


def text(body: Body, name: str) -> str:
    """A required string of a control call."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ControlError(f"{name} is required, as a string")
    return value


def number(body: Body, name: str) -> int | None:
    """An optional integer of a control call; a boolean is none."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise ControlError(f"{name} must be an integer")
    return value


def seconds(body: Body, name: str) -> float | None:
    """An optional number of seconds, not negative."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
        raise ControlError(f"{name} must be a number of seconds, not negative")
    return float(value)


def options(body: Body, *known: str) -> Body:
    """Whatever a call says beyond the names that every provider knows."""
    return {name: value for name, value in body.items() if name not in ("provider", *known)}


def router(world: World) -> Router:
    """All control calls of a world, under `/_control`."""
    return Router("/_control", route_handlers=[*_actions(world), *_views(world)])


def _actions(world: World) -> list[BaseRouteHandler]:
    async def buyer(body: Body) -> Any:
        side = world.side(text(body, "provider"))
        return await side.buyer(text(body, "id"), text(body, "action"))

    async def refund(body: Body) -> Any:
        side = world.side(text(body, "provider"))
        amount = number(body, "amount")
        return await side.refund(text(body, "id"), amount, **options(body, "id", "amount"))

    async def dispute(body: Body) -> Any:
        side = world.side(text(body, "provider"))
        return await side.dispute(text(body, "id"), **options(body, "id"))

    async def payout(body: Body) -> Any:
        return await world.side(text(body, "provider")).payout(**options(body))

    async def alter(body: Body) -> Any:
        side = world.side(text(body, "provider"))
        currency = text(body, "currency") if body.get("currency") is not None else None
        return await side.alter(text(body, "id"), number(body, "amount"), currency)

    async def charge(body: Body) -> Any:
        side, amount = world.side(text(body, "provider")), number(body, "amount")
        if amount is None or amount < 1:
            raise ControlError("amount must be an integer of at least 1")
        return await side.charge(amount, text(body, "currency"))

    async def discrepancy(body: Body) -> Any:
        side = world.side(text(body, "provider"))
        kind = text(body, "kind")
        if kind not in DISCREPANCIES:
            raise ControlError(f"kind must be one of: {', '.join(DISCREPANCIES)}")
        return await side.discrepancy(text(body, "id"), kind)

    async def faults(body: Body) -> Any:
        provider = world.side(text(body, "provider")).name
        times = number(body, "times")
        world.faults.add(
            provider,
            text(body, "operation"),
            text(body, "fault"),
            1 if times is None else times,
            seconds(body, "seconds"),
        )
        return {"faults": world.faults.listing()}

    async def webhooks(body: Body) -> Any:
        return _set_webhooks(world, body)

    async def clock(body: Body) -> Any:
        step = seconds(body, "advance_seconds")
        now = world.clock.advance(0.0 if step is None else step)
        await world.tick()
        return {"now": now.isoformat()}

    async def reset(_: Body) -> Any:
        world.reset()
        return {"reset": True}

    happen = (buyer, charge, refund, dispute, payout, alter, discrepancy)
    acts = (*happen, faults, webhooks, clock, reset)
    return [_handler(act) for act in acts]


def _handler(act: Callable[[Body], Awaitable[Any]]) -> BaseRouteHandler:
    """`POST /_control/<name of the function>` with a JSON object as its body."""

    @post(f"/{act.__name__}", name=f"control_{act.__name__}", status_code=200)
    async def handle(request: AnyRequest) -> Reply:
        try:
            return _json(await act(_object(await request.body())))
        except ControlError as error:
            return _json({"error": error.message}, error.status)
        except ValueError as error:
            return _json({"error": str(error)}, 400)

    return handle


def _set_webhooks(world: World, body: Body) -> Body:
    """Change address, mode or signing clock, and send what is held when asked to."""
    if body.get("url") is not None:
        if not isinstance(body["url"], str):
            raise ControlError("url must be a string; an empty one stops the sending")
        world.webhooks.register(world.side(text(body, "provider")).name, body["url"])
    if body.get("signing_clock") is not None:
        if body["signing_clock"] not in ("real", "sandbox"):
            raise ControlError("signing_clock must be real or sandbox")
        world.webhooks.signing_clock = body["signing_clock"]
    mode = body.get("mode")
    released = 0
    if mode == "release" or body.get("release"):
        released = world.webhooks.release()
    if mode is not None and mode != "release":
        world.webhooks.set_mode(text(body, "mode"))
    return {"mode": world.webhooks.mode, "released": released}


def _views(world: World) -> list[BaseRouteHandler]:
    @get("/ledger", name="control_ledger")
    async def ledger(request: AnyRequest) -> Reply:
        provider = request.query_params.get("provider")
        rows = [row for row in world.ledger() if provider in (None, row["provider"])]
        return _json({"data": rows, "totals": totals(rows)})

    @get("/environment", name="control_environment")
    async def environment() -> Reply:
        return _json(world.environment())

    @get("/webhooks", name="control_webhook_log")
    async def webhooks() -> Reply:
        return _json(world.webhooks.state())

    @get("/faults", name="control_fault_list")
    async def faults() -> Reply:
        return _json({"faults": world.faults.listing()})

    @delete("/faults", name="control_fault_clear", status_code=200)
    async def clear_faults() -> Reply:
        world.faults.clear()
        return _json({"faults": []})

    @get("/calls", name="control_calls")
    async def calls() -> Reply:
        return _json({"data": list(world.calls)})

    @get("/clock", name="control_now")
    async def clock() -> Reply:
        return _json({"now": world.clock.now().isoformat()})

    return [ledger, environment, webhooks, faults, clear_faults, calls, clock]


def _object(raw: bytes) -> Body:
    try:
        body = json.loads(raw or b"{}")
    except ValueError:
        raise ControlError("the body must be JSON") from None
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), status_code=status, media_type="application/json")
