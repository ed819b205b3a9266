"""`gateway worker` serves its own metrics and health where it is told a port."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import httpx

from bench.soak.processes import free_port
from tests.faults.stage import House
from tests.project.files import ROOT


def once_it_answers(worker: subprocess.Popen[bytes], http: httpx.Client) -> httpx.Response:
    for _ in range(600):
        try:
            return http.get("/health/ready")
        except httpx.ConnectError:
            assert worker.poll() is None, "it has ended"
            time.sleep(0.05)
    raise AssertionError("it does not answer")


async def test_a_worker_serves_metrics_and_health(house: House) -> None:
    port = free_port()
    environment = {
        **os.environ, **house.environment, "GATEWAY_WORKER_PORT": str(port), "PYTHONPATH": str(ROOT)
    }  # fmt: skip
    worker = await asyncio.to_thread(start, environment)
    try:
        await asyncio.to_thread(look, worker, port)
    finally:
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 30) == 0


def start(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "api", "worker"], env=environment, cwd=ROOT)


def look(worker: subprocess.Popen[bytes], port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
        assert once_it_answers(worker, http).json()["status"] == "ok"
        assert "gateway_work_done_total" in http.get("/metrics").text
        assert http.get("/v1/orders").status_code == 404
