"""Run one page through papermill; keep what it showed, also when it stopped half way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from batchguide.errors import REFUSED
from batchguide.report.harvest import EXIT_INTERNAL, EXIT_REFUSED
from batchguide.report.pages import Page

CELL_TIMEOUT_S = 600
Say = Callable[[str], None]


@dataclass(frozen=True)
class Problem:
    """Why a page did not run to its end, and where."""

    page: str
    section: str
    cell: str
    error: str
    message: str
    refused: bool  # the page's input is at fault, not batchguide

    @property
    def exit_code(self) -> int:
        """64 when the user can mend it, else 70."""
        return EXIT_REFUSED if self.refused else EXIT_INTERNAL

    @property
    def sentence(self) -> str:
        """Why, then where."""
        where = f"{self.page} stopped in “{self.section}” (cell {self.cell})"
        if self.refused:
            return f"{self.message} ({where})"
        return f"internal error: {where}: {self.error}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """As the report's JSON has it."""
        return vars(self) | {"exit_code": self.exit_code, "sentence": self.sentence}


@dataclass(frozen=True)
class Executed:
    """A page that ran: the notebook with its outputs, and the values it ran with."""

    name: str
    notebook: Any
    parameters: dict[str, Any]
    problem: Problem | None
    duration_s: float


def execute(page: Page, given: dict[str, Any], say: Say) -> Executed:
    """Run a page with checked parameters in a fresh kernel of this environment."""
    import nbformat

    started = time.monotonic()
    with TemporaryDirectory(prefix="batchguide-") as scratch, _quiet():
        target = Path(scratch, "page.ipynb")
        problem = _run(page, target, given, say)
        notebook = nbformat.read(target, as_version=4)  # type: ignore[no-untyped-call]
    notebook.metadata.get("papermill", {}).pop("output_path", None)
    values = {one.name: one.default for one in page.parameters} | given
    return Executed(page.name, notebook, values, problem, time.monotonic() - started)


def _run(page: Page, target: Path, given: dict[str, Any], say: Say) -> Problem | None:
    """None when every cell ran; `target` holds what there is in either case."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    from batchguide.report.once import ENGINE

    steps = _Steps(page, say)
    try:
        papermill.execute_notebook(
            _unformatted(page.path),
            _unformatted(target),
            given,
            engine_name=ENGINE,
            kernel_name="python3",
            progress_bar=False,
            execution_timeout=CELL_TIMEOUT_S,
            on_cell_start=steps.started,
            # On loopback, and the page runs as its user: the kernel's warning of unencrypted
            # TCP tells an operator nothing.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
    except papermill.PapermillExecutionError as error:
        refused = list(error.traceback[:1]) == [REFUSED]
        return steps.problem(error.ename, error.evalue, refused)
    except CellTimeoutError:
        return steps.problem("Timeout", f"the cell ran longer than {CELL_TIMEOUT_S} s", False)
    except DeadKernelError:
        return steps.problem("DeadKernel", "the kernel died (out of memory?)", False)
    return None


class _Steps:
    """Follows a page cell by cell: where it is, for progress and for the place of a failure."""

    def __init__(self, page: Page, say: Say) -> None:
        self.page, self.say = page.name, say
        self.section, self.cell = page.name, "?"
        self.count, self.told = 0, ""

    def started(self, cell: Any, cell_index: int) -> None:
        """nbclient calls this before each cell, Markdown included."""
        if cell.cell_type == "markdown":
            self.section = heading(cell.source) or self.section
        elif cell.cell_type == "code":
            self.count += 1
            self.cell = f"{self.count}, id {cell.get('id', 'none')}"
            if self.section != self.told:
                self.say(f"{self.page}: {self.section}")
                self.told = self.section

    def problem(self, error: str, message: str, refused: bool) -> Problem:
        """A failure in the cell that was started last."""
        return Problem(self.page, self.section, self.cell, error, message, refused)


def _unformatted(path: Path) -> str:
    """A path as papermill takes it: braces in it would be filled with parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def heading(markdown: str) -> str:
    """The last heading of a Markdown cell, without its marks; empty when it has none."""
    titles = [line.lstrip("#").strip() for line in markdown.splitlines() if line.startswith("#")]
    return titles[-1].replace("`", "").replace("*", "") if titles else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """papermill narrates into the root logger's handlers; progress here is one line a cell."""
    logger = logging.getLogger("papermill")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
