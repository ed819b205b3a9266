"""The Dockerfile and docker-compose.yml, as far as can be told without an engine."""

import re
from typing import Any

import click
import pytest
import yaml

from sandbox.__main__ import main as sandbox_main
from tests.project.files import ROOT, tracked
from tests.project.test_settings_example import shown

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = [
    line.split(maxsplit=1) for line in re.findall(r"^[A-Z]+ .*", DOCKERFILE, re.MULTILINE)
]


def instructions(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def parse(command: list[str]) -> None:
    """Parse a command line as the program would, without running it. Raises click.UsageError."""
    from api.cli import main

    program, subcommand, *arguments = command
    assert program == "gateway"
    assert isinstance(main, click.Group)
    with main.make_context(program, [subcommand], resilient_parsing=True) as context:
        known = main.get_command(context, subcommand)
        assert known is not None, subcommand
        options = sandbox_main if subcommand == "sandbox" else known
        options.make_context(subcommand, arguments, parent=context)


@pytest.mark.parametrize("name", OURS)
def test_commands_are_the_program_s_own(name: str) -> None:
    parse(OURS[name]["command"])


def test_the_image_s_command_is_the_program_s_own() -> None:
    (command,) = instructions("CMD")
    parse(yaml.safe_load(command))


def test_the_services_are_those_of_the_architecture() -> None:
    assert set(SERVICES) == {"postgres", "migrate", "api", "worker", "sandbox"}
    assert "--no-worker" in SERVICES["api"]["command"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert image
    assert re.match(r"\d", tag)


@pytest.mark.parametrize("name", SERVICES)
def test_health_is_checked_where_something_listens(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check == {"disable": True} if name in {"migrate", "worker"} else check["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert "network_mode" not in SERVICES[name] or not ports


@pytest.mark.parametrize("name", OURS)
def test_settings_are_known(name: str) -> None:
    assert set(OURS[name].get("environment", {})) <= shown()


@pytest.mark.parametrize("name", OURS)
def test_containers_are_confined(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", SERVICES)
def test_references_lead_somewhere(name: str) -> None:
    service = SERVICES[name]
    waits = service.get("depends_on", {})
    assert set(waits) <= set(SERVICES)
    for other, wait in waits.items():
        ends = SERVICES[other]["healthcheck"] == {"disable": True}
        assert wait["condition"] == (
            "service_completed_successfully" if ends else "service_healthy"
        )
    assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(
        COMPOSE["volumes"]
    )
    mode = service.get("network_mode", "service:sandbox")
    assert mode.removeprefix("service:") in SERVICES


def test_nothing_talks_before_the_tables_are_there() -> None:
    for name in ("api", "worker"):
        wait = SERVICES[name]["depends_on"]["migrate"]["condition"]
        assert wait == "service_completed_successfully"


def test_the_image_is_built_in_stages_and_runs_as_nobody_special() -> None:
    assert len(instructions("FROM")) == 2
    assert all(re.match(r"python:3\.\d+-slim", base) for base in instructions("FROM"))
    (user,) = instructions("USER")
    assert int(user) > 0


def test_the_image_checks_its_health() -> None:
    (check,) = instructions("HEALTHCHECK")
    assert "/health/live" in check


def test_the_image_installs_by_hash_only() -> None:
    installs = re.findall(r"pip install ([^&\n]*)", DOCKERFILE)
    assert installs
    assert all("--require-hashes" in options or "--no-index" in options for options in installs)


def test_what_is_copied_exists_and_is_let_through() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    files = {str(path) for path in tracked()} | {str(p.parts[0]) for p in tracked()}
    sources = [
        source
        for copy in instructions("COPY")
        if not copy.startswith("--from")
        for source in copy.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert source in files
        assert f"!{source}" in ignore
