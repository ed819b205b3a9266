"""The Idempotency-Key header: from the HTTP request to the domain's IdempotentRequest and back."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.params import HeaderParameter

from api.problems import problem
from api.security import Caller
from api.wiring import Services
from gateway.errors import GatewayError, InvalidRequest
from gateway.idempotency import IdempotentRequest, Replay
from gateway.order import OrderState
from gateway.records import Answer, KeyClaim, OrderRecord

#: For the OpenAPI document; `None` is refused by us, with a code of its own.
KeyHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="Required. 1 to 255 characters, fresh for every new request; a repetition with "
        "the same key gets the first answer again.",
        required=True,
    ),
]
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
Render = Callable[[OrderRecord, OrderState, str], Answer]


def idempotency_key(header: str | None) -> str:
    """The key, bare or quoted. Raises InvalidRequest."""
    if not header:
        raise InvalidRequest(
            "send an Idempotency-Key header: 1 to 255 characters, fresh for every new request",
            code="idempotency_key_required",
        )
    text = header.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not _KEY.fullmatch(text):
        raise InvalidRequest("the Idempotency-Key is 1 to 255 printable ASCII characters")
    return text


async def idempotently(
    services: Services,
    caller: Caller,
    request: Request[Any, Any, Any],
    key: str | None,
    payload: Any,
    render: Render,
    run: Callable[[IdempotentRequest], Awaitable[Answer]],
) -> Response[bytes]:
    """Run a use case once per key; a repetition gets the first answer with a header that says so.

    `payload` is the decoded body: the fingerprint does not depend on how it was spelt.
    """
    fingerprint = hashlib.sha256()
    for part in (
        caller.key_id.encode(),
        request.method.encode(),
        request.url.path.encode(),
        msgspec.json.encode(payload, order="deterministic"),
    ):
        fingerprint.update(len(part).to_bytes(8, "big") + part)
    claim = KeyClaim(
        caller.merchant_id, caller.livemode, idempotency_key(key), fingerprint.hexdigest()
    )

    def render_error(error: GatewayError, order_id: str | None) -> Answer:
        base_url = services.settings.public_url
        instance = f"/v1/orders/{order_id}" if order_id else request.url.path
        body = problem(error, base_url=base_url, instance=instance)
        return Answer(body.status, msgspec.json.encode(body))

    answer, reserved = await services.queries.earlier(claim)
    if answer is not None:
        return _response(answer, replayed=True)
    try:
        answer = await run(IdempotentRequest(claim, render, render_error, reserved))
    except Replay as replay:
        return _response(replay.answer, replayed=True)
    return _response(answer, replayed=False)


def _response(answer: Answer, *, replayed: bool) -> Response[bytes]:
    kind = "application/json" if answer.status < 400 else "application/problem+json"
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    return Response(answer.body, status_code=answer.status, media_type=kind, headers=headers)
