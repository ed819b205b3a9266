"""A catalogue as CSV: one line per price, all lines right or none taken."""

import csv
import io
import re
from collections.abc import Iterator

import msgspec

from api.bodies import Name
from api.problems import FieldError, InvalidLines
from gateway.errors import InvalidRequest
from gateway.money import EXPONENTS, MAX_AMOUNT
from storage.catalogue import NewProduct, Price

HEADER = ("name", "description", "currency", "unit_amount")
_AMOUNT = re.compile(r"[0-9]{1,14}")
_LONGEST_DESCRIPTION = 5000


class _Line(msgspec.Struct, frozen=True):
    """One price, as its line has it."""

    number: int
    name: str
    description: str
    price: Price


def read_catalogue(body: bytes) -> list[NewProduct]:
    """The products of a CSV file in UTF-8, in the file's order.

    Lines with the same name are the prices of one product. Raises InvalidRequest for what is no
    such file, InvalidLines that names every line at fault (the header is line 1).
    """
    try:
        text = body.decode("utf-8-sig")  # spreadsheets put a byte order mark in front
    except UnicodeDecodeError:
        raise InvalidRequest("the file is not UTF-8") from None
    errors: list[FieldError] = []
    by_name: dict[str, list[_Line]] = {}
    for number, fields in _rows(text):
        try:
            line = _line(number, fields)
            same = by_name.setdefault(line.name, [])
            _agree(line, same)
            same.append(line)
        except InvalidRequest as error:
            errors.append(FieldError(f"line {number}", error.detail))
    if errors:
        raise InvalidLines(f"{len(errors)} lines are wrong; nothing was imported", errors)
    if not by_name:
        raise InvalidRequest("there is no product in the file")
    return [
        NewProduct(name, same[0].description, tuple(line.price for line in same))
        for name, same in by_name.items()
    ]


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its last line, fields in the order of HEADER) of each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if sorted(header) != sorted(HEADER):
            raise InvalidLines(
                "the header is wrong",
                [FieldError("line 1", f"the header must be {','.join(HEADER)}, in any order")],
            )
        order = [header.index(name) for name in HEADER]
        for row in reader:
            if row:
                full = len(row) == len(HEADER)
                yield reader.line_num, [row[column] for column in order] if full else []
    except csv.Error as error:
        wrong = [FieldError(f"line {reader.line_num}", str(error))]
        raise InvalidLines("the file is not CSV", wrong) from None


def _line(number: int, fields: list[str]) -> _Line:
    if not fields:
        raise InvalidRequest(f"a line has {len(HEADER)} fields")
    name, description, currency, amount = (field.strip() for field in fields)
    if "\0" in name + description:
        raise InvalidRequest("there is a NUL character in it")
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError:
        raise InvalidRequest("name has 1 to 200 characters") from None
    if len(description) > _LONGEST_DESCRIPTION:
        raise InvalidRequest(f"description has at most {_LONGEST_DESCRIPTION} characters")
    if currency not in EXPONENTS:
        raise InvalidRequest(f"{currency[:10]!r} is not an active ISO 4217 currency")
    if not _AMOUNT.fullmatch(amount) or not 1 <= int(amount) <= MAX_AMOUNT:
        raise InvalidRequest("unit_amount is a whole number of minor units, 1 or more")
    return _Line(number, name, description, Price(currency, int(amount)))


def _agree(line: _Line, before: list[_Line]) -> None:
    """A product has one description, and one price per currency."""
    for other in before:
        if other.price.currency == line.price.currency:
            raise InvalidRequest(f"line {other.number} has its price in {line.price.currency} too")
        if other.description != line.description:
            raise InvalidRequest(f"line {other.number} describes this product differently")
