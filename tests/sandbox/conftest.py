"""A sandbox that serves real HTTP on a free port, and a receiver for its webhooks.

`sandbox` is one server for the whole run, emptied before every test. Everything goes through
HTTP: the world lives in the server's thread and is not touched from a test.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from sandbox.app import create_app
from sandbox.server import Server, listen
from sandbox.world import Config
from tests.sandbox.stripe_client import StripeApi


@dataclass
class RunningSandbox:
    """A served sandbox: its address, the settings of its clients, and its control calls."""

    url: str
    http: httpx.Client
    environment: dict[str, str]

    def control(self, call: str, expect: int = 200, **body: Any) -> Any:
        """`POST /_control/{call}`; the answer's JSON, after checking its status."""
        answer = self.http.post(f"/_control/{call}", json=body)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def look(self, view: str) -> Any:
        """`GET /_control/{view}`."""
        return self.http.get(f"/_control/{view}").raise_for_status().json()

    def wait_for(self, ready: Callable[[], Any], seconds: float = 5.0) -> Any:
        """Poll until `ready()` is true and return it; fails the test when it never is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := ready():
                return found
            time.sleep(0.01)
        raise AssertionError("it did not happen in time")

    def settled(self) -> None:
        """Wait until no webhook is under way."""
        self.wait_for(lambda: self.look("webhooks")["pending"] == 0)


@pytest.fixture(scope="session")
def sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """The server of the run, in a thread of its own."""
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = Config(base_url=url, seed=1, state_dir=tmp_path_factory.mktemp("sandbox"))
    running = Server(create_app(config))
    thread = threading.Thread(
        target=lambda: asyncio.run(running.serve(sockets=[listening])), daemon=True
    )
    thread.start()
    with httpx.Client(base_url=url, timeout=10) as http:
        environment = http.get("/_control/environment").raise_for_status().json()
        yield RunningSandbox(url, http, environment)
    running.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def sandbox(sandbox_server: RunningSandbox) -> RunningSandbox:
    """An empty sandbox; webhooks of earlier tests go nowhere any more."""
    sandbox_server.control("reset")
    return sandbox_server


@dataclass
class Receiver:
    """A webhook endpoint that remembers; `statuses` are its next answers, then 200 for ever."""

    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        """The bodies that came, in order."""
        return [json.loads(body) for _, body in list(self.received)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Serves a Receiver on a free port."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.received.append((headers, body))
            self.send_response(state.statuses.pop(0) if state.statuses else 200)
            self.send_header("content-length", "0")
            self.send_header("connection", "close")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{served.server_address[1]}/hook"
    thread = threading.Thread(target=lambda: served.serve_forever(0.01), daemon=True)
    thread.start()
    yield state
    served.shutdown()
    served.server_close()
    thread.join(5)


@pytest.fixture
def api(sandbox: RunningSandbox) -> StripeApi:
    """A client of an empty Stripe account."""
    return StripeApi(sandbox)
