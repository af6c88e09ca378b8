"""The report as one page that needs nothing: opens from a file, with the network off.

The template, style and script stand in `page/`. Charts are drawn in the browser by the Vega
bundle that vl-convert carries; it is inlined once, and only when there is a chart. The browser
itself is told to run no script but ours (by hash) and to load nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

from batchguide import __version__
from batchguide.capture import DEMO_PREFIX
from batchguide.findings import Severity, registry
from batchguide.report.execute import Executed
from batchguide.report.render import Rendering, house_style, title_of
from batchguide.units import show_duration
from batchguide.views.vega import vega_bundle

SHOWN = 6
"""How many problems the first screen holds; the rest is in the pages."""
DEEPEST_CONTENT = 2
WORDS = {
    "stopped": "REPORT STOPPED",
    "bad": "PROBLEMS FOUND",
    "unknown": "NOT FULLY SEEN",
    "good": "NO PROBLEM FOUND",
}


def build(pages: Sequence[Executed], found: dict[str, Any]) -> str:
    """The page for these executed runbooks; `found` is `harvest.document` of the same."""
    from jinja2 import Environment, StrictUndefined

    rendering = Rendering(frozenset(page.name for page in pages))
    articles = [_article(page, rendering) for page in pages]
    scripts = [_asset("report.js")]
    if rendering.charts:
        scripts.insert(0, _vega())
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _asset("report.html.j2")
    )
    return template.render(
        found=found,
        pages=articles,
        contents=[one for one in rendering.headings if one[0] <= DEEPEST_CONTENT],
        style=_asset("report.css") + house_style(),
        scripts=scripts,
        policy=_policy(scripts),
        version=__version__,
        shown=SHOWN,
        **_head(pages, found),
    )


def _article(page: Executed, rendering: Rendering) -> dict[str, Any]:
    """The page's cells as HTML; the parameters that papermill wrote stand in the page's head."""
    hidden = ("injected-parameters", "parameters")
    cells = [
        rendering.cell(cell)
        for cell in page.notebook.cells
        if not set(cell.metadata.get("tags", ())) & set(hidden)
    ]
    given = {name: str(it) for name, it in page.parameters.items() if it not in (None, "")}
    return {"name": page.name, "parameters": given, "cells": cells}


def _head(pages: Sequence[Executed], found: dict[str, Any]) -> dict[str, Any]:
    tone = tone_of(found)
    failed = [one for one in found["findings"] if one["status"] == "FAIL"]
    outcome = found["outcome"] or {}
    failure = outcome.get("first_failure")
    return {
        "title": f"{WORDS[tone].capitalize()}: {title_of_report(pages, found)}",
        "tone": tone,
        "word": WORDS[tone],
        "about": list(_about(found["capture"] or {})),
        "sample": _sample(pages),
        "problems": _grouped(failed),
        "severities": [(str(one), sum(it["severity"] == one for it in failed)) for one in Severity],
        "not_seen": not_seen(found),
        "titles": _titles(),
        "jobs": outcome.get("jobs"),
        "first_failure": failure,
        "first_failure_at": show_duration(failure["at_s"]) if failure else "",
    }


def tone_of(found: dict[str, Any]) -> str:
    """A key of WORDS; good only when something was asked and everything was answered."""
    summary = found["summary"] or {}
    jobs = (found["outcome"] or {}).get("jobs") or {}
    if found["problem"]:
        return "stopped"
    if summary.get("FAIL") or jobs.get("failed"):
        return "bad"
    answered = summary.get("PASS") or jobs.get("submitted")
    untold = summary.get("UNKNOWN") or (found["basis"] or {}).get("missing")
    return "good" if answered and not untold else "unknown"


def title_of_report(pages: Sequence[Executed], found: dict[str, Any]) -> str:
    """What the report is about, for the window and the file's readers."""
    meta = found["capture"] or {}
    where = " ".join(str(meta[key]) for key in ("account", "region") if meta.get(key))
    titles = ", ".join(title_of(page.notebook) or page.name for page in pages)
    return f"{titles} – {where}" if where else titles


def not_seen(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Each permission or datum that is missing, with the questions it leaves open, worst first."""
    left: dict[str, list[str]] = {}
    for one in found["findings"]:
        if one["status"] == "UNKNOWN":
            for missing in one["missing"]:
                left.setdefault(missing, []).append(one["check"])
    for missing in (found["basis"] or {}).get("missing", ()):
        left.setdefault(missing, []).append("the forecast")
    return [(missing, list(dict.fromkeys(checks))) for missing, checks in left.items()]


def _grouped(failed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a check and severity, told by its first finding, with how many more there are."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for one in failed:
        group = groups.setdefault((one["check"], one["severity"]), {**one, "others": -1})
        group["others"] += 1
    return list(groups.values())


def _titles() -> dict[str, str]:
    import batchguide.checks  # noqa: F401  fills the registry

    return {check.id: check.title for check in registry().values()}


def _about(meta: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, name in (("account", "account"), ("region", "Region"), ("taken_at", "captured")):
        if meta.get(key):
            yield name, str(meta[key])


def _sample(pages: Sequence[Executed]) -> str:
    captures = (str(page.parameters.get("capture", "")) for page in pages)
    return next((one for one in captures if one.startswith(DEMO_PREFIX)), "")


def _policy(scripts: Sequence[str]) -> str:
    """`unsafe-eval` is for Vega, which compiles a chart's expressions."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _asset(name: str) -> str:
    return files("batchguide.report").joinpath("page", name).read_text(encoding="utf-8")


def _vega() -> str:
    bundle = vega_bundle()
    if "</script" in bundle.lower():
        raise ValueError("the Vega bundle holds </script and can't be inlined")
    return bundle
