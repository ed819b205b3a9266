"""Commands as a person or a program gives them."""

import asyncio
import json
from typing import Any

from click.testing import CliRunner, Result

from api.cli import main
from tests.faults.stage import House


async def command(house: House, *arguments: str, **environment: str) -> Result:
    """Run it in a thread of its own, on a wide terminal."""
    env = {**house.environment, "COLUMNS": "250", **environment}
    result: Result = await asyncio.to_thread(CliRunner().invoke, main, arguments, env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


async def lines(house: House, *arguments: str) -> list[Any]:
    """The lines of JSON of a command that succeeds."""
    result = await command(house, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]
