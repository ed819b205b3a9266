"""Serves the API calls: authentication, parameters, idempotency, faults, errors and headers."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import Any

from litestar import delete, get, post
from litestar.handlers import BaseRouteHandler

from sandbox.faults import AnyRequest, Reply, guarded
from sandbox.stripe import forms, listing
from sandbox.stripe.account import API_VERSION, REQUEST, Object
from sandbox.stripe.calls import CALLS, Call
from sandbox.stripe.errors import StripeError, by_status
from sandbox.stripe.idempotency import Answer
from sandbox.stripe.side import SECRET_KEY, StripeSide
from sandbox.world import World


def routes(world: World) -> list[BaseRouteHandler]:
    """The handlers of Stripe's API, to be mounted at its base address."""
    return [_handler(world, call) for call in CALLS]


def _handler(world: World, call: Call) -> BaseRouteHandler:
    async def handle(request: AnyRequest) -> Reply:
        async def act(slowly: float = 0.0, broken: StripeError | None = None) -> Reply:
            served = _Served(world, call, request)
            answer = await served.answer(slowly, broken)
            return Reply(
                answer.body,
                status_code=answer.status,
                headers=answer.headers,
                media_type="application/json",
            )

        async def act_slowly(seconds: float) -> Reply:
            return await act(slowly=seconds)

        async def fail(status: int) -> Reply:
            return await act(broken=by_status(status))

        return await guarded(
            world, "stripe", call.operation, request, act, fail=fail, act_slowly=act_slowly
        )

    route = {"GET": get, "POST": post, "DELETE": delete}[call.method]
    made: BaseRouteHandler = route(call.path, name=f"stripe_{call.operation}", status_code=200)(
        handle
    )
    return made


class _Served:
    """One request on its way through the API."""

    def __init__(self, world: World, call: Call, request: AnyRequest) -> None:
        side = StripeSide.of(world)
        self._account = side.account
        self._keys = side.keys
        self._call = call
        self._request = request
        self._key = request.headers.get("idempotency-key") if call.method == "POST" else None
        self._id = world.ids.stripe("req", 14)

    async def answer(self, slowly: float, broken: StripeError | None) -> Answer:
        """Do it, or fail as `broken` says: a 500 while executing, anything else before it."""
        try:
            authenticate(self._request)
            raw = await self._form()
            params = self._call.parameters(raw, "")
            if broken is not None and broken.status != 500:
                raise broken
            path = self._request.url.path.removeprefix("/stripe")

            async def execute() -> Answer:
                await asyncio.sleep(slowly)
                return self._execute(params, broken)

            if self._key:
                return await self._keys.run(self._key, path, raw, execute)
            return await execute()
        except StripeError as error:
            return self._failed(error)

    async def _form(self) -> dict[str, Any]:
        if self._call.method == "GET":
            return forms.parse(self._request.scope["query_string"])
        return forms.parse(await self._request.body())

    def _execute(self, params: Object, broken: StripeError | None) -> Answer:
        """One step of the event loop: nothing else happens in between."""
        token = REQUEST.set({"id": self._id, "idempotency_key": self._key})
        try:
            self._account.agenda.run_due(self._account.now())
            if broken is not None:
                raise broken
            shown = self._call.run(self._account, self._request.path_params, params)
            shown = listing.expand(self._account, shown, params.get("expand", []))
        except StripeError as error:
            return self._failed(error)
        finally:
            REQUEST.reset(token)
        return Answer(200, json.dumps(shown).encode(), self._headers())

    def _failed(self, error: StripeError) -> Answer:
        body = json.dumps({"error": error.error | {"request_log_url": _log(self._id)}})
        return Answer(error.status, body.encode(), self._headers() | error.headers)

    def _headers(self) -> dict[str, str]:
        version = self._request.headers.get("stripe-version", API_VERSION)
        headers = {"request-id": self._id, "stripe-version": version}
        if self._key:
            headers["idempotency-key"] = self._key
        return headers


def _log(id: str) -> str:
    return f"https://dashboard.stripe.com/test/logs/{id}"


def authenticate(request: AnyRequest) -> None:
    """Accept the secret key as bearer token or basic user name. Raises StripeError (401)."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    key = credentials.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    elif scheme.lower() != "bearer":
        key = ""
    if not key:
        message = (
            "You did not provide an API key. You need to provide your API key in the "
            "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_KEY')."
        )
        raise StripeError(message, status=401)
    if key != SECRET_KEY:
        masked = key[:8] + "*" * 8 + key[-4:] if len(key) > 16 else "*" * len(key)
        raise StripeError(f"Invalid API Key provided: {masked}", status=401)
