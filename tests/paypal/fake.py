"""A PayPal of a few lines: answers what a test tells it to, over real HTTP."""

import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN_PATH = "/v1/oauth2/token"


@dataclass
class Answer:
    """What to send. `action`: send, hang (until the fake closes) or reset the connection."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    action: str = "send"
    seconds: float = 0.0

    def content(self) -> bytes:
        """The body's bytes: as they are, as text, or as JSON."""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass
class Request:
    """What came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FakePayPal:
    """Answers of a path are used up in order; the last one stays. Tokens are t1, t2, …"""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._answers: dict[str, deque[Answer]] = {}
        self._lock = threading.Lock()
        self._tokens = 0

    def on(self, path: str, *answers: Answer) -> None:
        """Answer this path so, from now on."""
        self._answers[path] = deque(answers)

    def requests_to(self, path: str) -> list[Request]:
        """The requests to a path, oldest first."""
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> Answer:
        """The next answer of the request's path."""
        with self._lock:
            self.requests.append(request)
            told = self._answers.get(request.path)
            if told:
                return told.popleft() if len(told) > 1 else told[0]
            if request.path == TOKEN_PATH:
                self._tokens += 1
                return Answer(body={"access_token": f"t{self._tokens}", "expires_in": 32400})
        return Answer(404, {"name": "RESOURCE_NOT_FOUND", "debug_id": "debug-404"})


@contextmanager
def fake_paypal() -> Iterator[FakePayPal]:
    """Serves a FakePayPal on a free port."""
    fake = FakePayPal()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            answer = fake.answer(request)
            if answer.action == "hang":
                fake.closing.wait(10)
                self.close_connection = True
                return
            if answer.action == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            time.sleep(answer.seconds)
            content = answer.content()
            self.send_response_only(answer.status)  # with no time but what the answer says
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204 and "content-length" not in answer.headers:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            if answer.status != 204:
                self.wfile.write(content)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def finish(self) -> None:
            with suppress(OSError):  # the connection was reset on purpose
                super().finish()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.daemon_threads = True
    served.block_on_close = False
    fake.url = f"http://127.0.0.1:{served.server_address[1]}"
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        fake.closing.set()
        served.shutdown()
        served.server_close()
        thread.join(5)
