"""Small pages, each run once for all tests: one that is whole, two that stop, one hostile."""

from pathlib import Path

import pytest

from batchguide.report.run import ReportResult, run_report

PAGES = Path(__file__).parent / "pages"


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory):
    """A function: the name of a small page → its report, made once a session."""
    made: dict[str, ReportResult] = {}

    def report(name: str) -> ReportResult:
        if name not in made:
            made[name] = run_report(str(PAGES / f"{name}.ipynb"), {}, tmp_path_factory.mktemp(name))
        return made[name]

    return report
