import pytest

from batchguide.account import Account
from batchguide.account.model_retries import ExitRule, RetryStrategy
from batchguide.checks import run_checks
from batchguide.checks.job_families import families_in_use
from builders import (
    DEFINITION_ARN,
    GONE,
    HOUR_MS,
    NOON_MS,
    answer,
    emptied,
    find,
    make_account,
    make_capture,
    with_definitions,
)

HOST_LOST = "Host EC2 (instance i-0123) terminated."
SLOW = "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s"
RETRY_HOST = {"onStatusReason": "Host EC2*", "action": "RETRY"}
EXIT_REST = {"onReason": "*", "action": "EXIT"}
ONCE = {"retryStrategy": {"attempts": 1}}


def rules(*listed, attempts=3):
    return {"retryStrategy": {"attempts": attempts, "evaluateOnExit": list(listed)}}


def capacity(kind):
    return {"computeResources": {"type": kind}}


# --- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "ending", "matches"),
    [
        (ExitRule("EXIT", "Host EC2*", None, None), (HOST_LOST, None, None), True),
        (ExitRule("EXIT", "Host EC2", None, None), (HOST_LOST, None, None), False),
        (ExitRule("EXIT", None, "*", None), (HOST_LOST, None, None), True),
        (ExitRule("EXIT", None, "Out*", None), (HOST_LOST, None, None), False),
        (ExitRule("EXIT", None, None, "1"), ("x", None, 1), True),
        (ExitRule("EXIT", None, None, "1"), ("x", None, 137), False),
        (ExitRule("EXIT", None, None, "1*"), ("x", None, 137), True),
        (ExitRule("EXIT", None, None, "*"), ("x", None, None), False),  # nothing exited
        (ExitRule("EXIT", "x*", None, "1"), ("y", None, 1), False),  # all must match
        (ExitRule("EXIT", "x*", "b*", "1"), ("xy", "bc", 1), True),
        (ExitRule("EXIT", None, None, None), ("x", "y", 1), True),
    ],
)
def test_what_a_rule_matches(pattern, ending, matches):
    assert pattern.matches(*ending) is matches
    assert RetryStrategy(2, (pattern,)).gives_up(*ending) is matches


def test_the_first_rule_that_matches_decides():
    retry, give_up = ExitRule("RETRY", "Host*", None, None), ExitRule("EXIT", None, "*", None)

    assert not RetryStrategy(2, (retry, give_up)).gives_up(HOST_LOST, None, None)
    assert RetryStrategy(2, (give_up, retry)).gives_up(HOST_LOST, None, None)
    assert RetryStrategy(2, ()).rule_for(HOST_LOST, None, None) is None


@pytest.mark.parametrize(
    ("patterns", "code"),
    [([], 1), (["1"], 2), (["2"], 1), (["1*", "2"], 3), (["*"], 1), ([None], 1)],
)
def test_the_lowest_exit_code_that_no_rule_names(patterns, code):
    listed = tuple(ExitRule("EXIT", None, None, pattern) for pattern in patterns)

    assert RetryStrategy(2, listed).unnamed_exit_code() == code


def test_every_exit_code_may_be_named():
    listed = tuple(ExitRule("EXIT", None, None, f"{digit}*") for digit in range(1, 10))

    assert RetryStrategy(2, listed).unnamed_exit_code() is None


# --- JD-001 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("PASS", "high")),
        ({"definition": ONCE}, ("FAIL", "medium")),
        ({"definition": {"retryStrategy": GONE}}, ("FAIL", "medium")),
        ({"definition": {"retryStrategy": {"attempts": 2}}}, ("PASS", "high")),
        ({"definition": ONCE, "environment": capacity("SPOT")}, ("FAIL", "high")),
        ({"definition": ONCE, "environment": capacity("FARGATE_SPOT")}, ("FAIL", "high")),
        ({"environment": capacity("SPOT")}, ("PASS", "high")),
        ({"definition": ONCE, "jobs": []}, ("FAIL", "medium")),
        # what a submission says overrides the definition
        ({"definition": ONCE, "jobs": [{"retryStrategy": {"attempts": 2}}]}, ("PASS", "high")),
        ({"jobs": [{"retryStrategy": {"attempts": 1}}]}, ("FAIL", "medium")),
        # what can't be read is not an absence
        ({"definition": {"retryStrategy": {"attempts": "many"}}}, ("UNKNOWN", "high")),
        ({"definition": {"retryStrategy": []}}, ("UNKNOWN", "high")),
    ],
)
def test_no_retries(changes, expected):
    assert answer("JD-001", **changes) == expected


@pytest.mark.parametrize(
    "odd", [[None], [{"action": "MAYBE"}], [{"action": "EXIT", "onReason": 7}]]
)
def test_rules_that_cannot_be_read_leave_nothing_healthy(odd):
    capture = make_capture(definition=rules(*odd))

    found = run_checks(Account.from_capture(capture), ids=["JD-001", "JD-002", "JD-003", "JD-005"])

    assert "PASS" not in {finding.status for finding in found}


# --- which definitions are judged -----------------------------------------------------------------


def revision(number, name="resize", **change):
    arn = DEFINITION_ARN.replace("resize:3", f"{name}:{number}")
    return {
        "jobDefinitionName": name,
        "jobDefinitionArn": arn,
        "revision": number,
        "type": "container",
        **change,
    }


def job_of(number, minutes=0, name="resize"):
    arn = DEFINITION_ARN.replace("resize:3", f"{name}:{number}")
    return {"jobDefinition": arn, "minutes": minutes}


@pytest.mark.parametrize(
    ("jobs", "judged"),
    [
        ([], {"resize": 4, "other": 1}),  # no job at all: the newest of every name
        ([job_of(3)], {"resize": 3}),
        ([job_of(3, 0), job_of(4, 9)], {"resize": 4}),
        ([job_of(4, 0), job_of(3, 9)], {"resize": 3}),  # somebody pins the older one
        ([job_of(9)], {"resize": 4}),  # its revision was deregistered
        ([job_of(1, 0, "gone")], {"gone": None}),
    ],
)
def test_a_name_is_judged_by_the_revision_in_force(jobs, judged):
    listed = [revision(4), revision(3), revision(1, "other")]
    account = Account.from_capture(with_definitions(make_capture(jobs=jobs), listed))

    found = {
        family.name: family.definition and family.definition.revision
        for family in families_in_use(account)
    }
    assert found == judged


def test_a_finding_is_about_the_name_and_survives_the_next_revision():
    def found(number):
        capture = make_capture(jobs=[job_of(number)])
        (finding,) = find("JD-001", with_definitions(capture, [revision(number)]))
        return finding

    assert found(3).resource == "job-definition/resize"
    assert found(3).fingerprint == found(4).fingerprint


@pytest.mark.parametrize("check_id", ["JD-001", "JD-002", "JD-003", "JD-005", "JD-006"])
def test_jobs_of_a_definition_that_is_gone(check_id):
    capture = emptied(make_capture(jobs=[{}]), "batch:DescribeJobDefinitions")

    assert [it.status for it in find(check_id, capture)] == ["NOT_APPLICABLE"]


def test_a_child_belongs_to_the_definition_of_its_parent():
    child = {"jobId": "job-0:7", "jobDefinition": GONE}
    (family,) = families_in_use(make_account(jobs=[{}, child]))

    assert {job.id for job in family.jobs} == {"job-0", "job-0:7"}


# --- JD-002 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([RETRY_HOST, EXIT_REST], "PASS"),
        ([RETRY_HOST], "FAIL"),
        ([RETRY_HOST, {"onExitCode": "*", "action": "exit"}], "PASS"),
        ([RETRY_HOST, {"onStatusReason": "Essential*", "action": "EXIT"}], "PASS"),
        ([RETRY_HOST, {"onExitCode": "1", "action": "EXIT"}], "FAIL"),
        ([{"onReason": "OutOfMemory*", "action": "EXIT"}], "FAIL"),
        ([{"onExitCode": "2", "action": "EXIT"}, {"onExitCode": "*", "action": "RETRY"}], "PASS"),
        ([], "NOT_APPLICABLE"),
    ],
)
def test_failures_that_no_rule_names(listed, expected):
    assert answer("JD-002", definition=rules(*listed)) == (expected, "medium")


def test_rules_without_a_second_attempt_change_nothing():
    assert answer("JD-002", definition=rules(RETRY_HOST, attempts=1))[0] == "NOT_APPLICABLE"
    assert answer("JD-003", definition=rules(EXIT_REST, attempts=1))[0] == "NOT_APPLICABLE"


def test_the_failure_that_is_retried_is_named():
    exit_one = {"onExitCode": "1", "action": "EXIT"}

    (finding,) = find("JD-002", definition=rules(RETRY_HOST, exit_one))

    assert "none about exit code 2 and its like: such failures run 3 times" in finding.message
    assert finding.evidence[0].path.endswith("jobDefinitions[0].retryStrategy.evaluateOnExit")


# --- JD-003 ---------------------------------------------------------------------------------------

SLOW_JOB = {"status": "FAILED", "reason": SLOW}
SLOW_ONCE = {
    "status": "FAILED",
    "attempts": [{"container": {"reason": SLOW}}, {"container": {"exitCode": 1}}],
}


@pytest.mark.parametrize(
    ("listed", "jobs", "expected"),
    [
        ([RETRY_HOST, EXIT_REST], [{}], "PASS"),
        ([EXIT_REST], [{}], "FAIL"),
        ([EXIT_REST, RETRY_HOST], [{}], "FAIL"),  # the first that matches decides
        ([{"onReason": "*", "action": "exit"}], [{}], "FAIL"),  # case does not matter
        ([{"onExitCode": "*", "action": "EXIT"}], [{}], "PASS"),  # a lost instance has no code
        ([RETRY_HOST, EXIT_REST], [SLOW_JOB], "FAIL"),
        ([RETRY_HOST, {"onReason": "Docker*", "action": "RETRY"}, EXIT_REST], [SLOW_JOB], "PASS"),
        ([RETRY_HOST, EXIT_REST], [{"status": "FAILED", "reason": "OutOfMemoryError: x"}], "PASS"),
        ([RETRY_HOST, EXIT_REST], [{"reason": SLOW}], "PASS"),  # it succeeded in the end
        ([RETRY_HOST, EXIT_REST], [SLOW_ONCE], "PASS"),  # that one was tried again
        ([], [SLOW_JOB], "NOT_APPLICABLE"),
    ],
)
def test_infrastructure_given_up(listed, jobs, expected):
    assert answer("JD-003", definition=rules(*listed), jobs=jobs) == (expected, "medium")


def test_what_is_given_up_is_counted_and_shown():
    (finding,) = find("JD-003", definition=rules(RETRY_HOST, EXIT_REST), jobs=[{}, SLOW_JOB] * 2)

    assert "that happened: Docker did not answer (2)" in finding.message
    paths = [each.path.partition("jobs")[2] for each in finding.evidence[1:]]
    assert paths == ["[3].attempts[0].container.reason", "[1].attempts[0].container.reason"]
    assert finding.evidence[1].value == SLOW


# --- JD-005 ---------------------------------------------------------------------------------------

ENDLESS = {"timeout": GONE}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("PASS", "medium")),
        ({"definition": ENDLESS}, ("FAIL", "medium")),
        ({"definition": {"timeout": {"attemptDurationSeconds": GONE}}}, ("FAIL", "medium")),
        ({"definition": ENDLESS, "jobs": []}, ("FAIL", "medium")),
        (
            {"definition": ENDLESS, "jobs": [{"timeout": {"attemptDurationSeconds": 60}}]},
            ("PASS", "medium"),
        ),
        ({"definition": {"timeout": {"attemptDurationSeconds": "x"}}}, ("UNKNOWN", "medium")),
        ({"definition": {"timeout": 60}}, ("UNKNOWN", "medium")),
    ],
)
def test_no_timeout(changes, expected):
    assert answer("JD-005", **changes) == expected


def running(seconds, **change):
    return {
        "status": "RUNNING",
        "attempts": [],
        "startedAt": NOON_MS - seconds * 1000,
        "stoppedAt": GONE,
        "createdAt": NOON_MS - 20 * HOUR_MS,
        **change,
    }


@pytest.mark.parametrize(
    ("jobs", "severity"),
    [
        ([{}] * 20 + [running(2_400)], "medium"),  # ten times the usual 240 s
        ([{}] * 20 + [running(2_401)], "high"),
        ([{}] * 19 + [running(2_401)], "medium"),  # too few to know what is usual
        ([{}] * 20 + [running(9_999, arrayProperties={"size": 9})], "medium"),
    ],
)
def test_a_job_that_hangs_makes_it_worse(jobs, severity):
    assert answer("JD-005", definition=ENDLESS, jobs=jobs) == ("FAIL", severity)


def test_without_a_date_nothing_hangs():
    jobs = [{}] * 20 + [running(9_999)]

    assert answer("JD-005", definition=ENDLESS, jobs=jobs, meta={"taken_at": None})[1] == "medium"


# --- JD-006, JD-011 -------------------------------------------------------------------------------


def container(**fields):
    return {"containerProperties": {"resourceRequirements": GONE, **fields}}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({}, "PASS"),
        (container(vcpus=2, memory=2048), "FAIL"),
        (container(memory=2048), "FAIL"),
        (container(vcpus=0, memory=0), "PASS"),  # AWS's way to say nothing
        ({"containerProperties": {"vcpus": 2, "memory": 9}}, "PASS"),  # requirements decide
        (
            {
                "containerProperties": GONE,
                "nodeProperties": {"nodeRangeProperties": [{}, {"container": {"vcpus": 1}}]},
            },
            "FAIL",
        ),
    ],
)
def test_old_fields(definition, expected):
    assert answer("JD-006", definition=definition) == (expected, "low")


def test_an_old_field_is_shown_with_its_value():
    (finding,) = find("JD-006", definition=container(vcpus=2, memory=2048))

    assert [each.value for each in finding.evidence] == [2, 2048]
    assert finding.evidence[1].path.endswith("jobDefinitions[0].containerProperties.memory")


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([("a", 100)], "PASS"),
        ([("a", 101)], "FAIL"),
        ([(f"name-{at}", 10) for at in range(100)], "PASS"),
        ([*[(f"name-{at}", 10) for at in range(100)], ("one", 1)], "FAIL"),
    ],
)
def test_revisions_pile_up(listed, expected):
    rows = [revision(at + 1, name) for name, count in listed for at in range(count)]

    (finding,) = find("JD-011", with_definitions(make_capture(), rows))

    assert (finding.status, finding.resource) == (expected, "account")
