"""A report's document as text for other tools: a format is a function of the document.

A new one (SARIF, JUnit, OCSF, CSV) is one more function in `FORMATS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from batchguide.errors import UserError

_TABLE_HEAD = "| severity | check | resource | what |\n| --- | --- | --- | --- |"
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


def to_json(found: dict[str, Any]) -> str:
    """The whole document; a value that JSON does not have (NaN) is refused, not written."""
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(found: dict[str, Any]) -> str:
    """The verdict and what does not pass, short enough for a ticket or a chat."""
    return "\n".join(_markdown_lines(found)) + "\n"


def _markdown_lines(found: dict[str, Any]) -> Iterator[str]:
    meta = found["capture"] or {}
    about = [str(meta[key]) for key in ("account", "region", "taken_at") if meta.get(key)]
    yield f"# {' '.join(inert(one) for one in about) or 'Report'}"
    yield f"\n**{inert(found['verdict'])}**"
    for status, title in (("FAIL", "Problems"), ("UNKNOWN", "What could not be seen")):
        rows = [one for one in found["findings"] if one["status"] == status]
        if rows:
            yield f"\n## {title}\n\n{_TABLE_HEAD}"
        for one in rows:
            what = one["message"] + "".join(f"; missing {name}" for name in one["missing"])
            cells = (one["severity"], one["check"], one["resource"], what)
            yield "| " + " | ".join(inert(cell) for cell in cells) + " |"


def inert(text: str) -> str:
    r"""Text that Markdown shows as it is, in one line.

    >>> inert("a|b <script> [x](y)")
    'a\\|b \\<script\\> \\[x\\]\\(y\\)'
    """
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {"json": to_json, "markdown": to_markdown}


def render(found: dict[str, Any], name: str) -> str:
    """The document in one of FORMATS."""
    if name not in FORMATS:
        raise UserError(f"there is no report format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name](found)
