"""Prometheus metrics, one registry per process."""

from datetime import datetime
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.facts import AttentionKind
from storage.condition import Work

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
        self._exports = Histogram(
            "gateway_export_seconds",
            "Exports, as answers and as jobs, by what became of them",
            ["format", "outcome"],
            buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800),
            registry=self._registry,
        )
        self._exported = Counter(
            "gateway_exported_rows_total",
            "Rows written in exports",
            ["format"],
            registry=self._registry,
        )
        self._lag = Histogram(
            "gateway_inbox_lag_seconds",
            "From the receipt of a provider's event until it is applied",
            ["provider"],
            buckets=(*_SECONDS, 60, 300, 3600),
            registry=self._registry,
        )
        self._backlog = Gauge(
            "gateway_backlog",
            "What waits in the database, by what it is and its state",
            ["what", "state"],
            registry=self._registry,
        )
        self._oldest = Gauge(
            "gateway_backlog_oldest_seconds",
            "Since when the oldest of it waits",
            ["what"],
            registry=self._registry,
        )
        self._verified = Counter(
            "gateway_orders_verified_total",
            "Orders compared with their facts, round after round",
            registry=self._registry,
        )
        self._mismatches = Counter(
            "gateway_projection_mismatches_total",
            "Orders that were found to differ from their facts",
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

    def delivery(self, outcome: str, seconds: float) -> None:
        """A try ended: the delivery is delivered, pending, failed, or its endpoint disabled."""
        self._deliveries.labels(outcome).observe(seconds)

    def exported(self, format: str, outcome: str, rows: int, seconds: float) -> None:
        """An export has ended, or was broken off."""
        self._exports.labels(format, outcome).observe(seconds)
        self._exported.labels(format).inc(rows)

    def applied(self, provider: str, seconds: float) -> None:
        """A received event has been applied, so long after it came in."""
        self._lag.labels(provider).observe(seconds)

    def verified(self, orders: int, differing: int) -> None:
        """So many orders were compared with their facts, and so many of them differ."""
        self._verified.inc(orders)
        self._mismatches.inc(differing)

    def backlog(self, work: Work, now: datetime) -> None:
        """What waits in the database, of all merchants."""
        counts = {
            ("inbox", "received"): work.inbox.count,
            ("inbox", "orphan"): work.inbox_orphans,
            ("inbox", "dead"): work.inbox_dead,
            ("jobs", "due"): work.jobs.count,
            ("jobs", "dead"): work.jobs_dead,
            ("operations", "in_doubt"): work.in_doubt.count,
            ("deliveries", "pending"): work.deliveries.count,
        }
        for labels, count in counts.items():
            self._backlog.labels(*labels).set(count)
        for name, waiting in (
            ("inbox", work.inbox),
            ("jobs", work.jobs),
            ("operations", work.in_doubt),
            ("deliveries", work.deliveries),
        ):
            since = waiting.oldest or now
            self._oldest.labels(name).set(max(0.0, (now - since).total_seconds()))
        for kind in get_args(AttentionKind):
            self._attention.labels(kind).set(work.attention.get(kind, 0))

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self._registry)
