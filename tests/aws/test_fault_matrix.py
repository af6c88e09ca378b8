"""Whatever one operation answers, collecting ends, and nothing is called healthy that was not."""

from dataclasses import dataclass, field

import pytest

from accounts import disk_full, healthy
from batchguide.account import Account
from batchguide.aws.collect import collect
from batchguide.aws.session import Session, make_session
from batchguide.aws.wanted import OPERATIONS, WANTED
from batchguide.checks import run_checks
from batchguide.findings import Severity, Status, exit_code, registry
from fakeaws import (
    Answer,
    App,
    Asked,
    Cut,
    Empty,
    FakeAws,
    Garbage,
    Refused,
    Throttled,
    TimedOut,
)

JOBS_A_BURST = 21
READ_TIMEOUT_S = 2.0
EVERY = sorted(OPERATIONS)
ONE_OF_EACH_PROTOCOL = [  # for what is the same in every operation, and slow
    ("autoscaling", "DescribeAutoScalingGroups"),
    ("batch", "DescribeComputeEnvironments"),
    ("cloudwatch", "GetMetricData"),
    ("ec2", "DescribeVolumes"),
    ("ecs", "ListTasks"),
    ("sts", "GetCallerIdentity"),
]
LISTINGS_OF_MANY = [
    ("batch", "ListJobs"),
    ("ecs", "ListTasks"),
    ("batch", "DescribeJobDefinitions"),
]
FAULTS = {
    "refused": (Refused(), EVERY),
    "garbage": (Garbage(), EVERY),
    "cut in the first page": (Cut(), ONE_OF_EACH_PROTOCOL),
    "cut after pages": (Cut(after_pages=1), LISTINGS_OF_MANY),
    "throttled": (Throttled(), ONE_OF_EACH_PROTOCOL),
    "timed out": (TimedOut(READ_TIMEOUT_S * 1.2), ONE_OF_EACH_PROTOCOL),
    "empty": (Empty(), EVERY),
}
BAD = (Severity.CRITICAL, Severity.HIGH)


def cells(*names):
    """(fault, operation) for each named fault and each operation that it is laid on."""
    return [
        pytest.param(FAULTS[name][0], operation, id=f"{name}-{':'.join(operation)}")
        for name in names
        for operation in FAULTS[name][1]
    ]


@dataclass
class Remembering:
    """In front of a fake whose account stands still: asks it once what is asked again and again."""

    app: App
    answers: dict[tuple[str, ...], Answer] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Answer:
        if asked.key in self.app.faults:
            return App._answer(self.app, asked)
        environ = asked.environ
        key = (environ["PATH_INFO"], environ.get("QUERY_STRING", ""), *asked.key, str(asked.body))
        if key not in self.answers:
            self.answers[key] = App._answer(self.app, asked)
        return self.answers[key]


@dataclass
class Place:
    """An account behind HTTP, and what the checks say of it while nothing is wrong with calls."""

    fake: FakeAws
    session: Session
    patient: Session
    found: dict[tuple[str, str], Status] = field(default_factory=dict)

    def look(self, faults):
        is_throttled = any(isinstance(fault, Throttled) for fault in faults.values())
        session = self.patient if is_throttled else self.session
        with self.fake.faulty(faults):
            capture = collect(session, now=self.fake.world.now)
        return capture, run_checks(Account.from_capture(capture))


def opened(build):
    with FakeAws() as fake, fake.environment():
        build(fake, jobs_a_burst=JOBS_A_BURST)
        fake.app._answer = Remembering(fake.app)
        sessions = [make_session(max_attempts=n, read_timeout_s=READ_TIMEOUT_S) for n in (1, 2)]
        place = Place(fake, *sessions)
        _, found = place.look({})
        place.found = {(finding.check, finding.resource): finding.status for finding in found}
        yield place


@pytest.fixture(scope="module")
def place(request):
    yield from opened(request.param)


def of(build):
    """Tests of one account; pytest closes it before it opens the next."""
    return pytest.mark.parametrize("place", [build], indirect=True, scope="module", ids=[""])


sick, sound = of(disk_full.build), of(healthy.build)


FOLLOWERS = {
    row.name: {other.name for other in WANTED if row.name in other.follows} for row in WANTED
}


def tainted(operation):
    """The permissions of what can't be known in full when one operation is not answered."""
    names = {row.name for row in WANTED if (row.service, row.operation) == operation}
    while more := {follower for name in names for follower in FOLLOWERS[name]} - names:
        names |= more
    return {f"{row.service}:{row.operation}" for row in WANTED if row.name in names}


def blinded(operation):
    """The checks that need the operation, or one whose questions follow from it."""
    return {check.id for check in registry().values() if tainted(operation) & set(check.needs)}


def turned(before, findings):
    """Findings that pass now and did not; and new passes of a check that forgot what was bad."""
    bad = (Status.FAIL, Status.UNKNOWN)
    was_bad = {check for (check, _), status in before.items() if status in bad}
    is_bad = {finding.check for finding in findings if finding.status in bad}
    for finding in findings:
        key = (finding.check, finding.resource)
        forgot = key not in before and finding.check in was_bad - is_bad
        if finding.status is Status.PASS and (
            before.get(key, Status.PASS) is not Status.PASS or forgot
        ):
            yield finding


@sick
@pytest.mark.parametrize(("fault", "operation"), cells(*FAULTS))
def test_a_fault_turns_no_finding_of_a_sick_account_into_a_pass(place, fault, operation):
    capture, findings = place.look({operation: fault})

    assert set(capture.operations()) == OPERATIONS
    assert {finding.check for finding in findings} == set(registry())
    assert list(turned(place.found, findings)) == []
    assert exit_code(findings) in (1, 2)


@sick
def test_the_sick_account_is_sick_in_every_way(place):
    """Else nothing could turn."""
    assert {check for (check, _), status in place.found.items() if status is Status.FAIL} >= {
        "DISK-002",
        "DISK-003",
        "SCHED-001",
        "CE-001",
        "LOG-003",
    }
    assert len([operation for operation in EVERY if blinded(operation)]) >= len(EVERY) - 5


@sound
@pytest.mark.parametrize(("fault", "operation"), cells("refused", "throttled", "timed out"))
def test_a_check_that_an_unanswered_operation_blinds_is_unknown_and_names_it(
    place, fault, operation
):
    capture, findings = place.look({operation: fault})

    assert not capture.complete(*operation)
    for finding in findings:
        if finding.check in blinded(operation):
            assert finding.status is Status.UNKNOWN, finding
            assert tainted(operation) & set(finding.missing), finding
    bad = any(registry()[check].severity in BAD for check in blinded(operation))
    assert exit_code(findings) == (2 if bad else 0)
