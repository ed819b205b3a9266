"""`python -m sandbox`: one JSON line when ready, and an end when told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import httpx


def test_it_says_where_it_is_and_stops_on_sigterm() -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--json", "--seed", "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        environment = httpx.get(f"{ready['url']}/_control/environment").json()
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        process.wait(10)
    assert environment == ready["environment"]
    assert environment["STRIPE_API_BASE"] == f"{ready['url']}/stripe"
    assert environment["PAYPAL_API_BASE"] == f"{ready['url']}/paypal"
    assert rest == ""


def test_it_ends_with_whoever_started_it() -> None:
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--json", "--while-stdin"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        assert httpx.get(f"{url}/_control/clock").status_code == 200
        process.stdin.close()
        assert process.wait(10) == 0


def test_it_says_in_one_line_that_the_port_is_taken() -> None:
    from sandbox.server import listen

    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "sandbox", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: cannot listen on 127.0.0.1:{port}")
