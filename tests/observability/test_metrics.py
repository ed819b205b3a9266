"""What is measured, where, and that the dashboard asks for nothing else."""

import json
import re
from datetime import timedelta

import pytest

from api.metrics import Metrics
from tests.faults.stage import Gateway
from tests.project.files import ROOT

_DASHBOARD = json.loads((ROOT / "docs/grafana/gateway.json").read_text())
_QUERIES = [target["expr"] for panel in _DASHBOARD["panels"] for target in panel["targets"]]


def families() -> set[str]:
    """The names of all metrics, as an exposition declares them."""
    return set(re.findall(r"^# TYPE (\S+)", Metrics().render().decode(), re.MULTILINE))


@pytest.mark.parametrize("query", _QUERIES)
def test_the_dashboard_asks_for_metrics_that_exist(query: str) -> None:
    asked = re.findall(r"\bgateway_\w+", query)
    assert asked
    for name in asked:
        assert re.sub("_(bucket|count|sum)$", "", name) in families()


def test_every_metric_is_on_the_dashboard_and_in_the_docs() -> None:
    docs = (ROOT / "docs/operations.md").read_text()
    for name in families() - {n for n in families() if n.endswith("_created")}:
        assert any(name in query for query in _QUERIES), name
        assert f"`{name}`" in docs, name


def value(text: str, name: str) -> float:
    """The value of a sample, named as it is written."""
    line = next(line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(line.rpartition(" ")[2])


async def test_the_inbox_is_measured_while_it_waits_and_when_it_is_applied(
    gateway: Gateway,
) -> None:
    order = await gateway.create("stripe")
    await gateway.sandbox.buyer(order)
    await gateway.sandbox.delivered()
    gateway.clock.ahead += timedelta(seconds=30)
    waiting = (await gateway.http.get("/metrics")).text
    assert value(waiting, 'gateway_backlog{state="received",what="inbox"}') >= 1
    assert value(waiting, 'gateway_backlog_oldest_seconds{what="inbox"}') >= 30
    await gateway.work()
    applied = (await gateway.http.get("/metrics")).text
    assert value(applied, 'gateway_backlog{state="received",what="inbox"}') == 0
    assert value(applied, 'gateway_backlog_oldest_seconds{what="inbox"}') == 0
    assert value(applied, 'gateway_inbox_lag_seconds_count{provider="stripe"}') >= 1
    assert value(applied, 'gateway_inbox_lag_seconds_sum{provider="stripe"}') >= 30
