"""The formats by themselves: several sheets, several row groups, what a cell cannot hold."""

import io
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from api.exporting import xlsx_file
from api.exporting.parquet_file import ParquetFile
from gateway.columns import REFUNDS
from gateway.exports import file_columns
from storage.flat import Batch

BERLIN = ZoneInfo("Europe/Berlin")


def _refunds(number: int) -> Batch:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    of_type = {"bool": True, "money": 1, "time": at, "json": b"{}"}
    values = {c.name: of_type.get(c.type, "x") for c in REFUNDS} | {"currency": "EUR"}
    return Batch(REFUNDS, tuple((values[c.name],) * number for c in REFUNDS))


def test_a_sheet_that_is_full_has_a_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_file, "LAST_ROW", 4)
    file = xlsx_file.XlsxFile("refunds", BERLIN)
    for count in (2, 3, 2):
        assert file.rows(_refunds(count)) == b""
    body = b"".join(file.end())
    folder = Path(file._folder.name)
    file.close()
    assert not folder.exists()
    book = CalamineWorkbook.from_filelike(io.BytesIO(body))
    assert book.sheet_names == ["refunds", "refunds 2", "refunds 3"]
    sheets = [book.get_sheet_by_index(index).to_python() for index in range(3)]
    assert [len(rows) for rows in sheets] == [4, 4, 2]
    assert {tuple(rows[0]) for rows in sheets} == {file_columns("refunds")}


def test_text_that_no_cell_holds_is_cut_where_one_sees_it() -> None:
    file = xlsx_file.XlsxFile("refunds", BERLIN)
    batch = _refunds(1)
    place = [column.name for column in REFUNDS].index("reason")
    values = tuple(("y" * 40_000,) if i == place else v for i, v in enumerate(batch.values))
    file.rows(Batch(REFUNDS, values))
    body = b"".join(file.end())
    file.close()
    _, row = CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0).to_python()
    text = str(row[file_columns("refunds").index("reason")])
    assert (len(text), text[-2:]) == (32_767, "y…")


def test_parquet_is_written_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.exporting.parquet_file._GROUP", 4)
    file = ParquetFile("refunds", BERLIN)
    parts = [file.rows(_refunds(3)) for _ in range(4)]
    assert [bool(part) for part in parts][1::2] == [True, True]
    body = b"".join((*parts, *file.end()))
    assert pq.ParquetFile(io.BytesIO(body)).metadata.num_rows == 12
    assert pq.ParquetFile(io.BytesIO(body)).num_row_groups > 1
