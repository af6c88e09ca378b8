"""HTML that can be trusted: every foreign text is inert, and a view is one value with three faces.

Names, tags and error texts in an account are chosen by whoever may submit a job. Nothing of them
may act: markup is escaped, control and direction characters are gone, and lengths are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from batchguide.findings import quote

REPORT_MIME = "application/vnd.batchguide+json"
"""A cell hands a value to the report by displaying it under this type beside its HTML."""
LONGEST = 600
_STYLE = "".join(
    line.strip()
    for line in Path(__file__).with_name("style.css").read_text("utf-8").splitlines()[1:]
)


@dataclass(frozen=True)
class Shown:
    """What a cell shows: HTML for a page, a line for a log, and the values for the report."""

    html: str
    text: str
    record: dict[str, Any] = field(default_factory=dict)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/html": self.html, "text/plain": self.text}
        return bundle | ({REPORT_MIME: self.record} if self.record else {})


def inert(text: object, longest: int = LONGEST) -> str:
    """Foreign text as HTML that shows as it reads and does nothing.

    >>> inert("<script>x</script>\\x1b[31m\\u202eevil & more")
    '&lt;script&gt;x&lt;/script&gt;[31mevil &amp; more'
    """
    return escape(quote(text, longest), quote=True)


def inert_prose(text: object, longest: int = LONGEST) -> str:
    """As `inert`, with what stands in backticks set as code.

    >>> inert_prose("errors speak of `no space <left>`")
    'errors speak of <code>no space &lt;left&gt;</code>'
    """
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", inert(text, longest))


def inert_markdown(text: object, longest: int = LONGEST) -> str:
    """Foreign text for Markdown, links, emphasis, tables, HTML and maths taken away from it.

    >>> inert_markdown("[click](javascript:x) | `a` <b> $y$")
    '\\\\[click\\\\]\\\\(javascript\\\\:x\\\\) \\\\| \\\\`a\\\\` &lt;b&gt; \\\\$y\\\\$'
    """
    special = set("\\`*_{}[]()#+!|~$:^-")
    escaped = "".join(
        f"\\{letter}" if letter in special else letter for letter in quote(text, longest)
    )
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def page(*parts: str) -> str:
    """Parts as one block in the house's style, which comes along: a block stands alone."""
    return f'<style>{_STYLE}</style><div class="bg">{"".join(parts)}</div>'


def table(head: list[str], rows: list[list[str]], right: frozenset[int] = frozenset()) -> str:
    """A table of cells that are already HTML; columns in `right` hold numbers."""
    kinds = [' class="bg-r"' if place in right else "" for place in range(len(head))]
    heads = "".join(
        f'<th scope="col"{kind}>{text}</th>' for text, kind in zip(head, kinds, strict=True)
    )
    body = "".join(f"<tr>{_cells(row, kinds)}</tr>" for row in rows)
    inner = f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="bg-scroll"><table class="bg-t">{inner}</table></div>'


def _cells(row: list[str], kinds: list[str]) -> str:
    return "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True))


def folded(summary: str, body: str) -> str:
    """Body behind a line that opens it, by mouse and by keyboard."""
    return f"<details><summary>{summary}</summary>{body}</details>"


def link(url: str, text: str) -> str:
    """A link to a source or a page; only to the web or to a page beside this one.

    >>> link("javascript:alert(1)", "x")
    'x'
    """
    safe = url.startswith("https://") or (url.endswith(".ipynb") and "/" not in url)
    return f'<a href="{escape(url, quote=True)}">{escape(text)}</a>' if safe else escape(text)
