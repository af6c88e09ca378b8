from datetime import date

import pytest

from batchguide.checks import run_checks
from batchguide.checks.mutes import Mute, MuteError, apply_mutes, load_mutes
from batchguide.findings import Finding, Severity, Status, exit_code, summary
from builders import make_account

TODAY = date(2026, 11, 22)
FILE = """
- check: DISK-0*
  resource: compute-environment/render-*
  owner: pat@example.com
  reason: these jobs write nothing
  expires: 2026-11-22
"""


def make_mute(check="*", resource="*", expires=TODAY):
    return Mute(check, resource, "pat", "known", expires)


def make_finding(status="FAIL", check="DISK-001", resource="job-queue/main"):
    return Finding(check, Status(status), Severity.HIGH, resource, "m", fingerprint="f")


def test_a_file_of_mutes():
    (mute,) = load_mutes(FILE)

    assert mute == Mute(
        "DISK-0*",
        "compute-environment/render-*",
        "pat@example.com",
        "these jobs write nothing",
        TODAY,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("expires: 2026-11-22", "expires: soon"), "mute 1: expires is 'soon'; it must be a day"),
        (("expires: 2026-11-22", "expires: 7"), "mute 1: expires is 7"),
        (("expires: 2026-11-22", ""), "mute 1 has no expires"),
        (("owner: pat@example.com", "owner: ''"), "mute 1: owner is ''"),
        (("owner: pat@example.com", "who: pat"), "mute 1 has no owner"),
        (("reason:", "until: x\n  reason:"), "mute 1 has 'until', which no mute has"),
        ((FILE, "check: DISK-001"), "a list of mutes, not dict"),
        (("- check: DISK-0*", "- [check"), "the mutes are not YAML"),
    ],
)
def test_a_bad_file_of_mutes_is_refused_by_name(change, message):
    with pytest.raises(MuteError, match=message.replace("(", r"\(")):
        load_mutes(FILE.replace(*change))


def test_an_empty_file_mutes_nothing():
    assert load_mutes("# none yet\n") == ()


@pytest.mark.parametrize(
    ("finding", "mute", "expected"),
    [
        (make_finding(), make_mute(), "MUTED"),
        (make_finding("UNKNOWN"), make_mute(), "MUTED"),
        (make_finding("PASS"), make_mute(), "PASS"),
        (make_finding("NOT_APPLICABLE"), make_mute(), "NOT_APPLICABLE"),
        (make_finding(), make_mute("DISK-0*", "job-queue/*"), "MUTED"),
        (make_finding(), make_mute("DISK-01*"), "FAIL"),
        (make_finding(), make_mute(resource="job-queue"), "FAIL"),
        (make_finding(), make_mute("disk-001"), "FAIL"),
    ],
)
def test_what_a_mute_covers(finding, mute, expected):
    (found,) = apply_mutes([finding], [mute], TODAY)

    assert found.status == expected
    assert found.fingerprint == "f"


def test_a_muted_finding_says_who_answers_for_it():
    (found,) = apply_mutes([make_finding()], [make_mute()], TODAY)

    assert found.message == "muted until 2026-11-22 by pat (known): m"


def test_a_mute_that_has_ended_hides_nothing_and_is_a_finding():
    ended = make_mute("DISK-001", expires=date(2026, 11, 21))

    found = apply_mutes([make_finding()], [ended], TODAY)

    assert [(it.check, it.status) for it in found] == [("DISK-001", "FAIL"), ("MUTE-001", "FAIL")]
    assert found[1].resource == "mute/DISK-001/*"
    assert found[1].message == "ended on 2026-11-21; pat had: known"


def test_mutes_change_the_exit_code_and_are_counted():
    findings = run_checks(make_account(volume={"Size": 8}))
    before = summary(findings)

    muted = apply_mutes(findings, [make_mute()], TODAY)

    assert exit_code(findings) == 1
    assert exit_code(muted) == 0
    assert summary(muted)["MUTED"] == before["FAIL"] > 0
