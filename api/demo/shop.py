"""A shop that is a merchant like any other: it talks to the gateway over HTTP with its key."""

from types import TracebackType

import httpx
from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin


class Shop(InitPlugin):
    """Adds the shop's pages under /demo."""

    def __init__(self, url: str, sandbox_url: str, secret_key: str) -> None:
        self._sandbox_url = sandbox_url
        self._client = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {secret_key}"}, timeout=30
        )

    async def __aenter__(self) -> "Shop":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the routes."""
        return app_config
