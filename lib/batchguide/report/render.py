"""One cell of an executed notebook as HTML for the report: readable, and inert whatever it holds.

Text from AWS ends up in outputs. Whatever a page shows as HTML or Markdown is cut down to the
elements and attributes below, pictures become data URIs, and a chart is data until our own script
draws it. The page's Content-Security-Policy is the second wall.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Any

from batchguide.report.execute import heading
from batchguide.views.markup import REPORT_MIME, page

VEGALITE = re.compile(r"application/vnd\.vegalite\.v\d+\+json")
WIDGET = "application/vnd.jupyter.widget-view+json"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TAGS = _words(
    "a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure"
    " h1 h2 h3 h4 h5 h6 hr i kbd li mark meter ol p pre s samp section small span strong sub"
    " summary sup table tbody td tfoot th thead time tr u ul img"
)
ATTRIBUTES = {
    "*": ["class", "style", "title", "lang", "dir", "role", "aria-label", "aria-hidden", "scope"],
    "a": ["href"],
    "img": ["src", "alt", "width", "height"],
    "td": ["colspan", "rowspan", "headers"],
    "th": ["colspan", "rowspan", "abbr"],
    "details": ["open"],
    "meter": ["min", "max", "low", "high", "optimum", "value"],
    "time": ["datetime"],
}
STYLES = _words(
    "background background-color border border-bottom border-color border-left border-radius"
    " border-right border-top color display font-family font-size font-style font-variant-numeric"
    " font-weight gap grid-template-columns height line-height margin margin-bottom margin-left"
    " margin-right margin-top max-width min-width opacity overflow-wrap overflow-x padding"
    " padding-left padding-right padding-top padding-bottom text-align text-decoration"
    " vertical-align white-space width"
)
_DROPPED = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_LOADING_STYLE = re.compile(r"url|image|\\", re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_RUNBOOK_LINK = re.compile(r'<a href="(?:\./)?(\d\d-[\w-]+)(?:\.ipynb)?(?:#[^"]*)?">(.*?)</a>')
_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_SVG_DATA = "data:image/svg+xml;base64,"


@dataclass
class Rendering:
    """What the cells of one report share: which pages are in it, and the charts counted so far."""

    pages: frozenset[str] = frozenset()
    charts: int = 0
    headings: list[tuple[int, str, str]] = field(default_factory=list)  # level, id, HTML text

    def cell(self, cell: Any) -> dict[str, str]:
        """`kind`, `source` (code, as text) and `body` (HTML) of one cell."""
        if cell.cell_type == "markdown":
            return {"kind": "prose", "source": "", "body": self._prose(cell.source)}
        if cell.cell_type != "code":
            return {"kind": "raw", "source": "", "body": _plain(cell.source)}
        body = "".join(self.output(one) for one in cell.get("outputs", ()))
        return {"kind": "code", "source": cell.source, "body": body}

    def output(self, output: Mapping[str, Any]) -> str:
        """One output in the richest form that a page without a kernel can show."""
        if output["output_type"] == "stream":
            return _plain(output["text"], f"stream {output['name']}")
        if output["output_type"] == "error":
            return _plain("\n".join(output["traceback"]), "error")
        data: Mapping[str, Any] = output["data"]
        chart = next((key for key in data if VEGALITE.fullmatch(key)), None)
        if chart:
            return self._chart(data[chart])
        for mime, show in self._forms().items():
            if mime in data:
                return show(data[mime])
        silent = REPORT_MIME in data or WIDGET in data  # a dead slider says nothing in a report
        return "" if silent or "text/plain" not in data else _plain(data["text/plain"])

    def _forms(self) -> dict[str, Callable[[Any], str]]:
        return {
            "text/html": lambda text: self._linked(clean(_DROPPED.sub("", text))),
            "text/markdown": lambda text: self._linked(markdown(text)),
            "image/svg+xml": lambda text: _image(_SVG_DATA + _base64(text)),
            "image/png": lambda data: _image(f"data:image/png;base64,{data.strip()}"),
            "image/jpeg": lambda data: _image(f"data:image/jpeg;base64,{data.strip()}"),
        }

    def _chart(self, spec: dict[str, Any]) -> str:
        self.charts += 1
        name = f"chart-{self.charts}"
        if _wants_url(spec):
            return f'<div class="chart failed" id="{name}">This chart would load data.</div>'
        text = json.dumps(spec, ensure_ascii=False).replace("<", "\\u003c")
        return (
            f'<div class="chart" id="{name}" role="img" aria-label="{escape(_label(spec))}">'
            "This chart is not drawn: it needs JavaScript.</div>"
            f'<script type="application/vnd.vegalite+json" data-for="{name}">{text}</script>'
        )

    def _prose(self, source: str) -> str:
        if "papermill-error-cell" in source or "An Exception was encountered" in source:
            return ""  # papermill's banners; the report has its own
        return _HEADING.sub(self._anchored, self._linked(markdown(source)))

    def _anchored(self, found: re.Match[str]) -> str:
        level, text = int(found[1]), found[2]
        name = f"section-{len(self.headings) + 1}"
        self.headings.append((level, name, re.sub(r"<[^>]+>", "", text)))
        shown = min(level + 1, 6)  # the report's own title is the only h1
        return f'<h{shown} id="{name}">{text}</h{shown}>'

    def _linked(self, html: str) -> str:
        """A link to another runbook leads to its place in this report, or is only its name."""

        def lead(found: re.Match[str]) -> str:
            if found[1] in self.pages:
                return f'<a href="#page-{found[1]}">{found[2]}</a>'
            return f'<span class="runbook" title="open it with: make lab">{found[2]}</span>'

        return _RUNBOOK_LINK.sub(lead, html)


def house_style() -> str:
    """The style of what `views.markup` shows; its blocks repeat it, and here it stands once."""
    return page().removeprefix("<style>").partition("</style>")[0]


def markdown(text: str) -> str:
    """Markdown as clean HTML; HTML within it lives when it is harmless."""
    return clean(_parser()(_DROPPED.sub("", text)))


def clean(html: str) -> str:
    """HTML without anything that runs, loads, submits, floats over the page or pretends.

    >>> clean('<b onclick="steal()">5 < 6</b><iframe src="https://a.example"></iframe>')
    '<b>5 &lt; 6</b>'
    """
    return str(_cleaner().clean(html))


@cache
def _parser() -> Callable[[str], str]:
    import mistune

    parse = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])
    return lambda text: str(parse(text))


@cache
def _cleaner() -> Any:
    from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]
    from bleach.sanitizer import Cleaner  # type: ignore[import-untyped]

    return Cleaner(
        tags=TAGS,
        attributes=_allowed,
        protocols={"http", "https", "data"},
        strip=True,
        css_sanitizer=CSSSanitizer(allowed_css_properties=STYLES),
    )


def _allowed(tag: str, name: str, value: str) -> bool:
    if name == "src":
        return value.startswith("data:image/")
    if name == "style":
        return not _LOADING_STYLE.search(value)
    if name == "href" and value.lstrip().lower().startswith("data:"):
        return False
    return name in ATTRIBUTES["*"] or name in ATTRIBUTES.get(tag, ())


def _plain(text: str, kind: str = "") -> str:
    return f'<pre class="{kind}">{escape(_ANSI.sub("", text))}</pre>' if text.strip() else ""


def _image(source: str) -> str:
    return f'<img alt="" src="{escape(source)}">'


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _wants_url(value: Any) -> bool:
    """Whether a specification names data that is elsewhere; a report loads nothing."""
    if isinstance(value, list):
        return any(_wants_url(one) for one in value)
    if not isinstance(value, dict):
        return False
    data = value.get("data")
    if isinstance(data, dict) and "url" in data:
        return True
    inner = (one for key, one in value.items() if key not in ("datasets", "values"))
    return any(_wants_url(one) for one in inner)


def _label(spec: dict[str, Any]) -> str:
    title = spec.get("title")
    text = title.get("text") if isinstance(title, dict) else title
    return " ".join(text) if isinstance(text, list) else str(text or spec.get("description", ""))


def title_of(notebook: Any) -> str:
    """The page's title: its first heading."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "markdown")
    return next((found for cell in cells if (found := heading(cell.source))), "")
