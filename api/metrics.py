"""Prometheus metrics, one registry per process."""

from collections.abc import Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.facts import AttentionKind

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class Metrics:
    """What is counted. Labels are small closed sets: never an id, never anything personal."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "gateway_http_request_seconds",
            "HTTP requests",
            ["method", "status"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._calls = Histogram(
            "gateway_provider_call_seconds",
            "Calls to providers",
            ["provider", "verb", "outcome"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._webhooks = Counter(
            "gateway_webhooks_total",
            "Webhooks received, by what became of them",
            ["provider", "outcome"],
            registry=self._registry,
        )
        self._work = Counter(
            "gateway_work_done_total", "Events and jobs done", registry=self._registry
        )
        self._sweeps = Counter(
            "gateway_sweeps_total",
            "What the sweeps looked at and found",
            ["sweep", "outcome"],
            registry=self._registry,
        )
        self._attention = Gauge(
            "gateway_attention_open",
            "Items in the attention list",
            ["kind"],
            registry=self._registry,
        )
        self._deliveries = Histogram(
            "gateway_delivery_seconds",
            "Tries to deliver events to merchants, by what the delivery became",
            ["outcome"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._oldest_delivery = Gauge(
            "gateway_delivery_oldest_pending_seconds",
            "Age of the oldest delivery that waits",
            registry=self._registry,
        )

    def request(self, method: str, status: int, seconds: float) -> None:
        """An HTTP request was answered."""
        self._requests.labels(method, str(status)).observe(seconds)

    def provider_call(self, provider: str, verb: str, outcome: str, seconds: float) -> None:
        """A provider call ended."""
        self._calls.labels(provider, verb, outcome).observe(seconds)

    def webhook(self, provider: str, outcome: str) -> None:
        """A delivery was accepted or refused. `provider` must be one that is on."""
        self._webhooks.labels(provider, outcome).inc()

    def work_done(self, amount: int) -> None:
        """The worker did something."""
        self._work.inc(amount)

    def swept(self, sweep: str, outcome: str, amount: int) -> None:
        """A sweep came along: `amount` of something ended as `outcome`."""
        self._sweeps.labels(sweep, outcome).inc(amount)

    def attention(self, by_kind: Mapping[str, int]) -> None:
        """How many open items of each kind there are, of all merchants."""
        for kind in get_args(AttentionKind):
            self._attention.labels(kind).set(by_kind.get(kind, 0))

    def delivery(self, outcome: str, seconds: float) -> None:
        """A try ended: the delivery is delivered, pending, failed, or its endpoint disabled."""
        self._deliveries.labels(outcome).observe(seconds)

    def oldest_delivery(self, seconds: float) -> None:
        """How long the oldest delivery has waited."""
        self._oldest_delivery.set(seconds)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self._registry)
