"""Runbooks as pages of a report: found by name, their parameters read and checked before they run.

papermill only warns of a parameter that a page does not know and injects any value as it comes;
a page that ran for a minute with `captrue=prod.json` on the demo account helps nobody.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import math
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchguide.errors import UserError
from batchguide.facts import runbooks_path

BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
NEEDED = {
    "str": "text",
    "int": "a whole number",
    "float": "a finite number",
    "bool": "true or false",
    "list": "a JSON list",
    "dict": "a JSON object",
}


class PageError(UserError):
    """A page that is not there, or a parameter that it can't take."""


@dataclass(frozen=True)
class Parameter:
    """One line of a page's parameters cell. `types` may hold "None"."""

    name: str
    types: tuple[str, ...]
    default: Any
    help: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {' | '.join(self.types)}"


@dataclass(frozen=True)
class Page:
    """A runbook on disk with what its parameters cell declares."""

    name: str
    path: Path
    parameters: tuple[Parameter, ...]


def page_names() -> tuple[str, ...]:
    """The runbooks that are shipped, in the order of their numbers."""
    return tuple(sorted(path.stem for path in runbooks_path().glob("[0-9]*.ipynb")))


def find_page(runbook: str) -> Page:
    """A page by its number (20), its name, the name without the number, or a path."""
    path = _shipped(runbook) or Path(runbook)
    if path.suffix != ".ipynb" or not path.is_file():
        near = difflib.get_close_matches(runbook, page_names(), n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise PageError(
            f"there is no runbook {runbook!r}{hint}; there are {', '.join(page_names())}, "
            "and any path that ends in .ipynb"
        )
    return Page(path.stem, path, _declared(path))


def checked(page: Page, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values as the page's types; the first that is wrong is refused by name."""
    declared = {parameter.name: parameter for parameter in page.parameters}
    for name in given:
        if name not in declared:
            raise PageError(_not_declared(page, name))
    return {name: _typed(page, declared[name], value) for name, value in given.items()}


def _shipped(runbook: str) -> Path | None:
    wanted = runbook.removesuffix(".ipynb")
    for name in page_names():
        number, _, title = name.partition("-")
        if wanted in (name, number, title):
            return runbooks_path() / f"{name}.ipynb"
    return None


def _not_declared(page: Page, name: str) -> str:
    names = [parameter.name for parameter in page.parameters]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    allowed = ", ".join(map(str, page.parameters)) or "none"
    return f"{page.name} has no parameter {name!r}{hint}; it has {allowed}"


def _declared(path: Path) -> tuple[Parameter, ...]:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        tagged = [one for one in cells if "parameters" in one["metadata"].get("tags", ())]
        return _parse("".join(tagged[0]["source"])) if tagged else ()
    except OSError as error:
        raise PageError(f"can't read the page {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, SyntaxError, AttributeError) as error:
        raise PageError(f"{path} is not a notebook that can be run ({error})") from error


def _parse(source: str) -> tuple[Parameter, ...]:
    """The assignments of a parameters cell.

    >>> [str(one) for one in _parse("capture: str = 'demo:disk-full'  # a path\\nsize_gib = 8.0")]
    ['capture: str', 'size_gib: float']
    """
    helps = _comments(source)
    found = []
    for line in ast.parse(source).body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name, default = line.target.id, _literal(line.value)
            types = tuple(part.strip() for part in ast.unparse(line.annotation).split("|"))
        elif isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            name, default = line.targets[0].id, _literal(line.value)
            types = (type(default).__name__.replace("NoneType", "str"),)
        else:
            continue
        found.append(Parameter(name, types, default, helps.get(line.end_lineno or 0, "")))
    return tuple(found)


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _literal(value: ast.expr | None) -> Any:
    try:
        return None if value is None else ast.literal_eval(value)
    except ValueError:
        return None


def _typed(page: Page, parameter: Parameter, value: Any) -> Any:
    for name in parameter.types:
        try:
            return _convert(value, name.partition("[")[0])
        except ValueError:
            continue
    needed = " or ".join(NEEDED.get(name.partition("[")[0], name) for name in parameter.types)
    about = f" ({parameter.help})" if parameter.help else ""
    raise PageError(
        f"{page.name}: {parameter.name} is {value!r}; it must be {needed}{about}; "
        f"the default is {parameter.default!r}"
    )


def _convert(value: Any, name: str) -> Any:
    """A value as `name` says; text, as the command line gives it, is read, and nothing is guessed.

    >>> _convert("8", "float"), _convert("no", "bool"), _convert('{"a": 1}', "dict")
    (8.0, False, {'a': 1})
    """
    if name == "None":
        return _or_refuse(None, value is None or value == "None")
    if name == "str":
        return _or_refuse(value, isinstance(value, str))
    if name == "bool":
        read = BOOLEANS.get(value.lower()) if isinstance(value, str) else value
        return _or_refuse(read, isinstance(read, bool))
    if name in ("int", "float"):
        return _number(value, name)
    read = json.loads(value) if isinstance(value, str) else value
    return _or_refuse(read, type(read).__name__ == name)


def _number(value: Any, name: str) -> float:
    _or_refuse(value, isinstance(value, str | int | float) and not isinstance(value, bool))
    if name == "float":
        return float(_or_refuse(float(value), math.isfinite(float(value))))
    _or_refuse(value, not isinstance(value, float) or value.is_integer())
    return int(value)


def _or_refuse(value: Any, right: bool) -> Any:
    if not right:
        raise ValueError
    return value
