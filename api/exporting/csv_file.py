"""CSV as RFC 4180 has it, in UTF-8 without a byte order mark.

Written column by column: the standard library's writer looks at every character in turn, which
would take most of the time.
"""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from api.exporting import texts
from gateway.columns import RecordKind
from gateway.exports import file_columns
from storage.flat import Batch

_END = "\r\n"
_SPECIAL = ('"', ",", "\r", "\n")


class CsvFile:
    """Writes one file. Texts that might be formulas are defused, numbers never are."""

    def __init__(self, kind: RecordKind, zone: ZoneInfo) -> None:
        self._zone = zone
        self._lines = [",".join(file_columns(kind))]

    def rows(self, batch: Batch) -> bytes:
        """The bytes of these rows, and before the first of the header."""
        self._lines += map(",".join, zip(*self._columns(batch), strict=True))
        written = _END.join((*self._lines, "")).encode()
        self._lines.clear()
        return written

    def end(self) -> Iterable[bytes]:
        """A CSV has no end of its own."""
        return ()

    def close(self) -> None:
        """It holds nothing."""

    def _columns(self, batch: Batch) -> Iterable[Sequence[str]]:
        decimals = texts.Decimals(batch.named("currency"))
        for column, values in zip(batch.columns, batch.values, strict=True):
            match column.type:
                case "time":
                    yield _blanks(texts.times(values, self._zone))
                case "money":
                    units = texts.digits(values)
                    yield _blanks(units)
                    yield _blanks(decimals.of(units))
                case "bool":
                    yield _blanks(texts.words(values))
                case "json":
                    yield _cells(texts.defused(_blanks(texts.decoded(values))))
                case "text":
                    yield _cells(texts.defused(_blanks(values)))
                case _:
                    yield _blanks(values)
        yield (self._zone.key,) * len(batch)


def _blanks(values: texts.Texts) -> Sequence[str]:
    """With nothing in the place of no value."""
    return [v or "" for v in values]


def _cells(values: Sequence[str]) -> Sequence[str]:
    """Texts as they stand between commas: what has a comma, quote or line break is quoted."""
    whole = "".join(values)
    if any(special in whole for special in _SPECIAL):
        return [_quoted(cell) for cell in values]
    return values


def _quoted(cell: str) -> str:
    if '"' in cell:
        return '"' + cell.replace('"', '""') + '"'
    if "," in cell or "\n" in cell or "\r" in cell:
        return f'"{cell}"'
    return cell
