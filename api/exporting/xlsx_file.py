"""XLSX for people: real dates and numbers where a spreadsheet can hold them exactly."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from api.exporting import texts
from gateway.columns import RecordKind
from gateway.exports import file_columns
from storage.flat import Batch

#: A sheet has no more rows, its header among them, and a cell no longer text.
LAST_ROW = 1_048_576
LONGEST = 32_767
#: A spreadsheet's numbers are floating point: they hold so many digits exactly.
DIGITS = 15
#: Day 0 of a spreadsheet's time, which is a number of days.
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 -- of every zone's own clock
_DAY = timedelta(days=1)
_BLOCK = 256 * 1024

Write = Callable[[int, int, Any], object]


class XlsxFile:
    """Writes one file, row by row, to a temporary one: its bytes come at the end.

    Texts are cells of the type and the format text, which no spreadsheet computes.
    """

    def __init__(self, kind: RecordKind, zone: ZoneInfo) -> None:
        self._kind, self._zone = kind, zone
        self._names = file_columns(kind)
        self._folder = tempfile.TemporaryDirectory(prefix="gateway-export-")
        self._path = f"{self._folder.name}/export.xlsx"
        self._book = xlsxwriter.Workbook(
            self._path, {"constant_memory": True, "tmpdir": self._folder.name}
        )
        self._bold = self._book.add_format({"bold": True})
        self._format = cache(self._new_format)
        self._text = self._format("@")
        self._sheet: Worksheet
        self._row = LAST_ROW
        self._next_sheet()

    def rows(self, batch: Batch) -> bytes:
        """No bytes yet."""
        columns = list(self._columns(batch))
        for values in zip(*(values for _, values in columns), strict=True):
            if self._row == LAST_ROW:
                self._next_sheet()
            for position, value in enumerate(values):
                if value is not None:
                    columns[position][0](self._row, position, value)
            self._row += 1
        return b""

    def end(self) -> Iterator[bytes]:
        """The whole file."""
        self._book.close()
        with open(self._path, "rb") as file:
            while block := file.read(_BLOCK):
                yield block

    def close(self) -> None:
        """Remove the temporary files."""
        for sheet in self._book.worksheets():
            sheet.row_data_fh.close()
        self._folder.cleanup()

    def _next_sheet(self) -> None:
        count = len(self._book.worksheets())
        name = self._kind if count == 0 else f"{self._kind} {count + 1}"
        self._sheet = self._book.add_worksheet(name)
        self._sheet.freeze_panes(1, 0)
        for position, column in enumerate(self._names):
            self._sheet.set_column(position, position, max(10, len(column) + 2))
            self._sheet.write_string(0, position, column, self._bold)
        self._row = 1

    def _new_format(self, number_format: str) -> Format:
        return self._book.add_format({"num_format": number_format})

    # --- cells ------------------------------------------------------------------------------------

    def _columns(self, batch: Batch) -> Iterator[tuple[Write, Sequence[Any]]]:
        decimals = texts.Decimals(batch.named("currency"))
        for column, values in zip(batch.columns, batch.values, strict=True):
            match column.type:
                case "time":
                    yield self._write_time, texts.local(values, self._zone)
                case "money":
                    units = texts.digits(values)
                    yield self._write_number, units
                    yield self._write_number, decimals.of(units)
                case "bool":
                    yield self._write_bool, values
                case "json":
                    yield self._write_text, texts.decoded(values)
                case _:
                    yield self._write_text, values
        yield self._write_text, (self._zone.key,) * len(batch)

    def _write_text(self, row: int, position: int, text: str) -> None:
        if len(text) > LONGEST:
            text = text[: LONGEST - 1] + "…"
        self._sheet.write_string(row, position, text, self._text)

    def _write_number(self, row: int, position: int, text: str) -> None:
        """An exact decimal, as a number if that holds it."""
        if sum(map(str.isdigit, text)) > DIGITS:
            self._write_text(row, position, text)
            return
        shown = "0" + "." * ("." in text) + "0" * len(text.partition(".")[2])
        self._sheet.write_number(row, position, float(text), self._format(shown))

    def _write_bool(self, row: int, position: int, value: bool) -> None:
        self._sheet.write_boolean(row, position, value)

    def _write_time(self, row: int, position: int, local: datetime) -> None:
        """A spreadsheet's time knows no zone: the offset stands in the format, and is shown."""
        offset = local.isoformat()[-6:]
        days = (local.replace(tzinfo=None) - _EPOCH) / _DAY
        shown = self._format(f'yyyy-mm-dd hh:mm:ss.000"{offset}"')
        self._sheet.write_number(row, position, days, shown)
