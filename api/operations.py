"""For whoever runs it: health, metrics."""

import contextlib
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency

from api.wiring import Services
from gateway.errors import StoreUnavailable


@get("/health/live", tags=["Operations"], summary="The process runs", operation_id="live")
async def live() -> dict[str, str]:
    """Answers as long as the process can answer."""
    return {"status": "ok"}


@get("/health/ready", tags=["Operations"], summary="It can take requests", operation_id="ready")
async def ready(services: NamedDependency[Services]) -> Response[dict[str, Any]]:
    """The database answers. Providers are listed, not judged: one that is down stops nobody."""
    checks: dict[str, Any] = {
        "database": "ok",
        "providers": {name: p.health for name, p in services.ctx.providers.items()},
    }
    try:
        await services.queries.ping()
    except StoreUnavailable:
        checks["database"] = "unavailable"
    ok = checks["database"] == "ok"
    return Response(
        {"status": "ok" if ok else "unavailable"} | checks, status_code=200 if ok else 503
    )


@get(
    "/metrics",
    tags=["Operations"],
    summary="Prometheus metrics",
    operation_id="metrics",
    media_type="text/plain",
)
async def metrics(services: NamedDependency[Services]) -> Response[bytes]:
    """Counters and histograms of this process, and what waits in the database."""
    with contextlib.suppress(StoreUnavailable):  # the counters are worth having all the same
        now = services.ctx.now()
        services.metrics.backlog(await services.condition.work(now), now)
    kind = "text/plain; version=0.0.4; charset=utf-8"
    return Response(services.metrics.render(), media_type=kind)
