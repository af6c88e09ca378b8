"""Runbooks executed into files: the notebooks, one self-contained page, one JSON document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchguide.errors import UserError
from batchguide.files import write_whole
from batchguide.findings import exit_code
from batchguide.report import formats, harvest
from batchguide.report.pages import Page, checked, find_page

if TYPE_CHECKING:
    from batchguide.capture import Capture
    from batchguide.report.execute import Executed, Say

ACCOUNT_PAGES = ("20-check-account-health", "30-estimate-disk")
"""What a report about an account runs when no page is named: its health, then its forecast."""
LONGEST_LABEL = 100
DEMO_CAPTURE = "demo:disk-full"


class ReportError(UserError):
    """A report that can't be written."""


@dataclass(frozen=True)
class ReportResult:
    """The files of a report and its answer, in one sentence and one exit code."""

    notebooks: tuple[Path, ...]
    html: Path
    json: Path
    exit_code: int
    verdict: str
    title: str

    @property
    def ipynb(self) -> Path:
        """The executed notebook; the first one when several pages ran."""
        return self.notebooks[0]

    def text(self) -> str:
        """The paths and the verdict, for a terminal."""
        named = [*(("notebook", path) for path in self.notebooks)]
        named += [("page", self.html), ("findings", self.json)]
        return "\n".join([*(f"{name:<10}{path}" for name, path in named), self.verdict])


def run_report(
    runbook: str,
    parameters: Mapping[str, Any],
    out_dir: Path,
    progress: Say | None = None,
    fail_on: str = "high",
    allow_unknown: bool = False,
) -> ReportResult:
    """Run one page into `out_dir`; its files are named `{page}-{account}-{region}-{taken_at}`."""
    return report_pages([runbook], parameters, out_dir, fail_on, allow_unknown, progress)


def report_pages(
    pages: Sequence[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    out_dir: Path = Path("reports"),
    fail_on: str = "high",
    allow_unknown: bool = False,
    progress: Say | None = None,
) -> ReportResult:
    """Run pages into one report; without `pages`, ACCOUNT_PAGES in a folder of the capture's name.

    A parameter goes to each page that declares it. Everything that can be refused is refused
    before a kernel starts; a page that stops on its way is in the result, not raised.
    """
    given = dict(parameters or {})
    if not pages:
        given.setdefault("capture", DEMO_CAPTURE)
    exit_code([], fail_on)  # a threshold that is none is refused before anything runs
    found = [find_page(name) for name in pages or ACCOUNT_PAGES]
    values = _shares(found, given)
    capture = _capture(found, values)
    label = _label(capture.meta) if capture else ""
    folder = _made(out_dir / label if not pages else out_dir)
    if capture and given.get("capture") == "-":
        _keep(capture, folder / f"capture-{label}.json.gz", values)
    executed = _execute(found, values, folder, label, progress or _silent)
    meta = capture.meta if capture else None
    return _write(executed, meta, folder, label, fail_on, allow_unknown)


def _shares(pages: Sequence[Page], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each page's part of the parameters, as its types; what no page declares is refused."""
    shares = []
    for page in pages:
        own = {parameter.name for parameter in page.parameters}
        shares.append(checked(page, {name: it for name, it in given.items() if name in own}))
    for name in given:
        if not any(name in share for share in shares):
            checked(pages[0], {name: given[name]})
    return shares


def _capture(pages: Sequence[Page], values: Sequence[dict[str, Any]]) -> Capture | None:
    """The capture that the pages will open; None when they open none."""
    from batchguide.capture import load_capture

    for page, given in zip(pages, values, strict=True):
        defaults = {parameter.name: parameter.default for parameter in page.parameters}
        source = (defaults | given).get("capture")
        if source:
            return load_capture(str(source))
    return None


def _label(meta: Mapping[str, Any]) -> str:
    """`{account}-{region}-{taken_at}`, fit for a file name; sorts by account, Region and time."""
    parts = [str(meta.get(key) or f"no-{key}") for key in ("account", "region")]
    moment = re.sub(r"[-:]|\.\d+", "", str(meta.get("taken_at") or "")) or "no-time"
    label = re.sub(r"[^\w.-]", "_", "-".join([*parts, moment]), flags=re.ASCII)
    return label[:LONGEST_LABEL]


def _keep(capture: Capture, path: Path, values: Sequence[dict[str, Any]]) -> None:
    """Standard input can be read once and by us alone: write it beside the report."""
    from batchguide.capture import save_capture

    save_capture(capture, path)
    for given in values:
        if "capture" in given:
            given["capture"] = str(path)


def _execute(
    pages: Sequence[Page], values: Sequence[dict[str, Any]], folder: Path, label: str, say: Say
) -> list[tuple[Executed, Path]]:
    """Every page, each written as soon as it ran; one that stops does not stop the next."""
    import nbformat

    from batchguide.report.execute import execute

    ran = []
    for page, given in zip(pages, values, strict=True):
        executed = execute(page, given, say)
        target = folder / f"{_stem(page.name, label)}.ipynb"
        _put(target, nbformat.writes(executed.notebook))  # type: ignore[no-untyped-call]
        ran.append((executed, target))
    return ran


def _write(
    ran: Sequence[tuple[Executed, Path]],
    meta: dict[str, Any] | None,
    folder: Path,
    label: str,
    fail_on: str,
    allow_unknown: bool,
) -> ReportResult:
    from batchguide.report import html

    pages = [page for page, _ in ran]
    found = harvest.document(pages, meta)
    stem = _stem(pages[0].name if len(pages) == 1 else "report", label)
    result = ReportResult(
        notebooks=tuple(path for _, path in ran),
        html=folder / f"{stem}.html",
        json=folder / f"{stem}.json",
        exit_code=harvest.exit_code_of(found, fail_on, allow_unknown),
        verdict=found["verdict"],
        title=html.title_of_report(pages, found),
    )
    _put(result.json, formats.to_json(found))
    _put(result.html, html.build(pages, found))
    return result


def _stem(name: str, label: str) -> str:
    return f"{name}-{label}" if label else name


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return folder


def _put(target: Path, text: str) -> None:
    try:
        write_whole(target, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(path: Path, error: OSError) -> ReportError:
    return ReportError(
        f"can't write {path}: {error.strerror or error}; give --out a folder that you may write to"
    )


def _silent(line: str) -> None:
    """Show no progress."""
