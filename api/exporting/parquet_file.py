"""Parquet, for those who load files into a database. Needs pyarrow, an extra."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from api.exporting import texts
from gateway.columns import COLUMNS, DECIMAL, ColumnType, RecordKind
from gateway.exports import TIME_ZONE
from storage.flat import Batch

#: 19 digits of a BIGINT before three decimals, the most that a currency has.
_DIGITS, _DECIMALS = 22, 3
#: Rows are written in groups of so many: more are read faster, and held in memory meanwhile.
_GROUP = 50_000


class ParquetFile:
    """Writes one file: times with their zone, decimals as decimal128, texts as they are."""

    def __init__(self, kind: RecordKind, zone: ZoneInfo) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa, self._zone = pa, zone
        types: dict[ColumnType, Any] = {
            "time": pa.timestamp("us", tz=zone.key),
            "money": pa.int64(),
            "bool": pa.bool_(),
            "integer": pa.int64(),
        }
        fields = []
        for column in COLUMNS[kind]:
            fields.append(pa.field(column.name, types.get(column.type, pa.string())))
            if column.type == "money":
                fields.append(pa.field(column.name + DECIMAL, pa.decimal128(_DIGITS, _DECIMALS)))
        fields.append(pa.field(TIME_ZONE, pa.string()))
        self._schema = pa.schema(fields, metadata={TIME_ZONE: zone.key})
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(self._sink, self._schema)
        self._waiting: list[Any] = []

    def rows(self, batch: Batch) -> bytes:
        """The bytes that are ready: none, or those of some row groups."""
        arrays = [
            self._pa.array(values, type=field.type)
            for values, field in zip(self._columns(batch), self._schema, strict=True)
        ]
        self._waiting.append(self._pa.record_batch(arrays, schema=self._schema))
        if sum(len(some) for some in self._waiting) >= _GROUP:
            self._write()
        return self._sink.taken()

    def end(self) -> Iterable[bytes]:
        """The last group and the footer, without which it is no file."""
        self._write()
        self._writer.close()
        yield self._sink.taken()

    def close(self) -> None:
        """It holds memory only."""

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(self._pa.Table.from_batches(self._waiting), _GROUP)
            self._waiting.clear()

    def _columns(self, batch: Batch) -> Iterable[Sequence[Any]]:
        decimals = texts.Decimals(batch.named("currency"))
        for column, values in zip(batch.columns, batch.values, strict=True):
            if column.type == "json":
                yield texts.decoded(values)
                continue
            yield values
            if column.type == "money":
                written = decimals.of(texts.digits(values))
                yield [text and Decimal(text) for text in written]
        yield (self._zone.key,) * len(batch)


class _Sink:
    """Takes what Parquet's writer writes, which is one byte after the other."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def close(self) -> None:
        """Nothing either."""

    def taken(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken
