"""Finding an order by any id that anybody holds of it (storage/known.py says which)."""

from storage.engine import Database
from storage.filters import OrderFilter
from storage.pages import newest


async def find(
    database: Database, merchant_id: str, livemode: bool, text: str, limit: int
) -> list[str]:
    """The ids of at most `limit` orders that are known by `text`, the newest first."""
    async with database.read() as connection:
        wanted = OrderFilter(search=text)
        return await newest(connection, merchant_id, livemode, wanted, None, limit)
