"""docs/tour.sh against `gateway demo`, with each provider."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running demo: what its `--json` line says. It ends in good order when told to."""
    data = tmp_path_factory.mktemp("demo")
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [str(taken.getsockname()[1]) for taken in (one, two)]
    command: list[str | Path] = [
        Path(sys.executable).parent / "gateway", "demo", "--json", "--data", data,
        "--port", ports[0], "--sandbox-port", ports[1],
    ]  # fmt: skip
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GATEWAY_", "STRIPE_", "PAYPAL_", "DATABASE_"))
    }
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=data, env=environment, text=True
    )
    try:
        assert process.stdout is not None  # it is a pipe
        told: dict[str, str] = json.loads(process.stdout.readline())
        yield told
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        with pytest.raises(OSError, match="refused"):  # the sandbox has ended with it
            socket.create_connection(("127.0.0.1", int(ports[1])), timeout=5)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def take(demo: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run the tour."""
    environment = {
        "PATH": os.environ["PATH"],
        "URL": demo["url"],
        "SANDBOX_URL": demo["sandbox_url"],
        "SECRET_KEY": demo["secret_key"],
    }
    return subprocess.run(
        [ROOT / "docs" / "tour.sh"],
        env=environment | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_tour(demo: dict[str, str]) -> None:
    """With either provider, on one demo. With a wrong key it stops at the first step."""
    for provider in ("stripe", "paypal"):
        succeeds(demo, provider)
    done = take(demo, SECRET_KEY="sk_test_wrong")
    assert done.returncode == 1
    assert "tour: " in done.stderr
    assert "unauthenticated" in done.stderr
    assert "2." not in done.stdout


def succeeds(demo: dict[str, str], provider: str) -> None:
    """Create, pay, paid by webhook alone, one refund for two requests, the rest, refunded."""
    done = take(demo, PROVIDER=provider)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "/confirm" not in done.stdout
    last = done.stdout.strip().splitlines()[-1]
    order_id = last.split()[1]
    assert last.endswith(f"Done: {order_id} is refunded.\033[0m")
    order = read(demo, f"/v1/orders/{order_id}")
    assert (order["provider"], order["status"]) == (provider, "refunded")
    assert [r["status"] for r in order["refunds"]] == ["succeeded", "succeeded"]
    assert order["amount"] == order["amount_captured"] == order["amount_refunded"]
    assert order["attention"] == []
    with urllib.request.urlopen(f"{demo['sandbox_url']}/_control/ledger") as answer:  # noqa: S310
        rows = [
            row
            for row in json.load(answer)["data"]
            if row["order_ref"] == order["payments"][0]["id"]
        ]
    moved = [(row["kind"], row["amount"]) for row in rows if row["kind"] in ("charge", "refund")]
    half = order["amount"] // 2
    assert sorted(moved) == sorted(
        [("charge", order["amount"]), ("refund", -half), ("refund", half - order["amount"])]
    )


def test_the_same_commands_for_every_provider() -> None:
    """The script knows a provider by its default only."""
    lines = (ROOT / "docs" / "tour.sh").read_text().splitlines()
    named = [
        line
        for line in lines
        if any(name in line.lower() for name in ("stripe", "paypal")) and not line.startswith("#")
    ]
    assert named == ["PROVIDER=${PROVIDER:-stripe}"]


def read(demo: dict[str, str], path: str) -> dict[str, Any]:
    """GET from the gateway."""
    headers = {"Authorization": f"Bearer {demo['secret_key']}"}
    request = urllib.request.Request(demo["url"] + path, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found
