"""A report is whole or says why not, and nothing is started that can be refused before."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from batchguide.capture import Capture, CaptureError, load_capture, save_capture
from batchguide.errors import UserError
from batchguide.report import execute, run
from batchguide.report.pages import PageError
from batchguide.report.run import ReportError, report_account, report_pages, run_report

PAGES = Path(__file__).parent / "pages"
GOOD = str(PAGES / "good.ipynb")
META = {"account": "123456789012", "region": "eu-west-1", "taken_at": "2026-11-22T03:00:00Z"}


@pytest.fixture
def capture_path(tmp_path):
    path = tmp_path / "capture.json"
    save_capture(Capture(META, ()), path)
    return str(path)


@pytest.fixture
def no_kernel(monkeypatch):
    """Any page that would run fails the test."""
    monkeypatch.setattr(execute, "_run", lambda *_: pytest.fail("a page was run"))


def test_a_page_becomes_three_files_that_say_the_same(ran):
    report = ran("good")

    found = json.loads(report.json.read_text())
    assert found["verdict"] == report.verdict
    assert found["findings"][0]["message"].startswith("its volume of 8 GiB can't hold")
    assert found["summary"]["FAIL"] == found["summary"]["UNKNOWN"] == 1
    assert found["outcome"]["jobs"]["failed"] == 2
    assert "its volume of 8 GiB can" in report.html.read_text()
    executed = nbformat.read(report.ipynb, as_version=4)
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")


def test_the_verdict_counts_names_the_worst_and_what_is_not_known(ran):
    assert ran("good").verdict == (
        "1 critical problem; the worst, DISK-002 on env-a: its volume of 8 GiB can't hold "
        "<script>window.hacked = 1</script>; 1 question could not be answered; "
        "forecast: 2 of 5 jobs fail."
    )


def test_text_gives_each_path_on_a_line_and_the_verdict_last(ran):
    report = ran("good")

    lines = report.text().splitlines()
    assert [line.split()[-1] for line in lines[:-1]] == [
        str(path) for path in (report.ipynb, report.html, report.json)
    ]
    assert lines[-1] == report.verdict


def test_the_document_names_the_same_files_and_holds_the_answer(ran):
    report = ran("good")

    document = json.loads(json.dumps(report.to_dict()))

    assert [*document["notebooks"], document["html"], document["json"]] == [
        str(path) for path in (report.ipynb, report.html, report.json)
    ]
    assert document["verdict"] == report.verdict
    assert document["exit_code"] == report.exit_code


def test_files_are_named_after_page_account_region_and_time(tmp_path, capture_path):
    report = run_report(GOOD, {"capture": capture_path, "count": "9"}, tmp_path / "new" / "out")

    stem = "good-123456789012-eu-west-1-20261122T030000Z"
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == [
        f"{stem}.html",
        f"{stem}.ipynb",
        f"{stem}.json",
    ]
    assert "9 findings" in report.html.read_text()
    found = json.loads(report.json.read_text())
    assert found["capture"] == META
    assert found["pages"][0]["parameters"]["count"] == 9


def test_the_kernel_says_nothing_and_progress_is_a_line_a_section(tmp_path, capfd):
    lines: list[str] = []

    run_report(GOOD, {}, tmp_path, progress=lines.append)

    assert lines == ["good: Is it healthy?", "good: Run every check", "good: Look at the volume"]
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_the_threshold_decides_the_exit_code(ran, tmp_path):
    assert ran("good").exit_code == 1

    assert run_report(GOOD, {}, tmp_path, fail_on="never").exit_code == 0


def test_a_page_with_a_bug_leaves_its_output_and_says_where(ran):
    report = ran("broken")

    assert report.exit_code == 70
    assert "broken stopped in “Divide by nothing” (cell 3, id divide)" in report.verdict
    assert "ZeroDivisionError: float division by zero" in report.verdict
    cells = nbformat.read(report.ipynb, as_version=4).cells
    ran_to = {cell.id: cell.metadata.get("papermill", {}).get("status") for cell in cells}
    assert (ran_to["divide"], ran_to["after"]) == ("failed", "pending")
    page = report.html.read_text()
    assert "REPORT STOPPED" in page
    assert "ZeroDivisionError" in page
    assert json.loads(report.json.read_text())["problem"]["exit_code"] == 70


def test_a_page_that_refuses_its_input_says_the_sentence_without_a_traceback(ran):
    report = ran("refusing")

    assert report.exit_code == 64
    assert report.verdict.startswith("size_gib is 8; it must be above 0 (refusing stopped in")
    assert "Traceback" not in report.html.read_text()
    assert "Traceback" not in report.ipynb.read_text()


def test_a_kernel_that_dies_is_an_internal_error(tmp_path):
    page = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("print('before ' + 'the end')", id="live"),
            nbformat.v4.new_code_cell("import os; os._exit(9)", id="die"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}},
    )
    nbformat.write(page, tmp_path / "dying.ipynb")

    report = run_report(str(tmp_path / "dying.ipynb"), {}, tmp_path / "out")

    assert report.exit_code == 70
    assert "the kernel died" in report.verdict
    assert "before the end" in report.html.read_text()
    assert "before the end" in nbformat.read(report.ipynb, as_version=4).cells[0].outputs[0].text


@pytest.mark.parametrize("cells", [1, 8])
def test_a_page_is_written_as_often_whatever_its_cells(tmp_path, monkeypatch, cells):
    from papermill import engines

    written, write = [], engines.write_ipynb
    monkeypatch.setattr(engines, "write_ipynb", lambda *it: (written.append(it), write(*it)))
    page = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("1", id=f"cell-{place}") for place in range(cells)],
        metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}},
    )
    nbformat.write(page, tmp_path / "long.ipynb")

    report = run_report(str(tmp_path / "long.ipynb"), {}, tmp_path / "out")

    assert len(written) == 2  # when it starts and when it ended
    last = nbformat.read(report.ipynb, as_version=4).cells[-1]
    assert (last.execution_count, last.metadata.papermill.status) == (cells, "completed")


def test_a_cell_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "CELL_TIMEOUT_S", 1)
    page = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import time; time.sleep(60)", id="sleep")],
        metadata={"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}},
    )
    nbformat.write(page, tmp_path / "slow.ipynb")

    report = run_report(str(tmp_path / "slow.ipynb"), {}, tmp_path / "out")

    assert report.exit_code == 70
    assert "longer than 1 s" in report.verdict


@pytest.mark.parametrize(
    ("page", "parameters", "error"),
    [
        (GOOD, {"captrue": "x"}, PageError),
        (GOOD, {"count": "many"}, PageError),
        (GOOD, {"capture": "/nowhere/capture.json"}, CaptureError),
        ("99", {}, PageError),
    ],
)
def test_what_can_be_refused_is_refused_before_anything_runs_or_is_written(
    tmp_path, no_kernel, page, parameters, error
):
    with pytest.raises(error):
        run_report(page, parameters, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_an_unknown_threshold_is_refused_first(tmp_path, no_kernel):
    with pytest.raises(UserError, match="fail-on 'hihg'"):
        run_report(GOOD, {}, tmp_path, fail_on="hihg")


def test_a_folder_that_cannot_be_made_is_refused_before_a_page_runs(tmp_path, no_kernel):
    (tmp_path / "file").touch()

    with pytest.raises(ReportError, match=r"can't write .*file"):
        run_report(GOOD, {}, tmp_path / "file" / "out")


def test_braces_in_paths_are_not_filled_with_parameters(tmp_path):
    odd = tmp_path / "{capture}"
    odd.mkdir()
    (odd / "good{}.ipynb").write_bytes((PAGES / "good.ipynb").read_bytes())

    report = run_report(str(odd / "good{}.ipynb"), {"count": 2}, odd / "out")

    assert report.ipynb == odd / "out" / "good{}.ipynb"
    assert report.ipynb.is_file()


def test_several_pages_make_one_report_and_share_parameters(tmp_path, capture_path):
    broken = str(PAGES / "broken.ipynb")
    given = {"capture": capture_path, "count": "4", "size_gib": "2"}

    report = report_pages([GOOD, broken], given, tmp_path / "out")

    found = json.loads(report.json.read_text())
    assert [page["parameters"]["capture"] for page in found["pages"]] == [capture_path] * 2
    assert [page["parameters"].get("size_gib") for page in found["pages"]] == [None, 2.0]
    assert report.html.name == "report-123456789012-eu-west-1-20261122T030000Z.html"
    assert [path.name.partition("-")[0] for path in report.notebooks] == ["good", "broken"]
    assert found["summary"]["FAIL"] == 1, "what the good page found stays in the report"
    assert report.exit_code == 70


@pytest.fixture
def account_pages(tmp_path, monkeypatch):
    """A health page that needs nothing but time, and a forecast page that shows its scenario."""
    health = (PAGES / "good.ipynb").read_text().replace('\\"outcome\\", ', '\\"other\\", ')
    (tmp_path / "20-check-account-health.ipynb").write_text(health)
    forecast = (
        (PAGES / "broken.ipynb").read_text().replace("size_gib: float = 8.0", "scenario = ''")
    )
    (tmp_path / "30-estimate-disk.ipynb").write_text(forecast.replace("size_gib / 0", "scenario"))
    monkeypatch.setattr("batchguide.report.pages.runbooks_path", lambda: tmp_path)


def parameters_of(report):
    pages = json.loads(report.json.read_text())["pages"]
    return {page["runbook"]: page["parameters"] for page in pages}


def test_an_account_report_forecasts_the_accounts_own_hour(account_pages, tmp_path):
    report = report_account(out_dir=tmp_path / "reports")

    meta = load_capture("demo:disk-full").meta
    assert report.html.parent == tmp_path / "reports" / run.label_of(meta)
    parameters = parameters_of(report)
    assert parameters["20-check-account-health"]["capture"] == "demo:disk-full"
    assert parameters["30-estimate-disk"]["scenario"] == "account:simulate-on-demand"
    found = json.loads(report.json.read_text())
    assert found["basis"]["environment"] == "simulate-on-demand"
    assert "job.writes_mib" in found["basis"]["assumed"]


def test_a_given_scenario_is_forecast_instead(account_pages, tmp_path):
    report = report_account({"scenario": "mine.yaml"}, tmp_path / "reports")

    assert parameters_of(report)["30-estimate-disk"]["scenario"] == "mine.yaml"
    assert json.loads(report.json.read_text())["basis"] is None


def test_a_capture_that_says_too_little_gets_no_forecast_of_somebody_elses_jobs(
    account_pages, tmp_path, capture_path
):
    report = report_account({"capture": capture_path}, tmp_path / "reports")

    assert list(parameters_of(report)) == ["20-check-account-health"]
    assert "no forecast, for the capture does not say enough" in report.verdict
    assert "batch:ListJobs" in json.loads(report.json.read_text())["basis"]["missing"]


def test_a_capture_from_standard_input_is_kept_beside_its_report(tmp_path, capture_path):
    code = (
        "import sys; from pathlib import Path; from batchguide.report.run import run_report;"
        f"print(run_report({GOOD!r}, {{'capture': '-'}}, Path(sys.argv[1])).json)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]

    with Path(capture_path).open() as capture:
        done = subprocess.run(command, stdin=capture, capture_output=True, text=True, check=True)

    found = json.loads(Path(done.stdout.strip()).read_text())
    kept = found["pages"][0]["parameters"]["capture"]
    assert Path(kept).parent == tmp_path / "out"
    assert load_capture(kept).meta == META


@pytest.mark.parametrize(
    ("meta", "label"),
    [
        (META, "123456789012-eu-west-1-20261122T030000Z"),
        ({}, "no-account-no-region-no-time"),
        (
            META | {"account": "../../etc", "taken_at": "2026-11-22T03:00:00.123Z"},
            ".._.._etc-eu-west-1-20261122T030000Z",
        ),
        (META | {"account": "9" * 500}, "9" * run.LONGEST_LABEL),
    ],
)
def test_a_label_is_a_file_name_whatever_the_capture_says(meta, label):
    assert run.label_of(meta) == label


def test_labels_sort_by_account_region_and_time():
    moments = ["2026-01-02T00:00:00Z", "2026-01-10T00:00:00Z", "2026-11-01T00:00:00Z"]

    labels = [run.label_of(META | {"taken_at": moment}) for moment in moments]

    assert labels == sorted(labels)
    assert not any(re.search(r"[:/\s]", label) for label in labels)


def test_a_full_file_system_leaves_no_half_of_a_file(ran, tmp_path, monkeypatch):
    def no_space(target, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "write_whole", no_space)

    with pytest.raises(ReportError, match=r"can't write .*good\.ipynb: No space left on device"):
        run_report(GOOD, {}, tmp_path)

    assert list(tmp_path.iterdir()) == []
