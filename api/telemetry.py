"""Traces by OpenTelemetry, for those who set GATEWAY_OTLP_ENDPOINT; nothing is imported otherwise.

Spans: HTTP requests, calls to providers, jobs and events, with the ids that gateway/tracing.py was
told. Nothing of an exception but that there was one, since its words may quote anything.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from gateway import tracing
from gateway.errors import SettingsError

_SERVICE = "gateway"
_EXPORT_SECONDS = 5


@asynccontextmanager
async def telemetry(endpoint: str) -> AsyncIterator[None]:
    """Send traces to the collector at `endpoint` (OTLP over HTTP); an empty one: to nobody.

    Raises SettingsError where the packages are missing. A collector that is down costs spans only.
    """
    if not endpoint:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import Status, StatusCode
    except ImportError:
        raise SettingsError(
            "GATEWAY_OTLP_ENDPOINT needs the OpenTelemetry packages: "
            'pip install "payment-gateway[otel]"'
        ) from None
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=_EXPORT_SECONDS)
    provider = TracerProvider(
        resource=Resource.create({"service.name": _SERVICE}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer(_SERVICE)

    @contextmanager
    def follow(work: tracing.Span) -> Iterator[None]:
        with tracer.start_as_current_span(
            work.name, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception:
                span.set_status(Status(StatusCode.ERROR))
                raise
            finally:
                span.update_name(work.name)
                for name, value in work.known.items():
                    span.set_attribute(f"gateway.{name}", value)

    try:
        with tracing.traced(follow):
            yield
    finally:
        await asyncio.to_thread(provider.shutdown)
