"""/v1/products: the catalogue, where prices come from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from litestar import Router, delete, get, patch, post

from api.bodies import NewProduct, PriceBody, ProductChange, StrictBody
from api.paging import Cursor, Limit, Page, decode, encode
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.errors import InvalidRequest
from gateway.money import exponent
from storage.catalogue import Price, Product


class ProductResource(msgspec.Struct, frozen=True):
    """A product as the API shows it."""

    object: Literal["product"]
    id: str
    livemode: bool
    name: str
    description: str
    active: bool
    prices: tuple[Price, ...]
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime


def _resource(product: Product) -> ProductResource:
    return ProductResource(object="product", **msgspec.structs.asdict(product))


def _prices(bodies: Sequence[PriceBody]) -> list[Price]:
    currencies = [body.currency for body in bodies]
    if len(set(currencies)) != len(currencies):
        raise InvalidRequest("one price per currency", path="prices")
    for currency in currencies:
        exponent(currency)  # refuses what is no currency
    return [Price(body.currency, body.unit_amount) for body in bodies]


@post(
    "/",
    guards=[needs("catalog:write")],
    dto=StrictBody[NewProduct],
    return_dto=None,
    summary="Add a product",
)
async def create(data: NewProduct, services: Services, caller: Caller) -> ProductResource:
    """Add a product with one price per currency."""
    product = await services.catalogue.add(
        caller.merchant_id,
        caller.livemode,
        data.name,
        data.description,
        _prices(data.prices),
        data.metadata,
    )
    return _resource(product)


@get("/", guards=[needs("orders:read")], summary="List products")
async def list_products(
    services: Services,
    caller: Caller,
    limit: Limit = 50,
    cursor: Cursor = None,
    active: bool = True,
) -> Page[ProductResource]:
    """Products, newest first; `active=false` lists the archived ones."""
    page = await services.catalogue.page(
        caller.merchant_id, caller.livemode, after=decode(cursor), limit=limit, active=active
    )
    return Page([_resource(product) for product in page.products], encode(page.next_id))


@get("/{product_id:str}", guards=[needs("orders:read")], summary="Read a product")
async def read(product_id: str, services: Services, caller: Caller) -> ProductResource:
    """One product."""
    product = await services.catalogue.get(caller.merchant_id, caller.livemode, product_id)
    return _resource(product)


@patch(
    "/{product_id:str}",
    guards=[needs("catalog:write")],
    dto=StrictBody[ProductChange],
    return_dto=None,
    summary="Change a product",
)
async def change(
    product_id: str, data: ProductChange, services: Services, caller: Caller
) -> ProductResource:
    """Change what is given. Orders that exist keep the price they were made with."""
    values = {
        name: value
        for name, value in msgspec.structs.asdict(data).items()
        if value is not msgspec.UNSET and name != "prices"
    }
    prices = None if data.prices is msgspec.UNSET else _prices(data.prices)
    product = await services.catalogue.change(
        caller.merchant_id, caller.livemode, product_id, values, prices
    )
    return _resource(product)


@delete("/{product_id:str}", guards=[needs("catalog:write")], status_code=200, summary="Archive it")
async def archive(product_id: str, services: Services, caller: Caller) -> ProductResource:
    """Archive a product: it can no longer be ordered, and stays readable."""
    product = await services.catalogue.change(
        caller.merchant_id, caller.livemode, product_id, {"active": False}
    )
    return _resource(product)


router = Router(
    "/v1/products",
    guards=[authenticated],
    tags=["Catalogue"],
    route_handlers=[create, list_products, read, change, archive],
)
