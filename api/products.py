"""/v1/products: the catalogue, where prices come from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from litestar import Request, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from api.bodies import NewPrice, NewProduct, ProductChange, StrictBody, known_currency
from api.catalogue_csv import read_catalogue
from api.paging import Cursor, Limit, Page, decode, encode, only_filters
from api.security import Caller, authenticated, needs
from api.wiring import Services
from gateway.errors import GatewayError, InvalidRequest
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


class ProductList(msgspec.Struct, frozen=True):
    """The products that were imported, in the order of their file."""

    data: list[ProductResource]


def _resource(product: Product) -> ProductResource:
    return ProductResource(object="product", **msgspec.structs.asdict(product))


def _prices(bodies: Sequence[NewPrice]) -> list[Price]:
    currencies = [body.currency for body in bodies]
    if len(set(currencies)) != len(currencies):
        raise InvalidRequest("one price per currency", path="prices")
    for position, currency in enumerate(currencies):
        known_currency(currency, f"prices[{position}].currency")
    return [Price(body.currency, body.unit_amount) for body in bodies]


@post(
    "/",
    guards=[needs("catalog:write")],
    dto=StrictBody[NewProduct],
    return_dto=None,
    summary="Add a product",
    operation_id="createProduct",
)
async def create(
    data: JSONBody[NewProduct], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> ProductResource:
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


@get(
    "/",
    guards=[needs("orders:read"), only_filters("active")],
    summary="List products",
    operation_id="listProducts",
)
async def list_products(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
    active: FromQuery[bool] = True,
) -> Page[ProductResource]:
    """Products, newest first; `active=false` lists the archived ones."""
    page = await services.catalogue.page(
        caller.merchant_id, caller.livemode, after=decode(cursor), limit=limit, active=active
    )
    return Page([_resource(product) for product in page.products], encode(page.next_id))


@get(
    "/{product_id:str}",
    guards=[needs("orders:read")],
    summary="Read a product",
    operation_id="readProduct",
)
async def read(
    product_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> ProductResource:
    """One product."""
    product = await services.catalogue.get(caller.merchant_id, caller.livemode, product_id)
    return _resource(product)


@patch(
    "/{product_id:str}",
    guards=[needs("catalog:write")],
    dto=StrictBody[ProductChange],
    return_dto=None,
    summary="Change a product",
    operation_id="changeProduct",
)
async def change(
    product_id: FromPath[str],
    data: JSONBody[ProductChange],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
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


@delete(
    "/{product_id:str}",
    guards=[needs("catalog:write")],
    status_code=200,
    summary="Archive a product",
    operation_id="archiveProduct",
)
async def archive(
    product_id: FromPath[str], services: NamedDependency[Services], caller: NamedDependency[Caller]
) -> ProductResource:
    """Archive a product: it can no longer be ordered, and stays readable."""
    product = await services.catalogue.change(
        caller.merchant_id, caller.livemode, product_id, {"active": False}
    )
    return _resource(product)


@post(
    "/import",
    guards=[needs("catalog:write")],
    summary="Import products from CSV",
    operation_id="importProducts",
)
async def import_csv(
    request: Request[Any, Any, Any],
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
) -> ProductList:
    """Add the products of a `text/csv` body, all of them or none.

    The header is `name,description,currency,unit_amount`, in any order; unit_amount is in minor
    units. Lines of one name are one product's prices. Every line that is wrong is in `errors`.
    """
    if request.content_type[0] != "text/csv":
        raise GatewayError("send the file as text/csv", code="unsupported_media_type")
    products = read_catalogue(await request.body())
    added = await services.catalogue.add_all(caller.merchant_id, caller.livemode, products)
    return ProductList([_resource(product) for product in added])


router = Router(
    "/v1/products",
    guards=[authenticated],
    tags=["Catalogue"],
    route_handlers=[create, import_csv, list_products, read, change, archive],
)
