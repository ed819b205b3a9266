"""JSON lines: one object per record, with the values as the API writes them."""

from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from api.exporting import texts
from gateway.columns import RecordKind
from gateway.exports import file_columns
from storage.flat import Batch


class JsonLinesFile:
    """Writes one file. `metadata` is an object, a decimal is a string: no reader rounds it."""

    def __init__(self, kind: RecordKind, zone: ZoneInfo) -> None:
        self._zone = zone
        self._names = file_columns(kind)
        self._encoder = msgspec.json.Encoder()

    def rows(self, batch: Batch) -> bytes:
        """The bytes of these rows."""
        names = self._names
        rows = zip(*self._columns(batch), strict=True)
        return self._encoder.encode_lines([dict(zip(names, row, strict=True)) for row in rows])

    def end(self) -> Iterable[bytes]:
        """There is nothing more to say."""
        return ()

    def close(self) -> None:
        """It holds nothing."""

    def _columns(self, batch: Batch) -> Iterable[Sequence[Any]]:
        decimals = texts.Decimals(batch.named("currency"))
        for column, values in zip(batch.columns, batch.values, strict=True):
            match column.type:
                case "time":
                    yield texts.local(values, self._zone)
                case "money":
                    yield values
                    yield decimals.of(texts.digits(values))
                case "json":
                    yield [None if v is None else msgspec.Raw(v) for v in values]
                case _:
                    yield values
        yield (self._zone.key,) * len(batch)
