"""The package as a stranger uses it: installed beside the gateway, found there, and paid with."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gateway_razorpay.fake.app import Fake

PACKAGE = Path(__file__).resolve().parents[1]
TOUR = PACKAGE.parents[1] / "docs" / "tour.sh"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package alone is installed."""
    source, site = tmp_path_factory.mktemp("source") / "razorpay", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("tests", "build", "*.egg-info"))
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", site]
    command: list[Any] = [sys.executable, "-m", "pip", "install", *options, source]
    subprocess.run(command, check=True, capture_output=True, cwd=source)
    return site


def environment(site: Path, **more: str) -> dict[str, str]:
    """What a process needs to find the installed package, and no other provider's settings."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "COLUMNS": "100", **more}


@contextmanager
def process(command: list[Any], env: dict[str, str], cwd: Path) -> Iterator[str]:
    """A process that serves until the test is over; its first line."""
    started = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, cwd=cwd, text=True)
    try:
        assert started.stdout is not None  # it is a pipe
        yield started.stdout.readline()
    finally:
        started.terminate()
        try:
            started.wait(20)
        finally:
            started.kill()
            started.communicate()


def free_ports(count: int) -> list[str]:
    """Ports that nobody uses."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(one.getsockname()[1]) for one in taken]
    for one in taken:
        one.close()
    return ports


@pytest.fixture(scope="module")
def demo(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """`gateway demo`, with Razorpay's fake beside its own providers: addresses and a key."""
    data = tmp_path_factory.mktemp("data")
    port, other, fakes = free_ports(3)
    webhooks = f"http://127.0.0.1:{port}/webhooks/razorpay"
    fake = [sys.executable, "-m", "gateway_razorpay.fake", "--port", fakes]
    fake += ["--webhook-url", webhooks, "--manual-capture", "--settles-in", "USD"]
    gateway = [BIN / "gateway", "demo", "--json", "--data", data]
    gateway += ["--port", port, "--sandbox-port", other]
    settings = Fake().environment(f"http://127.0.0.1:{fakes}")
    with (
        process(fake, environment(site), data),
        process(gateway, environment(site, **settings), data) as told,
    ):
        told_demo: dict[str, str] = json.loads(told)
        yield told_demo | {"fake": settings["RAZORPAY_API_BASE"]}


def read(url: str, key: str = "") -> dict[str, Any]:
    """GET."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:  # noqa: S310
        told: dict[str, Any] = json.load(answer)
    return told


def test_listed(site: Path) -> None:
    """`gateway providers list` shows it, and does not load the SDK for that."""
    command: list[Any] = [BIN / "gateway", "providers", "list"]
    env = environment(site, **Fake().environment("https://api.razorpay.com"))
    listed = subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=site)
    (line,) = [line for line in listed.stdout.splitlines() if "razorpay" in line]
    assert "yes" in line
    code = "import gateway_razorpay.plugin, sys; print('razorpay' in sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=site)
    assert loaded.stdout.strip() == "False"


def test_offered(demo: dict[str, str]) -> None:
    """To merchants, and to buyers of the demo's shop."""
    told = read(f"{demo['url']}/v1/providers", demo["secret_key"])["data"]
    (ours,) = [each for each in told if each["name"] == "razorpay"]
    assert (ours["mode"], ours["capabilities"]["manual_capture"]) == ("test", False)
    product = read(f"{demo['url']}/v1/products", demo["secret_key"])["data"][0]["id"]
    with urllib.request.urlopen(f"{demo['url']}/demo/products/{product}") as page:  # noqa: S310
        assert '<input type="radio" name="provider" value="razorpay"' in page.read().decode()


def test_tour(demo: dict[str, str]) -> None:
    """The gateway's own tour: paid by webhook alone, one refund for two requests, then the rest.

    On an account that leaves payments authorized, so that it is we who capture.
    """
    env = {
        "PATH": os.environ["PATH"],
        "URL": demo["url"],
        "SANDBOX_URL": demo["fake"],
        "SECRET_KEY": demo["secret_key"],
        "PROVIDER": "razorpay",
    }
    done = subprocess.run([TOUR], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1]
    order = read(f"{demo['url']}/v1/orders/{last.split()[1]}", demo["secret_key"])
    assert (order["provider"], order["status"], order["attention"]) == ("razorpay", "refunded", [])
    assert [refund["status"] for refund in order["refunds"]] == ["succeeded", "succeeded"]
    moved = read(f"{demo['fake']}/_control/ledger")["data"]
    assert {row["order_ref"] for row in moved} == {order["payments"][0]["id"]}
    half = order["amount"] // 2
    assert sorted((row["kind"], row["amount"]) for row in moved) == sorted(
        [("charge", order["amount"]), ("refund", -half), ("refund", half - order["amount"])]
    )
