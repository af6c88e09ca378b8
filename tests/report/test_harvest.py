"""What pages displayed is what the report says: nothing lost, nothing twice, nothing made up."""

import nbformat
import pytest

from batchguide.findings import Finding, Severity, Status
from batchguide.report import harvest
from batchguide.report.execute import Executed, Problem
from batchguide.report.forecast import Basis
from batchguide.views.markup import REPORT_MIME, Shown

HEALTHY_OUTCOME = {"verdict": "All 5 jobs succeed.", "jobs": {"submitted": 5, "failed": 0}}
FULL_OUTCOME = {"verdict": "2 of 5 jobs fail.", "jobs": {"submitted": 5, "failed": 2}}


def finding(status="FAIL", severity="high", check="DISK-002", resource="env-a", missing=()):
    return Finding(
        check=check,
        status=Status(status),
        severity=Severity(severity),
        resource=resource,
        message=f"{check} says {status}.",
        missing=tuple(missing),
        fingerprint=f"{check}/{resource}",
    )


def executed(*values, name="page", problem=None):
    """A page that displayed these values as `views` displays them, one a cell."""
    cells = []
    for value in values:
        data = Shown("<b>shown</b>", "shown", value)._repr_mimebundle_()
        output = nbformat.v4.new_output("display_data", data)
        cells.append(nbformat.v4.new_code_cell("show()", outputs=[output]))
    cells.append(nbformat.v4.new_markdown_cell("# A title"))
    notebook = nbformat.v4.new_notebook(cells=cells)
    return Executed(name, notebook, {}, problem, 0.1)


def findings_value(*findings):
    return {"kind": "findings", "findings": [one.to_dict() for one in findings]}


def document(*values):
    return harvest.document([executed(*values)], None)


def test_a_finding_comes_back_as_it_was():
    whole = finding(missing=["ec2:DescribeImages"])

    assert harvest.finding_from(whole.to_dict()) == whole


def test_findings_of_all_pages_stand_once_and_worst_first():
    low, bad = finding(severity="low", check="LOG-003"), finding(severity="critical")
    first = executed(findings_value(low, bad), name="first")
    second = executed(findings_value(bad), name="second")

    found = harvest.document([first, second], None)

    assert [one["check"] for one in found["findings"]] == ["DISK-002", "LOG-003"]
    assert found["summary"]["FAIL"] == 2


def test_a_page_that_ran_no_check_has_no_summary_rather_than_zeros():
    assert document({"kind": "outcome", "outcome": HEALTHY_OUTCOME})["summary"] is None


def test_the_first_outcome_is_the_answer_and_others_are_compared_with_it():
    values = [{"kind": "outcome", "outcome": one} for one in (FULL_OUTCOME, HEALTHY_OUTCOME)]

    found = document(*values)

    assert found["outcome"] == FULL_OUTCOME
    assert found["comparisons"] == [HEALTHY_OUTCOME]


def test_a_kind_that_is_not_known_is_kept():
    value = {"kind": "plan", "plan": {"steps": 3}}

    assert document(value)["also"] == [value]


def test_the_captures_meta_wins_over_what_a_page_displayed():
    page = executed({"kind": "capture", "capture": {"account": "shown"}})

    assert harvest.document([page], None)["capture"] == {"account": "shown"}
    assert harvest.document([page], {"account": "meta"})["capture"] == {"account": "meta"}


@pytest.mark.parametrize("value", [{"kind": 3}, {"no": "kind"}, ["list"], "text"])
def test_what_is_not_a_value_of_ours_is_passed_over(value):
    output = nbformat.v4.new_output("display_data", {REPORT_MIME: value})
    cell = nbformat.v4.new_code_cell("show()", outputs=[output])

    assert list(harvest.displayed(nbformat.v4.new_notebook(cells=[cell]))) == []


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        ([finding()], "1 high problem; the worst, DISK-002 on env-a: DISK-002 says FAIL."),
        (
            [finding(), finding("UNKNOWN", check="AMI-001"), finding(severity="low", resource="b")],
            "1 high, 1 low problems; the worst, DISK-002 on env-a: DISK-002 says FAIL; "
            "1 question could not be answered.",
        ),
        (
            [finding("PASS"), finding("PASS", resource="b")],
            "no problem found in 2 questions answered.",
        ),
        (
            [finding("PASS"), finding("UNKNOWN")],
            "no problem found in 1 question answered, but 1 question could not be answered.",
        ),
        ([finding("UNKNOWN")], "nothing was answered, but 1 question could not be answered."),
        ([finding("NOT_APPLICABLE")], "no check applied, so nothing is known about this account."),
        ([], "no check applied, so nothing is known about this account."),
    ],
)
def test_the_verdict_never_reads_better_than_what_was_seen(findings, sentence):
    assert document(findings_value(*findings))["verdict"] == sentence


def test_a_page_may_word_its_own_verdict_and_the_forecast_follows():
    found = document(
        findings_value(finding()),
        {"kind": "verdict", "verdict": "Enlarge the volume."},
        {"kind": "outcome", "outcome": FULL_OUTCOME},
    )

    assert found["verdicts"] == ["Enlarge the volume", "forecast: 2 of 5 jobs fail"]
    assert found["verdict"] == "Enlarge the volume; forecast: 2 of 5 jobs fail."


PASS, FAIL, UNKNOWN = finding("PASS"), finding("FAIL"), finding("UNKNOWN")
LOW = finding("FAIL", severity="low")


@pytest.mark.parametrize(
    ("findings", "outcome", "fail_on", "allow_unknown", "code"),
    [
        ([PASS], None, "high", False, 0),
        ([PASS], HEALTHY_OUTCOME, "high", False, 0),
        ([PASS], FULL_OUTCOME, "critical", False, 1),
        ([PASS], FULL_OUTCOME, "never", False, 0),
        ([UNKNOWN], HEALTHY_OUTCOME, "high", False, 2),
        ([UNKNOWN], HEALTHY_OUTCOME, "high", True, 0),
        ([UNKNOWN], FULL_OUTCOME, "high", False, 1),
        ([FAIL, UNKNOWN], None, "high", False, 1),
        ([LOW], None, "high", False, 0),
        ([LOW], None, "low", False, 1),
        ([FAIL], None, "never", False, 0),
    ],
)
def test_the_exit_code_is_the_verdict(findings, outcome, fail_on, allow_unknown, code):
    values = [findings_value(*findings)]
    values += [{"kind": "outcome", "outcome": outcome}] if outcome else []

    assert harvest.exit_code_of(document(*values), fail_on, allow_unknown) == code


@pytest.mark.parametrize(("refused", "code"), [(True, 64), (False, 70)])
def test_a_page_that_stopped_outweighs_what_was_found(refused, code):
    problem = Problem("page", "Open", "3, id open", "SizeError", "size is -1", refused)
    found = harvest.document([executed(findings_value(FAIL), problem=problem)], None)

    assert harvest.exit_code_of(found, "never", True) == code
    assert "size is -1" in found["verdict"]
    assert found["problem"]["cell"] == "3, id open"
    assert found["summary"]["FAIL"] == 1
    assert "DISK-002 says FAIL" in found["verdict"], "what was found stays said"


@pytest.mark.parametrize(
    ("basis", "fail_on", "allow_unknown", "code"),
    [
        (Basis(missing=("batch:ListJobs",), why="no forecast"), "high", False, 2),
        (Basis(missing=("batch:ListJobs",), why="no forecast"), "high", True, 0),
        (Basis(missing=("batch:ListJobs",), why="no forecast"), "never", False, 0),
        (Basis(why="no forecast, for no job ran"), "high", False, 0),
    ],
)
def test_a_forecast_that_could_not_be_made_is_not_healthy(basis, fail_on, allow_unknown, code):
    found = harvest.document([executed(findings_value(PASS))], None, basis)

    assert harvest.exit_code_of(found, fail_on, allow_unknown) == code
    assert found["verdict"].endswith(f"; {basis.why}.")


def test_the_verdict_is_one_sentence_and_the_outcome_keeps_all_of_its_own():
    said = "The volume is full after 9 min: 2 of 5 jobs fail. Of its 7.9 GiB it holds 7 GiB layers."
    outcome = FULL_OUTCOME | {"verdict": said}

    found = document({"kind": "outcome", "outcome": outcome})

    assert found["verdict"] == "forecast: the volume is full after 9 min: 2 of 5 jobs fail."
    assert found["outcome"]["verdict"] == said
