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
    from batchguide.report.forecast import Basis

HEALTH_PAGE, FORECAST_PAGE = "20-check-account-health", "30-estimate-disk"
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

    def to_dict(self) -> dict[str, Any]:
        """What `batchguide report --format json` prints: where the files are, and the answer."""
        return {
            "schema": 1,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "notebooks": [str(path) for path in self.notebooks],
            "html": str(self.html),
            "json": str(self.json),
        }

    def text(self) -> str:
        """The paths and the verdict, for a terminal."""
        named = [*(("notebook", path) for path in self.notebooks)]
        named += [("page", self.html), ("findings", self.json)]
        return "\n".join([*(f"{name:<10}{path}" for name, path in named), self.verdict])


@dataclass(frozen=True)
class _Plan:
    """What is going to run: pages with their checked parameters, on which capture, into where."""

    steps: list[tuple[Page, dict[str, Any]]]
    capture: Capture | None
    folder: Path
    fail_on: str
    allow_unknown: bool
    basis: Basis | None = None

    def path(self, name: str, kind: str) -> Path:
        """Where a file of this report goes; named after the capture when there is one."""
        stem = f"{name}-{label_of(self.capture.meta)}" if self.capture else name
        return self.folder / f"{stem}.{kind}"


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
    """Run pages into one report; without `pages`, the report on an account (`report_account`).

    A parameter goes to each page that declares it. Everything that can be refused is refused
    before a kernel starts; a page that stops on its way is in the result, not raised.
    """
    if not pages:
        return report_account(parameters, out_dir, fail_on, allow_unknown, progress)
    exit_code([], fail_on)  # a threshold that is none is refused before anything runs
    steps = _steps([find_page(name) for name in pages], parameters or {})
    plan = _Plan(steps, _capture(steps), out_dir, fail_on, allow_unknown)
    return _run(plan, progress or _silent)


def report_account(
    parameters: Mapping[str, Any] | None = None,
    out_dir: Path = Path("reports"),
    fail_on: str = "high",
    allow_unknown: bool = False,
    progress: Say | None = None,
) -> ReportResult:
    """An account's health, and the forecast of its own busiest hour, in a folder of its name.

    Without a scenario among the parameters one is made of the capture. Where that cannot be, the
    report says why, and the forecast's page is not run: its sample would be about nobody's jobs.
    """
    from batchguide.report.forecast import basis_of

    exit_code([], fail_on)
    given = {"capture": DEMO_CAPTURE, **(parameters or {})}
    pages = [find_page(HEALTH_PAGE), find_page(FORECAST_PAGE)]
    steps = _steps(pages, given)
    capture = _capture(steps)
    basis = None
    if capture and "scenario" not in given:
        basis = basis_of(capture)
        given["scenario"] = basis.scenario
        steps = _steps(pages, given) if basis.scenario else steps[:1]
    folder = out_dir / label_of(capture.meta) if capture else out_dir
    plan = _Plan(steps, capture, folder, fail_on, allow_unknown, basis)
    return _run(plan, progress or _silent)


def label_of(meta: Mapping[str, Any]) -> str:
    """`{account}-{region}-{taken_at}`, fit for a file name; sorts by account, Region and time."""
    parts = [str(meta.get(key) or f"no-{key}") for key in ("account", "region")]
    moment = re.sub(r"[-:]|\.\d+", "", str(meta.get("taken_at") or "")) or "no-time"
    label = re.sub(r"[^\w.-]", "_", "-".join([*parts, moment]), flags=re.ASCII)
    return label[:LONGEST_LABEL]


def _steps(pages: Sequence[Page], given: Mapping[str, Any]) -> list[tuple[Page, dict[str, Any]]]:
    """Each page with its part of the parameters; what no page declares is refused."""
    steps = []
    for page in pages:
        own = {parameter.name for parameter in page.parameters}
        steps.append((page, checked(page, {name: given[name] for name in given if name in own})))
    for name in given:
        if not any(name in share for _, share in steps):
            checked(pages[0], {name: given[name]})
    return steps


def _capture(steps: Sequence[tuple[Page, dict[str, Any]]]) -> Capture | None:
    """The capture that the pages will open; None when they open none."""
    from batchguide.capture import load_capture

    for page, given in steps:
        defaults = {parameter.name: parameter.default for parameter in page.parameters}
        source = (defaults | given).get("capture")
        if source:
            return load_capture(str(source))
    return None


def _run(plan: _Plan, say: Say) -> ReportResult:
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(plan.folder, error) from error
    _keep_standard_input(plan)
    return _write(plan, _execute(plan, say))


def _keep_standard_input(plan: _Plan) -> None:
    """It can be read once and by us alone: write it beside the report, for the pages to open."""
    from batchguide.capture import save_capture

    readers = [given for _, given in plan.steps if given.get("capture") == "-"]
    if plan.capture and readers:
        path = plan.path("capture", "json.gz")
        save_capture(plan.capture, path)
        for given in readers:
            given["capture"] = str(path)


def _execute(plan: _Plan, say: Say) -> list[Executed]:
    """Every page, each written as soon as it ran; one that stops does not stop the next."""
    import nbformat

    from batchguide.report.execute import execute

    ran = []
    for page, given in plan.steps:
        executed = execute(page, given, say)
        text = nbformat.writes(executed.notebook)  # type: ignore[no-untyped-call]
        _put(plan.path(page.name, "ipynb"), text)
        ran.append(executed)
    return ran


def _write(plan: _Plan, ran: Sequence[Executed]) -> ReportResult:
    from batchguide.report import html

    found = harvest.document(ran, plan.capture.meta if plan.capture else None, plan.basis)
    name = ran[0].name if len(ran) == 1 and plan.basis is None else "report"
    result = ReportResult(
        notebooks=tuple(plan.path(page.name, "ipynb") for page in ran),
        html=plan.path(name, "html"),
        json=plan.path(name, "json"),
        exit_code=harvest.exit_code_of(found, plan.fail_on, plan.allow_unknown),
        verdict=found["verdict"],
        title=html.title_of_report(ran, found),
    )
    _put(result.json, formats.to_json(found))
    _put(result.html, html.build(ran, found))
    return result


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
