"""No check passes on ignorance: every operation that it needs, with every fault."""

import pytest

from batchguide.account import Account
from batchguide.capture import load_capture
from batchguide.checks import areas, registry, run_check, run_checks
from batchguide.errors import UserError
from batchguide.findings import AREAS, Status
from builders import (
    GONE,
    absent,
    cut,
    emptied,
    failed,
    find,
    garbled,
    make_account,
    make_capture,
)

# Jobs that wait and start, so that every check, SCHED-001 too, has something to call healthy.
WAITING = {"status": "RUNNABLE", "attempts": [], "statusReason": "waiting for capacity"}
STARTING = {"status": "STARTING", "attempts": [], "container": {"taskArn": "task-21"}}
PULLING = {"taskArn": "task-21", "createdAt": "2026-11-22T11:58:00Z", "containers": []}
FAULTS = {
    "refused": failed,
    "throttled": lambda capture, name: failed(capture, name, "throttled"),
    "timed out": lambda capture, name: failed(capture, name, "timeout"),
    "not asked": lambda capture, name: failed(capture, name, "not-asked"),
    "cut in its pages": cut,
    "never heard of": absent,
    "garbage": garbled,
    "null": lambda capture, name: garbled(capture, name, None),
    "number": lambda capture, name: garbled(capture, name, 7),
    "list of nulls": lambda capture, name: garbled(capture, name, [None]),
    "list of nothings": lambda capture, name: garbled(capture, name, [{}]),
}
NEEDED = [(check.id, name) for check in registry().values() for name in check.needs]


def healthy():
    jobs = [{}] * 20 + [WAITING, STARTING]
    return make_capture(jobs=jobs, front=["job-20"], metrics=[99.0], tasks=[PULLING])


def statuses(check_id, capture):
    return [finding.status for finding in find(check_id, capture)]


def test_every_check_passes_in_the_healthy_account():
    found = run_checks(Account.from_capture(healthy()))

    assert [finding for finding in found if finding.status is not Status.PASS] == []
    assert {finding.check for finding in found} == set(registry())


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize(("check_id", "operation"), NEEDED)
def test_no_check_passes_without_an_operation_it_needs(check_id, operation, fault):
    found = find(check_id, fault(healthy(), operation))

    assert found
    for finding in found:
        assert finding.status is Status.UNKNOWN, finding
        assert finding.missing


@pytest.mark.parametrize(("check_id", "operation"), NEEDED)
def test_what_is_refused_is_named(check_id, operation):
    found = find(check_id, failed(healthy(), operation))

    assert all(operation in finding.missing for finding in found)


@pytest.mark.parametrize("operation", sorted({name for _, name in NEEDED}))
def test_an_empty_answer_turns_nothing_into_a_pass(operation):
    broken = load_capture("demo:disk-full")
    before = {(it.check, it.resource): it.status for it in run_checks(Account.from_capture(broken))}

    after = run_checks(Account.from_capture(emptied(broken, operation)))

    turned = [
        finding
        for finding in after
        if finding.status is Status.PASS
        and before.get((finding.check, finding.resource)) is not Status.PASS
    ]
    assert turned == []


@pytest.mark.parametrize(
    ("operation", "blinded"),
    [
        ("ec2:DescribeVolumes", ["DISK-002", "DISK-003", "DISK-005", "DISK-007", "DISK-017"]),
        ("ec2:DescribeInstances", ["DISK-002", "DISK-010", "DISK-011", "AMI-001", "DISK-035"]),
        ("ecs:ListContainerInstances", ["DISK-002", "DISK-010", "DISK-035"]),
        ("ecs:DescribeContainerInstances", ["DISK-002", "DISK-010", "DISK-035"]),
        ("ec2:DescribeInstanceAttribute", ["DISK-005", "DISK-010", "DISK-011", "DISK-012"]),
        ("ecr:DescribeImages", ["DISK-003", "DISK-017"]),
        ("ec2:DescribeLaunchTemplateVersions", ["DISK-035"]),
        ("batch:DescribeComputeEnvironments", ["CE-001", "DISK-002"]),
    ],
)
def test_an_empty_answer_about_things_that_exist_is_a_missing_datum(operation, blinded):
    capture = emptied(healthy(), operation)
    if operation == "ec2:DescribeInstanceAttribute":
        capture = garbled(healthy(), operation, GONE)

    for check_id in blinded:
        assert set(statuses(check_id, capture)) == {Status.UNKNOWN}, check_id


def test_a_seen_failure_stays_a_failure_when_something_else_is_refused():
    capture = failed(make_capture(volume={"Size": 8}), "ecr:DescribeImages")

    (finding,) = find("DISK-002", capture)

    assert finding.status is Status.FAIL


def test_an_empty_capture_is_unknown_throughout():
    found = run_checks(Account.from_capture(make_capture().__class__({}, ())))

    assert {finding.status for finding in found} == {Status.UNKNOWN}
    assert len(found) == len(registry())


def test_an_account_without_batch_is_not_applicable_throughout():
    capture = make_capture()
    for operation in dict.fromkeys(f"{c.service}:{c.operation}" for c in capture.calls):
        capture = emptied(capture, operation)
    for name in ("batch:ListJobs", "batch:GetJobQueueSnapshot", "ecs:DescribeTasks"):
        capture = _nothing_to_ask(capture, name)

    found = run_checks(Account.from_capture(_nothing_to_ask(capture, None)))

    assert {finding.status for finding in found} == {Status.NOT_APPLICABLE}


def _nothing_to_ask(capture, name):
    """What the collector writes where earlier answers named nothing."""
    from dataclasses import replace

    first = {}
    for call in capture.calls:
        key = f"{call.service}:{call.operation}"
        asks_by_id = bool(call.params) and key != "batch:DescribeJobDefinitions"
        blank = name == key or (name is None and asks_by_id)
        first.setdefault(key, replace(call, params={}, pages=()) if blank else call)
    return replace(capture, calls=tuple(first.values()))


ODD = [None, [], {}, "", -1, 1e308, True, "\x1b]0;x\x07", [None], {"a": [1]}, 10**400, "💥" * 99]


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from leaves(each, (*path, at))
    if path:
        yield path


def put(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


SMALL = make_capture(
    jobs=[{}, WAITING, STARTING],
    front=["job-1"],
    metrics=[99.0],
    volume={"VolumeType": "gp2"},
    tasks=[PULLING],
)


@pytest.mark.parametrize("at", range(len(SMALL.calls)), ids=lambda at: SMALL.calls[at].operation)
def test_odd_values_anywhere_give_findings_and_no_traceback(at):
    from dataclasses import replace

    call = SMALL.calls[at]
    for number, path in enumerate(leaves(list(call.pages))):
        odd = ODD[number % len(ODD)]
        if len(path) < 2 and not isinstance(odd, dict):
            continue  # a page is a dict: load_capture refuses anything else
        pages = tuple(put(list(call.pages), path, odd))
        calls = (*SMALL.calls[:at], replace(call, pages=pages), *SMALL.calls[at + 1 :])

        found = run_checks(Account.from_capture(replace(SMALL, calls=calls)))

        assert {finding.check for finding in found} == set(registry())


@pytest.mark.parametrize("name", ["account", "region", "taken_at"])
@pytest.mark.parametrize("odd", [None, 7, [], "yesterday"])
def test_odd_meta_gives_findings_and_no_traceback(name, odd):
    found = run_checks(make_account(meta={name: odd}))

    assert {finding.check for finding in found} == set(registry())


def test_hostile_names_stay_short_and_on_one_line():
    hostile = "\x1b[31m<script>alert(1)</script>\u202e\n" + "x" * 10_000
    jobs = [WAITING | {"jobName": hostile, "statusReason": f"UNDETERMINED - {hostile}"}]
    capture = make_capture(jobs=jobs, front=["job-0"], ami={"Name": hostile}, rules=[])

    for finding in run_checks(Account.from_capture(capture)):
        texts = [finding.message, *(str(each.value) for each in finding.evidence)]
        for text in texts:
            assert text.isprintable(), finding.check
            assert len(text) < 1000, finding.check


def test_choosing_checks():
    account = make_account()

    assert {it.check for it in run_checks(account, ids=["CE-001"])} == {"CE-001"}
    chosen = {it.check for it in run_checks(account, areas=["logging"])}
    assert "LOG-003" in chosen
    assert {registry()[id].area for id in chosen} == {"logging"}
    medium = {it.check for it in run_checks(account, areas=["disk"], severities=["medium"])}
    assert {"DISK-012", "DISK-035"} <= medium
    assert {registry()[id].severity for id in medium} == {"medium"}
    assert run_checks(account, ids=["DISK-012"], severities=["low"]) == ()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"ids": ["DISK-1"]}, "no check 'DISK-1'; there are DISK-001"),
        ({"areas": ["disks"]}, "no area 'disks'; there are disk, scheduling"),
        ({"severities": ["worst"]}, "no severity 'worst'; there are critical, high"),
    ],
)
def test_what_there_is_not_is_refused_by_name(choice, message):
    with pytest.raises(UserError, match=message):
        run_checks(make_account(), **choice)


def test_areas_are_in_the_order_of_the_catalogue():
    assert areas() == AREAS


def test_a_check_that_finds_nothing_says_so():
    capture = emptied(make_capture(), "batch:DescribeJobQueues")
    account = Account.from_capture(_nothing_to_ask(capture, "batch:ListJobs"))

    (finding,) = run_check(account, registry()["DISK-001"])

    assert finding.status is Status.NOT_APPLICABLE
    assert finding.resource == "account"


# --- the bundled accounts -----------------------------------------------------------------------


def test_every_check_of_the_disk_fires_in_the_account_whose_disks_are_full():
    found = run_checks(Account.from_capture(load_capture("demo:disk-full")))

    failing = {finding.check for finding in found if finding.status is Status.FAIL}
    assert {id for id, each in registry().items() if each.area == "disk"} <= failing
    assert {"SCHED-001", "CE-001", "CE-002", "AMI-001", "LOG-003"} <= failing


def test_every_check_is_silent_in_the_healthy_account():
    found = run_checks(Account.from_capture(load_capture("demo:healthy")))

    loud = [it for it in found if it.status not in (Status.PASS, Status.NOT_APPLICABLE)]
    assert loud == []
    # Nothing waits there, and nothing starts.
    about_waiting = {"SCHED-001", "SCHED-002", "SCHED-003", "SCHED-004"}
    about_waiting |= {"SCHED-012", "SCHED-020"}
    quiet = {it.check for it in found if it.status is Status.NOT_APPLICABLE}
    assert {id for id in quiet if id.startswith("SCHED")} == about_waiting


@pytest.mark.parametrize("name", ["disk-full", "healthy"])
def test_evidence_paths_lead_to_what_they_name(name):
    capture = load_capture(f"demo:{name}")

    for finding in run_checks(Account.from_capture(capture)):
        for each in finding.evidence:
            if not each.path.startswith("="):
                assert resolve(capture, each.path) is not None or each.value is None, each


def resolve(capture, path):
    """What a path such as `ec2:DescribeVolumes[0].pages[0].Volumes[3].Size` leads to."""
    import re

    operation, _, rest = path.partition("[")
    service, _, name = operation.partition(":")
    steps = re.findall(r"\[(\d+)\]|\.?([^.\[\]]+)", f"[{rest}" if rest else "")
    value = [vars(call) for call in capture.calls_of(service, name)]
    for at, field in steps:
        value = value[int(at)] if at else value.get(field)
        if value is None:
            return None
    return value
