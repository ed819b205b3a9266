"""The demo as a real process, and a browser that notices what goes wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

#: Where the command is that `pip install` made beside this interpreter.
GATEWAY = Path(sys.executable).with_name("gateway")
WIDTHS = {"wide": 1280, "phone": 390}


class Demo(NamedTuple):
    """What `gateway demo --json` says, and clients for both of its servers."""

    url: str
    sandbox_url: str
    publishable_key: str
    api: httpx.Client
    sandbox: httpx.Client
    password: str = ""

    def order(self, page: Page) -> dict[str, Any]:
        """The order whose page is shown, as the API has it."""
        order_id = urlsplit(page.url).path.split("/")[3]
        found: dict[str, Any] = self.api.get(f"/v1/orders/{order_id}").json()
        return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo of its own for each module; ended by its own pid."""
    command = [str(GATEWAY), "demo", "--json", "--data", str(tmp_path_factory.mktemp("demo"))]
    ports = [f"--port={free_port()}", f"--sandbox-port={free_port()}"]
    with subprocess.Popen(
        [*command, *ports], stdout=subprocess.PIPE, env=_environment()
    ) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            key = {"Authorization": f"Bearer {told['secret_key']}"}
            with (
                httpx.Client(base_url=told["url"], headers=key, timeout=30) as api,
                httpx.Client(base_url=told["sandbox_url"], timeout=30) as sandbox,
            ):
                yield Demo(
                    told["url"],
                    told["sandbox_url"],
                    told["publishable_key"],
                    api,
                    sandbox,
                    told["password"],
                )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert process.returncode == 0


def _environment() -> dict[str, str]:
    """Ours without settings that a developer may have set."""
    ours = ("DATABASE_URL", "GATEWAY_", "STRIPE_", "PAYPAL_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A browser for the module."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


class Watched(NamedTuple):
    """Opens pages, and remembers what they ask for and what they complain about."""

    open: Callable[..., Page]
    #: A test that provokes an answer of 4xx empties it.
    complaints: list[str]
    asked: set[str]


@pytest.fixture
def watched(browser: Browser, demo: Demo) -> Iterator[Watched]:
    """Fails a test whose pages complain in the console, overflow, or ask a third server."""
    contexts: list[BrowserContext] = []
    seen = Watched(lambda **options: _open(browser, contexts, seen, options), [], set())
    yield seen
    for context in contexts:
        context.close()
    ours = {demo.url, demo.sandbox_url}
    assert {url for url in seen.asked if not url.startswith(("data:", *ours))} == set()
    assert seen.complaints == []


def _open(
    browser: Browser, contexts: list[BrowserContext], seen: Watched, options: dict[str, Any]
) -> Page:
    width = options.pop("width", WIDTHS["wide"])
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    context.set_default_timeout(15_000)
    contexts.append(context)
    page = context.new_page()
    page.on("console", lambda message: seen.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("request", lambda request: seen.asked.add(request.url))

    def loaded(response: Response) -> None:
        if response.status >= 400:
            seen.complaints.append(f"{response.status} {response.url}")

    page.on("response", loaded)
    return page


@pytest.fixture
def page(watched: Watched) -> Page:
    """One page, as wide as a desk's."""
    return watched.open()
