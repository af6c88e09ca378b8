"""The bundled captures are what collecting the made accounts gives, and tell what they should."""

import json
from collections import Counter

import pytest

from accounts.make_captures import ACCOUNTS, capture_of
from batchguide.aws.collect import collect
from batchguide.aws.session import make_session
from batchguide.aws.wanted import OPERATIONS
from batchguide.capture import Call, load_capture, to_dict
from batchguide.facts import data_path
from fakeaws import OVERRIDES, FakeAws


def without_version(capture):
    """The document but for the version of batchguide that wrote it."""
    document = to_dict(capture)
    return {**document, "meta": {**document["meta"], "tool": None}}


@pytest.mark.parametrize("name", sorted(ACCOUNTS))
def test_a_bundled_capture_is_what_collecting_its_account_gives(name):
    made = json.loads(json.dumps(without_version(capture_of(name))))

    assert made == without_version(load_capture(f"demo:{name}"))


@pytest.mark.parametrize("name", sorted(ACCOUNTS))
def test_a_bundled_capture_is_small_and_whole(name):
    capture = load_capture(f"demo:{name}")

    assert data_path("captures", f"{name}.json.gz").stat().st_size < 300_000
    assert [call.error for call in capture.calls if call.error] == []
    assert set(capture.operations()) == OPERATIONS
    assert len({job["jobId"] for job in capture.items("batch", "DescribeJobs", "jobs")}) >= 1000


def test_every_job_of_the_healthy_account_succeeds():
    jobs = load_capture("demo:healthy").items("batch", "DescribeJobs", "jobs")

    assert {job["status"] for job in jobs} == {"SUCCEEDED"}


def test_jobs_of_the_full_disks_die_as_their_users_saw_it():
    jobs = list(load_capture("demo:disk-full").items("batch", "DescribeJobs", "jobs"))

    reasons = Counter(
        job["container"]["reason"].split(":")[0]
        for job in jobs
        if job["status"] == "FAILED" and "reason" in job["container"]
    )
    assert set(reasons) == {
        "CannotCreateContainerError",
        "CannotInspectContainerError",
        "CannotPullContainerError",
        "DockerTimeoutError",
    }
    assert 100 < reasons.total() < 400


@pytest.mark.parametrize("name", sorted(ACCOUNTS))
def test_no_container_instance_runs_more_than_it_holds(name):
    """The made history is one that ECS could have scheduled."""
    capture = load_capture(f"demo:{name}")
    room = {
        instance["containerInstanceArn"]: {
            resource["name"]: resource["integerValue"]
            for resource in instance["registeredResources"]
        }
        for instance in capture.items("ecs", "DescribeContainerInstances", "containerInstances")
    }
    events = []
    for job in capture.items("batch", "DescribeJobs", "jobs"):
        for attempt in job["attempts"]:
            if "startedAt" in attempt:
                instance = attempt["container"]["containerInstanceArn"]
                events += [
                    (attempt["startedAt"], 1, instance),
                    (attempt["stoppedAt"], -1, instance),
                ]
                assert attempt["startedAt"] >= job["createdAt"]

    running = Counter()
    for _, change, instance in sorted(events):
        running[instance] += change
        assert running[instance] * 1024 <= room[instance]["CPU"]
        assert running[instance] * 8192 <= room[instance]["MEMORY"]


def test_every_override_names_the_document_it_follows():
    FakeAws()  # fills the table
    assert len(OVERRIDES) > 20
    for function in OVERRIDES.values():
        assert "https://docs.aws.amazon.com/" in function.__doc__


def test_an_empty_account_is_complete_and_has_nothing_to_ask():
    with FakeAws() as fake, fake.environment():
        capture = collect(make_session(), now=fake.world.now)

    assert {call.service for call in capture.calls if call.error} == {"service-quotas"}
    assert set(capture.operations()) == OPERATIONS
    assert capture.calls_of("batch", "DescribeJobs") == (Call("batch", "DescribeJobs", {}, ()),)
