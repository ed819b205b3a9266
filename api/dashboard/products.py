"""The catalogue: names, prices, archiving, and a CSV file that is looked at before it is taken."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from api import products as api_products
from api.bodies import NewProduct, ProductChange, decode
from api.catalogue_csv import read_catalogue
from api.dashboard import formats
from api.dashboard.guarding import AnyRequest, allows, call
from api.dashboard.people import Desk, Viewer
from api.dashboard.rendering import View, onward
from api.problems import FieldError, InvalidLines
from api.security import Forbidden
from api.wiring import Services
from gateway.errors import InvalidAmount, InvalidRequest

_HOME = "/dashboard/products"
PAGE = 50
#: Rows for prices that the form of a new product has.
PRICES = 3


@get("/products")
async def products(
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
    cursor: FromQuery[str | None] = None,
    show: FromQuery[Literal["active", "archived"]] = "active",
) -> Response[str]:
    """The catalogue, or what was archived."""
    found = await call(
        viewer,
        api_products.list_products,
        services=services,
        limit=PAGE,
        cursor=cursor,
        active=show == "active",
    )
    return view.page(
        "products.html",
        products=found.data,
        show=show,
        may_change=allows(viewer, api_products.change),
        next=view.next_page(found.next_cursor),
    )


@get("/products/{product_id:str}")
async def product(
    product_id: FromPath[str],
    services: NamedDependency[Services],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str]:
    """One product, to be changed."""
    found = await call(viewer, api_products.read, product_id=product_id, services=services)
    may_change = allows(viewer, api_products.change)
    return view.page("product.html", product=found, may_change=may_change, wrong="")


@post("/products/{product_id:str}")
async def change(
    product_id: FromPath[str],
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str] | Redirect:
    """Name, description and prices as the form has them; or archive it, or take that back."""
    form = await request.form()
    found = await call(viewer, api_products.read, product_id=product_id, services=services)
    asked: dict[str, Any] = {}
    if (active := str(form.get("active", ""))) in ("true", "false"):
        asked["active"] = active == "true"
    try:
        if not asked:
            asked = {
                "name": str(form.get("name", "")).strip(),
                "description": str(form.get("description", "")).strip(),
                "prices": _prices(form, view),
            }
        data = decode(msgspec.json.encode(asked), ProductChange)
        async with desk.noted(viewer, "changed a product", product_id, ", ".join(asked)):
            await call(
                viewer, api_products.change, product_id=product_id, services=services, data=data
            )
    except (InvalidRequest, InvalidAmount) as error:
        return view.page("product.html", 400, product=found, may_change=True, wrong=error.detail)
    if asked.get("active") is False:
        return onward(_HOME, "archived")
    return onward(f"{_HOME}/{product_id}", "saved")


@get("/products/new")
async def new(viewer: NamedDependency[Viewer], view: NamedDependency[View]) -> Response[str]:
    """What a new product is called and costs."""
    if not allows(viewer, api_products.create):
        raise Forbidden("your role does not allow changing the catalogue")
    return view.page(
        "new_product.html",
        typed={"name": "", "description": ""},
        rows=[("", "")] * PRICES,
        wrong="",
    )


@post("/products")
async def create(
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str] | Redirect:
    """Add it; or the form again, as it was typed, with what is wrong."""
    if not allows(viewer, api_products.create):
        raise Forbidden("your role does not allow changing the catalogue")
    form = await request.form()
    typed = {name: str(form.get(name, "")).strip() for name in ("name", "description")}
    try:
        prices = _prices(form, view)
        for path, given in (("name", typed["name"]), ("price", prices)):
            if not given:
                raise InvalidRequest(f"give it a {path}", path=path)
        data = decode(msgspec.json.encode({**typed, "prices": prices}), NewProduct)
        detail = ", ".join(price["currency"] for price in prices)
        async with desk.noted(viewer, "added a product", data.name, detail):
            made = await call(viewer, api_products.create, services=services, data=data)
    except (InvalidRequest, InvalidAmount) as error:
        rows = [(str(currency), str(amount)) for currency, amount in _rows(form)][:PRICES]
        rows += [("", "")] * (PRICES - len(rows))
        return view.page("new_product.html", 400, typed=typed, rows=rows, wrong=error.detail)
    return onward(f"{_HOME}/{made.id}", "saved")


def _rows(form: Any) -> Iterable[tuple[object, object]]:
    """The form's currencies and amounts, as they were typed."""
    return zip(form.getall("currency", []), form.getall("amount", []), strict=False)


def _prices(form: Any, view: View) -> list[dict[str, Any]]:
    """The rows that have a currency and an amount. Raises InvalidAmount, and InvalidRequest where
    an amount has no currency."""
    prices = []
    for currency, amount in _rows(form):
        code = str(currency).strip().upper()
        if not code and str(amount).strip():
            raise InvalidRequest("each price needs its currency", path="prices")
        if code and str(amount).strip():
            units = formats.minor_units(str(amount), code, view.locale)
            prices.append({"currency": code, "unit_amount": units})
    return prices


@get("/products/import")
async def ask(viewer: NamedDependency[Viewer], view: NamedDependency[View]) -> Response[str]:
    """Choose a file."""
    if not allows(viewer, api_products.import_csv):
        raise Forbidden("your role does not allow changing the catalogue")
    return view.page("import.html", text="", products=None, errors=[])


@post("/products/import")
async def preview(
    request: AnyRequest,
    services: NamedDependency[Services],
    desk: NamedDependency[Desk],
    viewer: NamedDependency[Viewer],
    view: NamedDependency[View],
) -> Response[str] | Redirect:
    """What the file holds, or what is wrong with which line; taken once it was confirmed."""
    if not allows(viewer, api_products.import_csv):
        raise Forbidden("your role does not allow changing the catalogue")
    form = await request.form()
    file = form.get("file")
    body = await file.read() if isinstance(file, UploadFile) else b""
    text = str(form.get("text", ""))
    body = body or text.encode()
    try:
        found = read_catalogue(body)
    except InvalidLines as error:
        return _mend(view, body, error.errors)
    except InvalidRequest as error:
        return _mend(view, body, [FieldError(error.path or "file", error.detail)])
    if not form.get("confirmed"):
        return view.page("import.html", text=body.decode("utf-8-sig"), products=found, errors=[])
    async with desk.noted(viewer, "imported products", detail=f"{len(found)} products"):
        await services.catalogue.add_all(viewer.caller.merchant_id, viewer.caller.livemode, found)
    return onward(_HOME, "imported")


def _mend(view: View, body: bytes, errors: list[FieldError]) -> Response[str]:
    text = body.decode("utf-8-sig", errors="replace")
    return view.page("import.html", 400, text=text, products=None, errors=errors)


HANDLERS = [products, new, create, ask, preview, product, change]
