"""The parts of the README that commands write: each between two remarks that name it."""

import re
from pathlib import Path

from batchguide.views.lessons import page_entries

README = Path(__file__).parents[1] / "README.md"


def block(name: str, text: str | None = None) -> str:
    """What stands between the remarks of a block."""
    found = _pattern(name).search(README.read_text() if text is None else text)
    assert found, f"README.md has no block {name}"
    return found[2].strip()


def write_block(name: str, body: str) -> None:
    """Put `body` between the remarks of a block."""
    text = README.read_text()
    block(name, text)
    README.write_text(_pattern(name).sub(lambda it: f"{it[1]}\n{body}\n{it[3]}", text))


def index() -> str:
    """The pages as a table, from their own titles and "Use it when" lines."""
    rows = [
        f"| [{entry.name}](runbooks/{entry.name}.ipynb) | {entry.title} | {entry.use_it_when} |"
        for entry in page_entries()
    ]
    return "\n".join(["| page | question | use it when |", "|---|---|---|", *rows])


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name}:[^>]*-->)\n(.*?)(<!-- /{name} -->)", re.DOTALL)
