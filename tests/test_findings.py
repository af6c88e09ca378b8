import json
from dataclasses import replace

import pytest

from batchguide.checks import registry, run_checks
from batchguide.errors import UserError
from batchguide.facts import runbooks_path
from batchguide.findings import (
    Evidence,
    Finding,
    Severity,
    Status,
    check_document,
    exit_code,
    fingerprint,
    parse_docstring,
    quote,
    summary,
    unknown,
    worst_first,
)
from builders import find, make_account, make_capture

CONTRACT_KEYS = [
    "check",
    "status",
    "severity",
    "resource",
    "message",
    "evidence",
    "missing",
    "fingerprint",
]


def make_finding(status="FAIL", severity="high", check="X-001", resource="r"):
    return Finding(check, Status(status), Severity(severity), resource, "m")


@pytest.mark.parametrize(
    ("findings", "fail_on", "allow_unknown", "expected"),
    [
        ([], "high", False, 0),
        ([("FAIL", "high")], "high", False, 1),
        ([("FAIL", "medium")], "high", False, 0),
        ([("FAIL", "medium")], "medium", False, 1),
        ([("FAIL", "critical")], "never", False, 0),
        ([("UNKNOWN", "critical")], "high", False, 2),
        ([("UNKNOWN", "critical")], "high", True, 0),
        ([("UNKNOWN", "low")], "high", False, 0),
        ([("UNKNOWN", "low")], "low", False, 2),
        ([("FAIL", "high"), ("UNKNOWN", "critical")], "high", False, 1),
        ([("FAIL", "low"), ("UNKNOWN", "critical")], "high", False, 2),
        ([("PASS", "critical"), ("NOT_APPLICABLE", "critical")], "low", False, 0),
        ([("MUTED", "critical")], "low", False, 0),
    ],
)
def test_exit_code(findings, fail_on, allow_unknown, expected):
    found = [make_finding(status, severity) for status, severity in findings]

    assert exit_code(found, fail_on, allow_unknown) == expected


def test_an_account_with_nothing_to_judge_is_not_a_healthy_one():
    nothing = [replace(make_finding("NOT_APPLICABLE"), resource="account")]
    something = [*nothing, make_finding("NOT_APPLICABLE")]

    assert exit_code(nothing) == 2
    assert exit_code(nothing, allow_unknown=True) == 0
    assert exit_code(something) == 0


def test_an_unknown_threshold_is_refused_by_name():
    with pytest.raises(UserError, match="'severe' is none of critical, high, medium, low, never"):
        exit_code([], fail_on="severe")


def test_summary_counts_every_status_even_at_zero():
    assert summary([make_finding(), make_finding("PASS")]) == {
        "FAIL": 1,
        "UNKNOWN": 0,
        "MUTED": 0,
        "PASS": 1,
        "NOT_APPLICABLE": 0,
    }


def test_worst_comes_first():
    wanted = [
        make_finding("FAIL", "critical"),
        make_finding("FAIL", "low"),
        make_finding("UNKNOWN", "critical"),
        make_finding("PASS", "critical"),
    ]

    assert list(worst_first(reversed(wanted))) == wanted


def test_a_finding_has_the_contract_keys_in_order():
    finding = replace(make_finding(), evidence=(Evidence("p", 1),), missing=("batch:ListJobs",))

    read = json.loads(json.dumps(finding.to_dict()))

    assert list(read) == CONTRACT_KEYS
    assert read["evidence"] == [{"path": "p", "value": 1}]
    assert read["missing"] == ["batch:ListJobs"]


def test_the_document_is_plain_json_without_nan():
    capture = make_capture()

    document = check_document(capture, run_checks(make_account()))

    text = json.dumps(document, allow_nan=False)
    assert list(json.loads(text)) == ["schema", "capture", "summary", "findings"]
    assert document["capture"]["account"] == "111122223333"
    assert sum(document["summary"].values()) == len(document["findings"])


def test_fingerprints_stay_when_numbers_change():
    (small,) = find("DISK-002", volume={"Size": 8})
    (smaller,) = find("DISK-002", volume={"Size": 7})

    assert small.message != smaller.message
    assert small.fingerprint == smaller.fingerprint


@pytest.mark.parametrize("other", [("b", "X-1", "r"), ("a", "X-2", "r"), ("a", "X-1", "s")])
def test_fingerprints_tell_accounts_checks_and_resources_apart(other):
    assert fingerprint("a", "X-1", "r") != fingerprint(*other)


def test_fingerprints_are_unique_in_a_run():
    found = run_checks(make_account())

    assert len({finding.fingerprint for finding in found}) == len(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tof  it", "two lines of it"),
        ("\x1b[31mred\x07", "[31mred"),
        ("evil\u202egnp", "evilgnp"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # views escape it
        ("x" * 10_000, "x" * 199 + "…"),
        (None, "None"),
    ],
)
def test_quote_makes_one_harmless_line(text, expected):
    assert quote(text) == expected


def test_unknown_must_name_what_is_missing():
    with pytest.raises(ValueError, match="must name what is missing"):
        unknown("r", "who knows", missing=[])


# --- the form of every check --------------------------------------------------------------------

EVERY_CHECK = pytest.mark.parametrize("check", registry().values(), ids=registry().keys())


@EVERY_CHECK
def test_text_of_a_check(check):
    assert check.question.endswith("?") and len(check.question) < 110
    assert check.question.count("?") == 1
    assert 60 < len(check.why) < 400 and check.why.endswith(".")
    assert 60 < len(check.fix) < 400 and check.fix.endswith(".")
    assert check.source and all(url.startswith("https://") for url in check.source)
    assert 10 < len(check.title) < 80 and not check.title.endswith(".")


@EVERY_CHECK
def test_what_a_check_points_to_exists(check):
    assert check.needs and len(set(check.needs)) == len(check.needs)
    assert set(check.keyed) <= set(check.needs)
    assert (runbooks_path() / f"{check.runbook}.ipynb").is_file()
    assert set(check.fixes) <= {"larger-volume"}


@EVERY_CHECK
def test_a_check_is_named_after_its_problem(check):
    name = check.function.__name__

    assert name == name.lower() and len(name.split("_")) >= 2
    module = check.function.__module__.rpartition(".")[2]
    assert module.startswith(check.area.replace("-", "_"))


@pytest.mark.parametrize("broken", ["", "No question.", "Is it?\n\nWhy it matters: x.", "Is it?"])
def test_a_docstring_without_its_parts_is_refused(broken):
    with pytest.raises(ValueError, match="form of a check's docstring"):
        parse_docstring(broken)


def test_needs_name_operations_that_the_collector_asks_for():
    from batchguide.aws.wanted import WANTED

    collected = {f"{row.service}:{row.operation}" for row in WANTED}

    for check in registry().values():
        assert set(check.needs) <= collected, check.id
