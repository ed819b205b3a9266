"""The package as a stranger uses it: installed beside the gateway, found there, and paid with."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_mollie.fake.app import API_KEY

HERE = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
#: An order of a cup at 12.34, without the terms that are a test's own.
CUP = {
    "provider": "mollie",
    "currency": "EUR",
    "items": [{"name": "Cup", "unit_amount": 1234, "quantity": 1}],
    "success_url": "https://shop.example/thanks",
    "cancel_url": "https://shop.example/cart",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package alone is installed."""
    source, site = tmp_path_factory.mktemp("source") / "mollie", tmp_path_factory.mktemp("site")
    shutil.copytree(HERE, source, ignore=shutil.ignore_patterns("tests", "build", "*.egg-info"))
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", site]
    command: list[Any] = [sys.executable, "-m", "pip", "install", *options, source]
    subprocess.run(command, check=True, capture_output=True, cwd=source)
    return site


def environment(site: Path, **more: str) -> dict[str, str]:
    """What a process needs to find the installed package, and no other provider's settings."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "COLUMNS": "100", **more}


@contextmanager
def process(command: list[Any], env: dict[str, str], cwd: Path) -> Iterator[Any]:
    """A process that serves until the test is over; its standard output."""
    started = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, cwd=cwd, text=True)
    try:
        yield started.stdout
    finally:
        started.terminate()
        try:
            started.wait(20)
        finally:
            started.kill()
            started.communicate()


@pytest.fixture(scope="module")
def shop(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A merchant's client of `gateway demo`, which has Mollie's fake beside its own providers."""
    data = tmp_path_factory.mktemp("data")
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        port, other = (taken.getsockname()[1] for taken in (one, two))
    fake = [sys.executable, "-m", "gateway_mollie.fake", "--port", "0"]
    demo = [BIN / "gateway", "demo", "--json", "--data", data]
    demo += ["--port", str(port), "--sandbox-port", str(other)]
    with process(fake, environment(site), data) as said:
        base = said.readline().split()[-1]
        settings = {"MOLLIE_API_KEY": API_KEY, "MOLLIE_API_BASE": base}
        with process(demo, environment(site, **settings), data) as said:
            told = json.loads(said.readline())
            headers = {"Authorization": f"Bearer {told['secret_key']}", "X-Fake": base}
            with httpx.Client(base_url=told["url"], headers=headers, timeout=20) as client:
                yield client


def test_listed(site: Path) -> None:
    """`gateway providers list` shows it, without settings and without importing the SDK."""
    command: list[str | Path] = [BIN / "gateway", "providers", "list"]
    listed = subprocess.run(
        command, env=environment(site), capture_output=True, text=True, check=True, cwd=site
    )
    assert "mollie" in listed.stdout
    code = "import gateway_mollie.plugin, sys; print('mollie' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(site),
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "False"


def post(shop: httpx.Client, path: str, key: str, **body: Any) -> dict[str, Any]:
    """POST under an Idempotency-Key."""
    answer = shop.post(path, json=body, headers={"Idempotency-Key": key})
    assert answer.is_success, answer.text
    told: dict[str, Any] = answer.json()
    return told


def until(shop: httpx.Client, order: dict[str, Any], status: str) -> dict[str, Any]:
    """The order, once it is in this status."""
    for _ in range(150):
        now: dict[str, Any] = shop.get(f"/v1/orders/{order['id']}").json()
        if now["status"] == status:
            return now
        time.sleep(0.1)
    raise AssertionError(f"the order is not {status}")


def press(order: dict[str, Any], action: str = "pay") -> str:
    """Press a button of Mollie's page; where the buyer is sent then."""
    page = httpx.get(order["checkout_url"])
    assert "12.34 EUR" in page.text
    pressed = httpx.post(order["checkout_url"], data={"action": action, "method": "creditcard"})
    assert pressed.status_code == 303
    return str(pressed.headers["location"])


def test_offered(shop: httpx.Client) -> None:
    """GET /v1/providers."""
    found = {each["name"]: each for each in shop.get("/v1/providers").json()["data"]}
    assert found["mollie"]["display_name"] == "Mollie"
    assert "EUR" in found["mollie"]["currencies"]


def test_paid_and_given_back(shop: httpx.Client) -> None:
    """Paid by webhook alone; half of it back, once for two requests; then the rest."""
    order = post(shop, "/v1/orders", "whole", **CUP)
    assert order["status"] == "open"
    press(order)
    order = until(shop, order, "paid")
    assert (order["amount_captured"], order["fee"]) == (1234, None)
    assert order["payments"][0]["method"] == {
        "type": "creditcard",
        "brand": "visa",
        "last4": "4242",
    }
    path = f"/v1/orders/{order['id']}/refunds"
    first, again = (post(shop, path, "half", amount=617, reason="chipped") for _ in range(2))
    assert first["id"] == again["id"]
    assert until(shop, order, "partially_refunded")["amount_refunded"] == 617
    post(shop, path, "rest")
    order = until(shop, order, "refunded")
    assert [refund["status"] for refund in order["refunds"]] == ["succeeded", "succeeded"]
    assert order["attention"] == []


def test_tour(shop: httpx.Client) -> None:
    """The gateway's own tour, with one word changed; the fake plays the buyer."""
    settings = {
        "PATH": os.environ["PATH"],
        "URL": str(shop.base_url).rstrip("/"),
        "SANDBOX_URL": shop.headers["X-Fake"],
        "SECRET_KEY": shop.headers["Authorization"].removeprefix("Bearer "),
        "PROVIDER": "mollie",
    }
    tour = HERE.parents[1] / "docs" / "tour.sh"
    done = subprocess.run([tour], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is refunded." in done.stdout.splitlines()[-1]


def test_held_and_captured_in_part(shop: httpx.Client) -> None:
    """Manual capture: held by webhook, a part is taken, and the rest is let go."""
    order = post(shop, "/v1/orders", "held", **CUP, capture="manual")
    press(order)
    order = until(shop, order, "authorized")
    order = post(shop, f"/v1/orders/{order['id']}/capture", "part", amount=1000)
    assert (order["status"], order["amount_captured"]) == ("paid", 1000)
    assert order["attention"] == []


def test_declined(shop: httpx.Client) -> None:
    """A payment that failed for good; the buyer is sent back to us, and may try anew."""
    order = post(shop, "/v1/orders", "declined", **CUP)
    assert press(order, "decline").startswith(str(shop.base_url))
    for _ in range(150):
        order = shop.get(f"/v1/orders/{order['id']}").json()
        if order["payments"][0]["status"] != "open":
            break
        time.sleep(0.1)
    (payment,) = order["payments"]
    assert (payment["status"], payment["failure"]["code"]) == ("failed", "failed")
    again = post(shop, f"/v1/orders/{order['id']}/payments", "again", provider="mollie")
    assert [payment["status"] for payment in again["payments"]] == ["failed", "open"]
