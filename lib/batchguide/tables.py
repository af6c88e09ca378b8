"""Where data/ and runbooks/ lie, and how a table there becomes values."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from batchguide.errors import UserError

TRUTHS = {"true": True, "false": False}

_PACKAGE = Path(__file__).parent
_CHECKOUT = Path(__file__).parents[2]

Row = TypeVar("Row")


def data_path(*parts: str) -> Path:
    """A file of data/, in an installed wheel as well as in a checkout."""
    return _shipped("data").joinpath(*parts)


def runbooks_path() -> Path:
    """The directory of the runbooks, in an installed wheel as well as in a checkout."""
    return _shipped("runbooks")


def rows(table: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV in data/, as text; lines that begin with `#` name its source."""
    with data_path(table).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


def by_name(kind: type[Row], table: Iterable[Mapping[str, str]]) -> Mapping[str, Row]:
    """Rows as values of `kind`, by what stands in their column `name`."""
    return MappingProxyType({row["name"]: record(kind, row) for row in table})


def record(kind: type[Row], row: Mapping[str, str]) -> Row:
    """A row as a value of `kind`, each cell read as its field's type says."""
    types = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _cell(text, types[name]) for name, text in row.items()})


def _cell(text: str, kind: str) -> str | int | float | bool | None:
    if not text and "None" in kind:
        return None
    if "float" in kind:
        return float(text)
    if "int" in kind:
        return int(text)
    return TRUTHS[text] if "bool" in kind else text


def look_up(table: Mapping[str, Row], name: str, noun: str) -> Row:
    """The row of that name; a name that is not there is the user's error, told with near ones."""
    if name in table:
        return table[name]
    from difflib import get_close_matches

    near = get_close_matches(str(name), table, n=3, cutoff=0.5)
    if near:
        raise UserError(f"unknown {noun} {name!r}; did you mean {' or '.join(near)}?")
    if len(table) <= 10:
        raise UserError(f"unknown {noun} {name!r}; it must be one of {', '.join(table)}")
    raise UserError(
        f"unknown {noun} {name!r}; it must be one of {len(table)}, as {next(iter(table))}"
    )


def _shipped(directory: str) -> Path:
    packaged = _PACKAGE / directory
    return packaged if packaged.is_dir() else _CHECKOUT / directory
