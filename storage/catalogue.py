"""Products and their prices: where the price of an order comes from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import InvalidRequest, NotFound
from gateway.ids import Ids
from gateway.ports import Clock
from storage import tables as t
from storage.engine import Database

_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode


class Price(msgspec.Struct, frozen=True):
    """What one unit costs, in minor units."""

    currency: str
    unit_amount: int


class Product(msgspec.Struct, frozen=True):
    """Something that is sold. `active` is False once it is archived."""

    id: str
    livemode: bool
    name: str
    description: str
    active: bool
    prices: tuple[Price, ...]
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime


class NewProduct(msgspec.Struct, frozen=True):
    """A product to be added, with one price per currency."""

    name: str
    description: str
    prices: tuple[Price, ...]
    metadata: dict[str, str] = {}


class ProductPage(msgspec.Struct, frozen=True):
    """Some products, and where the next ones start."""

    products: tuple[Product, ...]
    next_id: str | None


class Catalogue:
    """The catalogue of every merchant; each call names the merchant and the mode."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock

    async def add(
        self,
        merchant_id: str,
        livemode: bool,
        name: str,
        description: str,
        prices: Sequence[Price],
        metadata: Mapping[str, str],
    ) -> Product:
        """A new product with one price per currency."""
        new = NewProduct(name, description, tuple(prices), dict(metadata))
        (product,) = await self.add_all(merchant_id, livemode, [new])
        return product

    async def add_all(
        self, merchant_id: str, livemode: bool, products: Sequence[NewProduct]
    ) -> list[Product]:
        """New products, all of them or none."""
        now = self._clock.now()
        added = [
            Product(
                id=self._ids.new("prod"),
                livemode=livemode,
                name=new.name,
                description=new.description,
                active=True,
                prices=tuple(sorted(new.prices, key=lambda price: price.currency)),
                metadata=new.metadata,
                created_at=now,
                updated_at=now,
            )
            for new in products
        ]
        rows = [
            {name: getattr(product, name) for name in _COLUMNS}
            | {"merchant_id": merchant_id, "metadata": msgspec.json.encode(product.metadata)}
            for product in added
        ]
        prices = [
            {"merchant_id": merchant_id, "product_id": product.id} | msgspec.structs.asdict(price)
            for product in added
            for price in product.prices
        ]
        async with self._database.write() as connection:
            await connection.execute(t.products.insert(), rows)
            await connection.execute(t.prices.insert(), prices)
        return added

    async def get(self, merchant_id: str, livemode: bool, product_id: str) -> Product:
        """One product. Raises NotFound."""
        async with self._database.read() as connection:
            return await self._get(connection, merchant_id, livemode, product_id)

    async def change(
        self,
        merchant_id: str,
        livemode: bool,
        product_id: str,
        values: Mapping[str, Any],
        prices: Sequence[Price] | None = None,
    ) -> Product:
        """Change columns (name, description, metadata, active) and, if given, all prices."""
        columns = dict(values)
        if "metadata" in columns:
            columns["metadata"] = msgspec.json.encode(columns["metadata"])
        async with self._database.write() as connection:
            await connection.execute(
                update(t.products)
                .where(*_own(merchant_id, livemode), t.products.c.id == product_id)
                .values(**columns, updated_at=self._clock.now())
            )
            await self._get(connection, merchant_id, livemode, product_id)
            if prices is not None:
                await self._set_prices(connection, merchant_id, product_id, prices)
            return await self._get(connection, merchant_id, livemode, product_id)

    async def page(
        self, merchant_id: str, livemode: bool, *, after: str | None, limit: int, active: bool
    ) -> ProductPage:
        """Products, newest first; archived ones only when `active` is False."""
        query = (
            select(t.products)
            .where(*_own(merchant_id, livemode), t.products.c.active == active)
            .order_by(t.products.c.id.desc())
            .limit(limit + 1)
        )
        if after is not None:
            query = query.where(t.products.c.id < after)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            shown = rows[:limit]
            prices = await _prices(connection, merchant_id, [row.id for row in shown])
        products = tuple(_product(row, prices.get(row.id, ())) for row in shown)
        return ProductPage(products, shown[-1].id if len(rows) > limit else None)

    async def quote(
        self, merchant_id: str, livemode: bool, currency: str, product_ids: Sequence[str]
    ) -> dict[str, tuple[str, int]]:
        """(name, unit amount) of each product in `currency`.

        Raises InvalidRequest that names the product which is missing, archived, or not sold in this
        currency.
        """
        c = t.products.c
        async with self._database.read() as connection:
            rows = await connection.execute(
                select(c.id, c.name).where(
                    *_own(merchant_id, livemode), c.active, c.id.in_(list(product_ids))
                )
            )
            names = {row.id: row.name for row in rows}
            prices = await _prices(connection, merchant_id, list(names))
        quoted = {}
        for product_id in product_ids:
            if product_id not in names:
                raise InvalidRequest(
                    f"there is no active product {product_id}", path="items", code="unknown_product"
                )
            amounts = {price.currency: price.unit_amount for price in prices[product_id]}
            if currency not in amounts:
                raise InvalidRequest(
                    f"{product_id} has no price in {currency}; it has one in "
                    f"{', '.join(sorted(amounts)) or 'no currency'}",
                    path="currency",
                    code="no_price_in_currency",
                )
            quoted[product_id] = (names[product_id], amounts[currency])
        return quoted

    async def _get(
        self, connection: AsyncConnection, merchant_id: str, livemode: bool, product_id: str
    ) -> Product:
        query = select(t.products).where(
            *_own(merchant_id, livemode), t.products.c.id == product_id
        )
        row = (await connection.execute(query)).first()
        if row is None:
            raise NotFound(f"there is no product {product_id}")
        prices = await _prices(connection, merchant_id, [product_id])
        return _product(row, prices.get(product_id, ()))

    async def _set_prices(
        self,
        connection: AsyncConnection,
        merchant_id: str,
        product_id: str,
        prices: Sequence[Price],
    ) -> None:
        keys = {"merchant_id": merchant_id, "product_id": product_id}
        c = t.prices.c
        await connection.execute(
            delete(t.prices).where(c.merchant_id == merchant_id, c.product_id == product_id)
        )
        if prices:
            await connection.execute(
                t.prices.insert(), [keys | msgspec.structs.asdict(price) for price in prices]
            )


_COLUMNS = (
    "id", "livemode", "name", "description", "active", "created_at", "updated_at",
)  # fmt: skip


def _own(merchant_id: str, livemode: bool) -> tuple[Any, ...]:
    return t.products.c.merchant_id == merchant_id, t.products.c.livemode == livemode


async def _prices(
    connection: AsyncConnection, merchant_id: str, product_ids: Sequence[str]
) -> dict[str, list[Price]]:
    c = t.prices.c
    rows = await connection.execute(
        select(t.prices)
        .where(c.merchant_id == merchant_id, c.product_id.in_(list(product_ids)))
        .order_by(c.currency)
    )
    prices: dict[str, list[Price]] = {product_id: [] for product_id in product_ids}
    for row in rows:
        prices[row.product_id].append(Price(row.currency, row.unit_amount))
    return prices


def _product(row: Row[Any], prices: Sequence[Price]) -> Product:
    return Product(
        id=row.id,
        livemode=row.livemode,
        name=row.name,
        description=row.description,
        active=row.active,
        prices=tuple(prices),
        metadata=_decode_metadata(row.metadata),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
