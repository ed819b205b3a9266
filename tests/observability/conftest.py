"""A gateway on SQLite beside the stand-in providers."""

from tests.faults.conftest import gateway, house, sandbox, sandbox_url

__all__ = ["gateway", "house", "sandbox", "sandbox_url"]
