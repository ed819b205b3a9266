"""Wrong settings: one clear line on standard error that names the setting, exit code 1."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.cli import main

SECRET = "0123456789abcdef0123456789abcdef"
STRIPE = {"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_WEBHOOK_SECRET": "whsec_x"}
PAYPAL = {
    "PAYPAL_CLIENT_ID": "id",
    "PAYPAL_CLIENT_SECRET": "geheim",
    "PAYPAL_WEBHOOK_ID": "W1",
}
WRONG: list[tuple[str, dict[str, str]]] = [
    ("GATEWAY_SECRET_KEY", {"GATEWAY_SECRET_KEY": ""}),
    ("GATEWAY_SECRET_KEY", {"GATEWAY_SECRET_KEY": "short"}),
    ("GATEWAY_PUBLIC_URL", {"GATEWAY_PUBLIC_URL": "pay.example.com"}),
    ("GATEWAY_PUBLIC_URL", {"GATEWAY_PUBLIC_URL": "ftp://pay.example.com"}),
    ("GATEWAY_PUBLIC_URL", {"GATEWAY_PUBLIC_URL": "https://user:geheim@pay.example.com"}),
    ("GATEWAY_PUBLIC_URL", {"GATEWAY_PUBLIC_URL": "https://[::1"}),
    ("GATEWAY_PUBLIC_URL", {"GATEWAY_PUBLIC_URL": "https://pay.example.com:port"}),
    ("GATEWAY_LOG_LEVEL", {"GATEWAY_LOG_LEVEL": "loud"}),
    ("GATEWAY_LEASE_SECONDS", {"GATEWAY_LEASE_SECONDS": "0"}),
    ("GATEWAY_LEASE_SECONDS", {"GATEWAY_LEASE_SECONDS": "forty"}),
    ("GATEWAY_POOL_SIZE", {"GATEWAY_POOL_SIZE": "-1"}),
    ("GATEWAY_POOL_SIZE", {"GATEWAY_POOL_SIZE": "9" * 5000}),
    ("DATABASE_URL", {"DATABASE_URL": "mysql://root:geheim@db/x"}),
    ("DATABASE_URL", {"DATABASE_URL": "not a url: geheim"}),
    ("DATABASE_URL", {"DATABASE_URL": "sqlite://"}),
    ("DATABASE_URL", {"DATABASE_URL": "sqlite:////nonexistent/folder/gateway.db"}),
    ("DATABASE_URL", {"DATABASE_URL": "postgresql://u:geheim@127.0.0.1:1/x"}),
    ("DATABASE_URL", {"DATABASE_URL": "postgresql://u:geheim@127.0.0.1:port/x"}),
    ("STRIPE_SECRET_KEY", {"STRIPE_WEBHOOK_SECRET": "whsec_geheim"}),
    ("STRIPE_SECRET_KEY", {**STRIPE, "STRIPE_SECRET_KEY": "pk_test_geheim"}),
    ("STRIPE_WEBHOOK_SECRET", {"STRIPE_SECRET_KEY": "sk_test_geheim"}),
    ("STRIPE_WEBHOOK_SECRET", {**STRIPE, "STRIPE_WEBHOOK_SECRET": "geheim"}),
    ("STRIPE_API_BASE", {**STRIPE, "STRIPE_API_BASE": "http://api.example.com"}),
    ("STRIPE_API_BASE", {**STRIPE, "STRIPE_API_BASE": "https://api.example.com:port"}),
    (
        "STRIPE_API_BASE",
        {**STRIPE, "STRIPE_SECRET_KEY": "sk_live_geheim", "STRIPE_API_BASE": "http://127.0.0.1:1"},
    ),
    ("GATEWAY_PUBLIC_URL", {**STRIPE, "STRIPE_SECRET_KEY": "sk_live_geheim"}),
    ("PAYPAL_CLIENT_SECRET", {"PAYPAL_CLIENT_ID": "id"}),
    ("PAYPAL_CLIENT_ID", {**PAYPAL, "PAYPAL_CLIENT_ID": "i d"}),
    ("PAYPAL_WEBHOOK_ID", {**PAYPAL, "PAYPAL_WEBHOOK_ID": "WEBHOOK_ID"}),
    ("PAYPAL_ENVIRONMENT", {**PAYPAL, "PAYPAL_ENVIRONMENT": "production"}),
    ("PAYPAL_API_BASE", {**PAYPAL, "PAYPAL_API_BASE": "https://api-m.paypal.com"}),
    ("PAYPAL_CERT_HOSTS", {**PAYPAL, "PAYPAL_CERT_HOSTS": "http://evil.example"}),
    ("PAYPAL_CA_FILE", {**PAYPAL, "PAYPAL_CA_FILE": "/nonexistent"}),
    ("GATEWAY_PUBLIC_URL", {**PAYPAL, "PAYPAL_ENVIRONMENT": "live"}),
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the test's own, and no `.env` beside it."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("GATEWAY_", "STRIPE_", "PAYPAL_", "DATABASE_")):
            monkeypatch.delenv(name)


def one_line(text: str, name: str) -> None:
    """Assert that it is one line, names the setting and gives no secret away."""
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("gateway: "), text
    assert name in lines[0], text
    assert "geheim" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize(("name", "wrong"), WRONG, ids=range(len(WRONG)))
def test_serve(name: str, wrong: dict[str, str], store_url: str) -> None:
    """The table. The database is there and up to date unless the case says otherwise."""
    environment = {"GATEWAY_SECRET_KEY": SECRET, "DATABASE_URL": store_url, **wrong}
    result = CliRunner().invoke(main, ["serve", "--port", "0"], env=environment)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    one_line(result.stderr, name)


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["keys", "list"]], ids=" ".join)
def test_a_database_without_schema(command: list[str], tmp_path: Path) -> None:
    """It says what to run."""
    environment = {
        "GATEWAY_SECRET_KEY": SECRET,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}",
    }
    result = CliRunner().invoke(main, command, env=environment)
    assert result.exit_code == 1
    one_line(result.stderr, "gateway migrate")


@pytest.mark.parametrize("command", [["serve"], ["worker"], ["migrate"], ["keys", "list"]])
def test_a_file_that_is_no_database(command: list[str], tmp_path: Path) -> None:
    """Whatever it is, it is left alone."""
    file = tmp_path / "notes.db"
    file.write_text("These are my notes, and no database at all.\n" * 100)
    environment = {"GATEWAY_SECRET_KEY": SECRET, "DATABASE_URL": f"sqlite:///{file}"}
    result = CliRunner().invoke(main, command, env=environment)
    assert result.exit_code == 1, result.output
    one_line(result.stderr, "DATABASE_URL")
    assert file.read_text().startswith("These are my notes")


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_an_address_that_cannot_be_listened_on(host: str, store_url: str) -> None:
    """In use, or not this machine's."""
    environment = {"GATEWAY_SECRET_KEY": SECRET, "DATABASE_URL": store_url}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = ["serve", "--host", host, "--port", port]
        result = CliRunner().invoke(main, command, env=environment)
    assert result.exit_code == 1, result.output
    one_line(result.stderr, f"cannot listen on {host} port {port}")


def test_as_a_program(tmp_path: Path) -> None:
    """The same through the installed command, with a `.env` file."""
    (tmp_path / ".env").write_text("GATEWAY_SECRET_KEY=short\n")
    gateway = Path(sys.executable).parent / "gateway"
    done = subprocess.run([gateway, "serve"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    one_line(done.stderr, "GATEWAY_SECRET_KEY")
    with suppress(FileNotFoundError):
        assert not (tmp_path / "gateway.db").stat()
