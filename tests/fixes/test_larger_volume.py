"""A larger volume, planned on the bundled account and on accounts changed from it."""

from __future__ import annotations

import copy
import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import jmespath
import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

from batchguide.account import Account
from batchguide.capture import Capture, load_capture
from batchguide.disk import advice, outcome
from batchguide.errors import UserError
from batchguide.findings import Finding, Severity, Status
from batchguide.fixes import plan_fix
from batchguide.fixes.larger_volume import plan_larger_volume
from batchguide.fixes.plan import Plan, PlanError, Request, read_plan, requests_of, write_plan

DEMO = load_capture("demo:disk-full")
ENOUGH_GIB = 60  # below it the forecast of these tests fails
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(autouse=True)
def _plain_forecast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forecast that fails on small volumes, but for the tests that ask for the real one."""
    if "real_forecast" in request.fixturenames:
        return

    def simulate(scenario: Any, timeline: bool = True) -> Any:
        fails = (scenario.volume.size_gib or 0) < ENOUGH_GIB
        verdict = f"{'full' if fails else 'fine'} on {scenario.volume.size_gib:g}"
        return SimpleNamespace(
            first_failure=fails or None,
            to_dict=lambda: {"verdict": verdict, "first_failure": fails or None},
        )

    monkeypatch.setattr(outcome, "simulate", simulate)
    enough = advice.Point(ENOUGH_GIB, 0.0)
    bound = advice.Bound("volume.size_gib", "GiB", enough, None)
    monkeypatch.setattr(advice, "smallest_volume", lambda scenario: bound)


@pytest.fixture
def real_forecast() -> None:
    """Marks a test that runs the engine."""


# --- accounts: the demo, changed ------------------------------------------------------------------


def changed(**changes: Change) -> Account:
    """The demo account with its answers changed, by operation."""
    calls = []
    for call in DEMO.calls:
        change = changes.get(call.operation)
        pages = copy.deepcopy(call.pages) if change and call.service != "ecr" else call.pages
        for page in pages if change and call.service != "ecr" else ():
            change(page)
        calls.append(replace(call, pages=pages))
    return Account.from_capture(Capture(DEMO.meta, tuple(calls)))


def environment(**fields: Any) -> Change:
    """Change `simulate-on-demand`; None takes a field away. `computeResources` are merged."""

    def change(page: dict[str, Any]) -> None:
        env = page["computeEnvironments"][0]
        assert env["computeEnvironmentName"] == "simulate-on-demand"
        for name, value in fields.items():
            inner = env["computeResources"] if name in ("allocationStrategy",) else env
            if name == "computeResources":
                env["computeResources"] |= value
            elif name == "launchTemplate":
                env["computeResources"].pop("launchTemplate")
                env["computeResources"] |= {"launchTemplate": value} if value else {}
            elif value is None:
                inner.pop(name, None)
            else:
                inner[name] = value

    return change


def planned(size_gib: int | None = 100, **changes: Change) -> Plan:
    return plan_larger_volume(changed(**changes), "simulate-on-demand", size_gib)


# --- every request is one that AWS would take -----------------------------------------------------

SESSION = botocore.session.get_session()


def problems_of(request: Request) -> list[str]:
    """What botocore's validator says, and each string that is no member of its enumeration."""
    model = SESSION.get_service_model(request.service).operation_model(request.operation)
    report = ParamValidator().validate(request.parameters, model.input_shape)
    found = [report.generate_report()] if report.has_errors() else []
    return [*found, *_not_in_enum(request.parameters, model.input_shape, request.operation)]


def _not_in_enum(value: Any, shape: Shape, path: str) -> list[str]:
    if isinstance(shape, StructureShape):
        return [
            problem
            for name, inner in value.items()
            for problem in _not_in_enum(inner, shape.members[name], f"{path}.{name}")
        ]
    if isinstance(shape, ListShape):
        return [p for each in value for p in _not_in_enum(each, shape.member, path)]
    if isinstance(shape, MapShape):
        return [p for each in value.values() for p in _not_in_enum(each, shape.value, path)]
    if isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        return [f"{path} is {value!r}, none of {shape.enum}"]
    return []


KINDS: dict[str, Callable[[], Plan]] = {
    "in place": planned,
    "without a template": lambda: planned(
        DescribeComputeEnvironments=environment(launchTemplate=None)
    ),
    "BEST_FIT": lambda: planned(
        DescribeComputeEnvironments=environment(allocationStrategy="BEST_FIT")
    ),
    "gp2": lambda: plan_larger_volume(changed(), "simulate-on-demand", 100, "gp2"),
    "legacy": lambda: plan_larger_volume(changed(), "train-legacy", 100),
    "nothing runs": lambda: plan_larger_volume(changed(), "archive", 100),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
def test_every_request_validates(make: Callable[[], Plan]) -> None:
    plan = make()

    assert [problem for request in requests_of(plan) for problem in problems_of(request)] == []
    assert all(step.undo and step.verify and step.effect_on_jobs for step in plan.steps)


def test_the_validator_of_this_test_sees_what_is_wrong() -> None:
    good = planned().steps[0].request
    wrong_type = copy.deepcopy(good.parameters)
    wrong_type["LaunchTemplateData"]["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] = "100"
    wrong_word = copy.deepcopy(good.parameters)
    wrong_word["LaunchTemplateData"]["BlockDeviceMappings"][0]["Ebs"]["VolumeType"] = "gp4"

    assert problems_of(replace(good, parameters=wrong_type))
    assert problems_of(replace(good, parameters=wrong_word))


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
def test_every_path_is_jmespath_and_holds_on_the_capture_it_was_read_from(
    make: Callable[[], Plan],
) -> None:
    plan = make()

    for each in [*plan.preconditions, *(v for step in plan.steps for v in step.verify)]:
        jmespath.compile(each.path)
        assert jmespath.compile(f"({each.path}) == `{json.dumps(each.value)}`")
    assert sum(each.read_from is not None for each in plan.preconditions) >= 5


def test_preconditions_hold_on_what_was_read() -> None:
    for each in planned().preconditions:
        [answer] = [
            page
            for call in DEMO.calls_of(each.request.service, each.request.operation)
            for page in call.pages
        ]
        names = each.request.parameters.get("LaunchTemplateIds")
        if names:  # a listing of all stands for the one asked by its id
            kept = [t for t in answer["LaunchTemplates"] if t["LaunchTemplateId"] in names]
            answer = {"LaunchTemplates": kept}
        assert jmespath.search(each.path, answer) == each.value, each.statement


# --- what it changes, and what it leaves ----------------------------------------------------------


def mappings(plan: Plan) -> dict[str, dict[str, Any]]:
    listed = plan.steps[0].request.parameters["LaunchTemplateData"]["BlockDeviceMappings"]
    assert len({each["DeviceName"] for each in listed}) == len(listed)
    return {each["DeviceName"]: each["Ebs"] for each in listed}


def test_the_root_device_grows_and_nothing_else_changes() -> None:
    plan = planned()

    create, update = (step.request.parameters for step in plan.steps)
    assert mappings(plan) == {
        "/dev/xvdcz": {"DeleteOnTermination": True, "VolumeSize": 22, "VolumeType": "gp2"},
        "/dev/xvda": {
            "DeleteOnTermination": True,
            "VolumeSize": 100,
            "VolumeType": "gp3",
            "Iops": 3000,
            "Throughput": 128,  # no less than the gp2 volume gave
        },
    }
    assert set(create["LaunchTemplateData"]) == {"BlockDeviceMappings"}  # the rest is inherited
    assert create["SourceVersion"] == "1"
    assert update["computeResources"] == {
        "launchTemplate": {"launchTemplateId": create["LaunchTemplateId"], "version": "3"}
    }
    assert update["updatePolicy"] == {
        "terminateJobsOnUpdate": False,
        "jobExecutionTimeoutMinutes": 30,
    }


def test_latest_is_explained_and_the_version_that_instances_run_is_the_base() -> None:
    plan = planned()

    said = " ".join(plan.notes)
    assert "simulate version 1, which $Latest meant when Batch last took it" in said
    assert "/dev/xvdcz (22 GiB). Only Amazon Linux 1 used it" in said
    assert any("simulate version 2 was never taken by Batch" in risk for risk in plan.risks)
    [undo] = plan.steps[1].undo
    assert undo.parameters["computeResources"]["launchTemplate"]["version"] == "1"


def test_of_versions_alike_the_last_before_batch_took_it_is_in_use() -> None:
    made = {  # number: day of August, size of the extra device; Batch took it on the 24th
        1: (20, 22), 2: (22, 22), 3: (23, 50), 4: (25, 22),
    }  # fmt: skip

    def four(page: dict[str, Any]) -> None:
        listed = page["LaunchTemplateVersions"]
        own = next((each for each in listed if each["LaunchTemplateName"] == "simulate"), None)
        if own is None:
            return
        listed[:] = [each for each in listed if each["LaunchTemplateName"] != "simulate"]
        for number, (day, size_gib) in made.items():
            version = copy.deepcopy(own)
            version["VersionNumber"] = number
            version["CreateTime"] = f"2026-08-{day}T03:10:00Z"
            [device] = version["LaunchTemplateData"]["BlockDeviceMappings"]
            device["Ebs"]["VolumeSize"] = size_gib
            listed.append(version)

    plan = planned(DescribeLaunchTemplateVersions=four)

    assert plan.steps[0].request.parameters["SourceVersion"] == "2"


@pytest.mark.parametrize(("recorded", "minutes"), [(5, 10), (30, 30), (7_200, 7_200)])
def test_running_jobs_get_twice_the_time_they_took_or_what_is_recorded(
    recorded: int, minutes: int
) -> None:
    policy = {"terminateJobsOnUpdate": True, "jobExecutionTimeoutMinutes": recorded}

    plan = planned(DescribeComputeEnvironments=environment(updatePolicy=policy))

    update = plan.steps[1].request.parameters["updatePolicy"]
    assert update == {"terminateJobsOnUpdate": False, "jobExecutionTimeoutMinutes": minutes}
    assert f"may go on for {minutes} min" in plan.steps[1].effect_on_jobs


def test_latest_comes_back_literally_where_it_means_the_same() -> None:
    def one_version(page: dict[str, Any]) -> None:
        for template in page["LaunchTemplates"]:
            template["LatestVersionNumber"] = 1

    def no_second(page: dict[str, Any]) -> None:
        page["LaunchTemplateVersions"] = [
            each for each in page["LaunchTemplateVersions"] if each["VersionNumber"] == 1
        ]

    plan = planned(DescribeLaunchTemplates=one_version, DescribeLaunchTemplateVersions=no_second)

    assert plan.steps[0].request.parameters["SourceVersion"] == "1"
    [back] = plan.steps[1].undo
    deleted, literal = plan.steps[0].undo
    assert back.parameters["computeResources"]["launchTemplate"]["version"] == "1"
    assert deleted.operation == "DeleteLaunchTemplateVersions"
    assert literal.parameters["computeResources"]["launchTemplate"]["version"] == "$Latest"


def test_a_device_of_the_template_keeps_its_encryption() -> None:
    encrypted = {"Encrypted": True, "KmsKeyId": "alias/jobs", "VolumeSize": 30, "VolumeType": "io1"}

    def root_too(page: dict[str, Any]) -> None:
        for version in page["LaunchTemplateVersions"]:
            listed = version["LaunchTemplateData"].setdefault("BlockDeviceMappings", [])
            listed.append({"DeviceName": "/dev/xvda", "Ebs": {**encrypted, "Iops": 1000}})

    plan = planned(DescribeLaunchTemplateVersions=root_too)

    as_gp2 = plan_larger_volume(
        changed(DescribeLaunchTemplateVersions=root_too), "simulate-on-demand", 100, "gp2"
    )
    assert "Iops" not in mappings(as_gp2)["/dev/xvda"]  # of gp2 no IOPS can be asked
    root = mappings(plan)["/dev/xvda"]
    assert (root["Encrypted"], root["KmsKeyId"]) == (True, "alias/jobs")
    assert (root["VolumeSize"], root["VolumeType"], root["Iops"]) == (100, "gp3", 3000)
    assert any("alias/jobs" in risk for risk in plan.risks)


@pytest.mark.parametrize("device", ["/dev/xvda", "/dev/sda1"])
def test_the_device_is_that_of_the_ami_really_used(device: str) -> None:
    def renamed(page: dict[str, Any]) -> None:
        text = json.dumps(page).replace('"/dev/xvda"', json.dumps(device))
        page.clear()
        page.update(json.loads(text))

    plan = planned(DescribeInstances=renamed, DescribeImages=renamed, DescribeVolumes=renamed)

    assert mappings(plan)[device]["VolumeSize"] == 100
    assert device in plan.title


def test_without_a_template_one_is_made_and_undo_takes_it_off() -> None:
    plan = planned(DescribeComputeEnvironments=environment(launchTemplate=None))

    create, update = plan.steps
    assert create.request.operation == "CreateLaunchTemplate"
    name = create.request.parameters["LaunchTemplateName"]
    assert update.request.parameters["computeResources"]["launchTemplate"] == {
        "launchTemplateName": name,
        "version": "1",
    }
    [undo] = update.undo
    assert undo.parameters["computeResources"] == {"launchTemplate": {"launchTemplateId": ""}}
    assert create.undo[0].parameters == {"LaunchTemplateName": name}


def test_overrides_by_instance_type_are_kept_and_named_as_a_risk() -> None:
    overrides = [
        {"launchTemplateId": "lt-1", "version": "2", "targetInstanceTypes": ["r5.24xlarge"]}
    ]
    listed = DEMO.calls_of("batch", "DescribeComputeEnvironments")[0].pages[0]
    resources = listed["computeEnvironments"][0]["computeResources"]
    template = resources["launchTemplate"] | {"overrides": overrides}

    plan = planned(DescribeComputeEnvironments=environment(launchTemplate=template))

    wanted = plan.steps[1].request.parameters["computeResources"]["launchTemplate"]
    assert wanted["overrides"] == overrides
    assert any("overrides" in risk for risk in plan.risks)


# --- the road -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"allocationStrategy": "BEST_FIT"}, "BEST_FIT"),
        ({"allocationStrategy": None}, "BEST_FIT"),
        ({"serviceRole": "arn:aws:iam::123456789012:role/OurBatchRole"}, "OurBatchRole"),
        ({"serviceRole": None}, "does not say its service role"),
        ({"status": "INVALID"}, "status is INVALID"),
    ],
)
def test_what_cannot_be_updated_in_place_gets_a_copy_beside_it(
    fields: dict[str, Any], reason: str
) -> None:
    plan = planned(DescribeComputeEnvironments=environment(**fields))

    assert plan.road == "blue-green"
    assert any(reason in note and "blue/green" in note for note in plan.notes)
    assert [step.request.operation for step in plan.steps] == [
        "CreateLaunchTemplateVersion",
        "CreateComputeEnvironment",
        "UpdateJobQueue",
    ]
    green = plan.steps[1].request.parameters
    assert green["computeResources"]["allocationStrategy"] == "BEST_FIT_PROGRESSIVE"
    assert green["computeResources"]["launchTemplate"]["version"] == "3"
    assert "desiredvCpus" not in green["computeResources"]
    assert green.get("serviceRole", "AWSServiceRoleForBatch").lower().endswith("forbatch")
    names = [
        each["computeEnvironment"].rpartition("/")[2]
        for each in plan.steps[2].request.parameters["computeEnvironmentOrder"]
    ]
    assert names == ["simulate-on-demand-larger-volume", "simulate-on-demand"]
    assert plan.steps[2].undo[0].parameters["computeEnvironmentOrder"] == [
        {
            "order": 1,
            "computeEnvironment": (
                "arn:aws:batch:us-east-1:123456789012:compute-environment/simulate-on-demand"
            ),
        }
    ]
    assert [request.operation for request in plan.steps[1].undo] == [
        "UpdateComputeEnvironment",
        "DeleteComputeEnvironment",
    ]


@pytest.mark.parametrize(
    ("taken_at", "image_type"), [("2026-06-29T00:00:00Z", "ECS_AL2"), (None, "ECS_AL2023")]
)
def test_a_copy_moves_to_al2023_where_batch_takes_no_al2(
    taken_at: str | None, image_type: str
) -> None:
    account = changed(DescribeComputeEnvironments=environment(allocationStrategy="BEST_FIT"))
    if taken_at:
        capture = account.answers.capture
        account = Account.from_capture(
            Capture({**capture.meta, "taken_at": taken_at}, capture.calls)
        )

    plan = plan_larger_volume(account, "simulate-on-demand", 100)

    [configuration] = plan.steps[1].request.parameters["computeResources"]["ec2Configuration"]
    assert configuration["imageType"] == image_type
    assert any("ECS_AL2023" in risk for risk in plan.risks) is (image_type == "ECS_AL2023")


def test_a_queue_that_is_full_blocks_the_copy() -> None:
    def three(page: dict[str, Any]) -> None:
        queue = page["jobQueues"][0]
        queue["computeEnvironmentOrder"] += [
            {"order": n, "computeEnvironment": f"{page['jobQueues'][0]['jobQueueArn']}-{n}"}
            for n in (2, 3)
        ]

    plan = planned(
        DescribeJobQueues=three,
        DescribeComputeEnvironments=environment(allocationStrategy="BEST_FIT"),
    )

    assert any("job queue simulate: 4 needed, 3 allowed" in blocker for blocker in plan.blockers)


def test_an_environment_of_a_stack_is_changed_in_its_stack() -> None:
    tags = {"aws:cloudformation:stack-name": "jobs-prod"}

    plan = planned(DescribeComputeEnvironments=environment(tags=tags))

    assert any("jobs-prod" in blocker for blocker in plan.blockers)


def finding(
    name: str, status: Status = Status.FAIL, severity: Severity = Severity.CRITICAL
) -> Finding:
    resource = f"compute-environment/{name}"
    return Finding("DISK-002", status, severity, resource, "30 GiB is little", (), (), "f")


def test_the_environment_that_fails_worst_is_the_one_meant_and_its_finding_the_cause() -> None:
    findings = [
        finding("train-legacy", severity=Severity.HIGH),
        finding("train-legacy", severity=Severity.HIGH),
        finding("simulate-on-demand"),
        finding("archive", Status.UNKNOWN),
        finding("render-unmanaged"),
    ]

    plan = plan_larger_volume(changed(), size_gib=100, findings=findings)

    assert plan.target == "compute-environment/simulate-on-demand"
    assert [(cause.check, cause.fingerprint) for cause in plan.causes] == [("DISK-002", "f")]
    assert plan.why.startswith("DISK-002: 30 GiB is little. Today: full on 30")


def test_two_that_fail_alike_must_be_told_apart() -> None:
    findings = [finding("simulate-on-demand"), finding("train-legacy")]

    with pytest.raises(PlanError, match=r"with --target: .* simulate-on-demand, train-legacy$"):
        plan_larger_volume(changed(), size_gib=100, findings=findings)


# --- refusals -------------------------------------------------------------------------------------


def al1(page: dict[str, Any]) -> None:
    for image in page.get("Images", ()):
        image["Name"] = "amzn-ami-2018.03.20230615-amazon-ecs-optimized"


@pytest.mark.parametrize(
    ("target", "size_gib", "changes", "words"),
    [
        ("nope", 100, {}, "no compute environment 'nope' in the capture; it has archive"),
        ("render-unmanaged", 100, {}, "render-unmanaged is unmanaged"),
        ("simulate-on-demand", 29, {}, "size 29 GiB: it must be from 30 GiB"),
        ("simulate-on-demand", 65_537, {}, "65,536 GiB, the most of gp3"),
        ("simulate-on-demand", 100, {"DescribeImages": al1}, "runs Amazon Linux 1"),
        (
            "simulate-on-demand",
            100,
            {"DescribeComputeEnvironments": environment(computeResources={"type": "FARGATE"})},
            "of type FARGATE",
        ),
        (
            "simulate-on-demand",
            100,
            {"DescribeComputeEnvironments": environment(containerOrchestrationType="EKS")},
            "runs on EKS",
        ),
        (
            "simulate-on-demand",
            100,
            {"DescribeVolumes": lambda page: page.update(Volumes=[])},
            "ec2:DescribeVolumes",
        ),
        (
            "simulate-on-demand",
            100,
            {"DescribeLaunchTemplateVersions": lambda page: page["LaunchTemplateVersions"].clear()},
            "ec2:DescribeLaunchTemplateVersions",
        ),
        (None, 100, {}, "say which compute environment with --target"),
    ],
)
def test_refused_with_the_reason(
    target: str | None, size_gib: int, changes: dict[str, Change], words: str
) -> None:
    with pytest.raises(PlanError) as refused:
        plan_larger_volume(changed(**changes), target, size_gib)

    assert words in str(refused.value)


def test_other_volume_types_are_refused() -> None:
    with pytest.raises(PlanError, match="volume type 'st1': give gp3 or gp2"):
        plan_larger_volume(changed(), "simulate-on-demand", 100, "st1")


@pytest.mark.parametrize(
    ("name", "size_gib", "words"),
    [("smaller-bill", 100, "no fix 'smaller-bill'"), ("larger-volume", 100.5, "whole GiB")],
)
def test_the_door_refuses_what_it_does_not_know(name: str, size_gib: float, words: str) -> None:
    with pytest.raises(UserError, match=words):
        plan_fix(name, DEMO, target="simulate-on-demand", size_gib=size_gib)


# --- the proof ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_gib", "offered", "words"),
    [
        (ENOUGH_GIB, True, "Today: full on 30 After: fine on 60"),
        (ENOUGH_GIB - 1, False, "Not offered as a fix: the forecast fails all the same"),
    ],
)
def test_a_size_that_changes_nothing_is_not_offered(
    size_gib: int, offered: bool, words: str
) -> None:
    plan = planned(size_gib)

    assert (plan.offered, plan.forecast.changes_verdict) == (offered, offered)
    assert words in plan.why


def test_what_does_not_fail_needs_no_fix() -> None:
    def large(page: dict[str, Any]) -> None:
        for volume in page["Volumes"]:
            volume["Size"] = 80

    plan = planned(100, DescribeVolumes=large)

    assert not plan.offered
    assert "the forecast does not fail as it is" in plan.why


def test_without_jobs_there_is_no_proof_and_it_says_so() -> None:
    plan = plan_larger_volume(changed(), "archive", 100)

    assert plan.forecast.changes_verdict is None
    assert plan.forecast.missing
    assert "Not proven by a forecast: the capture lacks" in plan.why


def test_without_a_size_the_smallest_is_taken_with_room_to_spare() -> None:
    plan = planned(None)

    assert mappings(plan)["/dev/xvda"]["VolumeSize"] == 80  # 60 / 0.85, in steps of 10
    assert "The smallest volume that holds the busiest hour is 60 GiB" in plan.notes[0]


def test_without_a_size_what_fits_is_refused() -> None:
    def large(page: dict[str, Any]) -> None:
        for volume in page["Volumes"]:
            volume["Size"] = 60

    with pytest.raises(PlanError, match=r"needs no larger volume: .* fits on 60 GiB"):
        planned(None, DescribeVolumes=large)


def test_without_a_size_and_without_jobs_the_lack_is_named() -> None:
    with pytest.raises(PlanError, match="no size can be forecast for archive: the capture lacks"):
        plan_larger_volume(changed(), "archive")


def test_without_a_size_when_none_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    never = advice.Bound("volume.size_gib", "GiB", None, None)
    monkeypatch.setattr(advice, "smallest_volume", lambda scenario: never)

    with pytest.raises(PlanError, match="no volume size keeps the forecast from failing"):
        planned(None)


@pytest.mark.usefixtures("real_forecast")
def test_the_size_is_the_engines_own() -> None:
    plan = plan_larger_volume(changed(), "simulate-on-demand")

    assert plan.offered
    assert 30 < mappings(plan)["/dev/xvda"]["VolumeSize"] <= 60


@pytest.mark.usefixtures("real_forecast")
def test_the_demo_is_cured_by_the_engines_own_word() -> None:
    plan = plan_fix("larger-volume", DEMO, target="simulate-on-demand", size_gib=100)

    assert plan.offered
    before, after = plan.forecast.before, plan.forecast.after
    assert before is not None and after is not None
    assert before["jobs"]["failed"] > after["jobs"]["failed"] == 0
    assert "No space left on device" in before["first_failure"]["error"].replace(
        "no space", "No space"
    )
    assert {"DISK-002", "DISK-005", "DISK-035"} <= {cause.check for cause in plan.causes}
    assert "job.writes_mib" in plan.forecast.assumptions


def test_cost_is_for_an_instance_and_a_month() -> None:
    cost = planned().cost

    assert cost.usd_month_per_instance_before == pytest.approx(30 * 0.10)
    assert cost.usd_month_per_instance_after == pytest.approx(100 * 0.08 + 3 * 0.04)
    assert (cost.instances_now, cost.instances_at_most) == (2, 256)


def test_the_storage_quota_is_asked_for_the_most_that_could_come() -> None:
    def small(page: dict[str, Any]) -> None:
        page["Quota"]["Value"] = 24.0

    [enough] = [each for each in planned().quotas if "gp3" in each.name]
    [full] = [each for each in planned(GetServiceQuota=small).quotas if "gp3" in each.name]

    assert enough.needed == pytest.approx(256 * 100 / 1024)
    assert enough.exceeded is None  # other volumes count too, and the capture lacks them
    assert (full.limit, full.exceeded) == (24.0, True)


def test_permissions_cover_every_request() -> None:
    plan = planned()

    assert {request.action for request in requests_of(plan)} <= set(plan.permissions)
    policy = json.loads(plan.artefacts["permissions.json"])
    allowed = {*policy["Statement"][0]["Action"], policy["Statement"][1]["Action"]}
    assert allowed == set(plan.permissions)


# --- the folder -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
def test_a_plan_is_read_back_as_it_was_written(make: Callable[[], Plan], tmp_path: Path) -> None:
    plan = make()

    paths = write_plan(plan, tmp_path / "plan")

    assert read_plan(tmp_path / "plan") == plan
    assert sorted(paths) == sorted((tmp_path / "plan").iterdir())
    assert list(tmp_path.iterdir()) == [tmp_path / "plan"]


def test_an_earlier_plan_is_replaced_whole(tmp_path: Path) -> None:
    write_plan(KINDS["BEST_FIT"](), tmp_path)
    write_plan(planned(), tmp_path)

    assert read_plan(tmp_path) == planned()
    assert not list(tmp_path.glob("*job-queue*"))


def test_other_peoples_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(PlanError, match="holds other files"):
        write_plan(planned(), tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan").write_text("no folder")

    with pytest.raises(PlanError, match="is no folder"):
        write_plan(planned(), tmp_path / "plan")


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    broken = replace(planned(), artefacts={"plan.json/inside": "a file cannot be a folder too"})

    with pytest.raises(PlanError, match="can't write the plan"):
        write_plan(broken, tmp_path / "plan")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["plan.json", "cloudformation.yaml", "apply-by-hand.sh"])
def test_a_changed_plan_is_refused(file: str, tmp_path: Path) -> None:
    write_plan(planned(), tmp_path)
    path = tmp_path / file
    path.write_text(path.read_text().replace("100", "900"))

    with pytest.raises(PlanError, match="changed since"):
        read_plan(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "batchguide plan", "artefacts": []}'])
def test_what_is_no_plan_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(text)

    with pytest.raises(PlanError, match="is no plan that batchguide wrote"):
        read_plan(tmp_path)


def test_an_artefact_outside_the_folder_is_refused(tmp_path: Path) -> None:
    write_plan(planned(), tmp_path)
    document = json.loads((tmp_path / "plan.json").read_text())
    document["artefacts"] = ["../../etc/passwd"]
    (tmp_path / "plan.json").write_text(json.dumps(document))

    with pytest.raises(PlanError, match="no file name of a plan"):
        read_plan(tmp_path)


# --- artefacts, by the tools that read them -------------------------------------------------------


def test_the_templates_pass_cfn_lint(tmp_path: Path) -> None:
    paths = []
    for name, make in KINDS.items():
        paths.append(tmp_path / f"{name}.yaml")
        paths[-1].write_text(make().artefacts["cloudformation.yaml"])

    lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([lint, *paths], capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stdout) == (0, "")


def test_cfn_lint_sees_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(planned().artefacts["cloudformation.yaml"].replace("gp3", "gp4"))

    lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([lint, path], capture_output=True, text=True, timeout=120)

    assert "gp4" in done.stdout


def test_the_template_never_holds_user_data_of_the_capture() -> None:
    template = planned().artefacts["cloudformation.yaml"]

    assert "UserDataBase64" in template
    assert "ecs.config" not in json.dumps(planned().to_dict()) + template


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
def test_the_scripts_are_shell(make: Callable[[], Plan], tmp_path: Path) -> None:
    plan = make()
    write_plan(plan, tmp_path)

    for name in ("apply-by-hand.sh", "undo-by-hand.sh"):
        path = tmp_path / name
        assert path.stat().st_mode & stat.S_IXUSR
        subprocess.run(["bash", "-n", path], check=True, timeout=20)
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", path], check=True, timeout=60)


def run_by_hand(script: Path, aws: str, log: Path) -> subprocess.CompletedProcess[str]:
    """The script, with an `aws` of its own before it in the path."""
    fake = script.parent.parent / "bin" / "aws"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text(aws)
    fake.chmod(0o755)
    path = f"{fake.parent}:/usr/bin:/bin"
    env = {"PATH": path, "LOG": str(log), "PYTHON": sys.executable}
    return subprocess.run([script], env=env, capture_output=True, text=True, timeout=60)


def test_by_hand_asks_what_the_plan_asks(tmp_path: Path) -> None:
    plan = planned()
    write_plan(plan, tmp_path / "plan")

    asked = {}
    for name in ("apply-by-hand", "undo-by-hand"):
        log = tmp_path / name
        done = run_by_hand(tmp_path / "plan" / f"{name}.sh", FAKE_AWS, log)
        assert done.returncode == 0, done.stderr
        asked[name] = [json.loads(line) for line in log.read_text().splitlines()]

    applied = [call["parameters"] for call in asked["apply-by-hand"] if call["writes"]]
    reads = [call["parameters"] for call in asked["apply-by-hand"] if not call["writes"]]
    undone = [call["parameters"] for call in asked["undo-by-hand"]]
    expected = [*plan.preconditions, *(each for step in plan.steps for each in step.verify)]
    assert applied == [step.request.parameters for step in plan.steps]
    assert reads == [each.request.parameters for each in expected]
    assert undone == [request.parameters for step in plan.steps[::-1] for request in step.undo]


def test_by_hand_stops_when_the_state_is_another(tmp_path: Path) -> None:
    write_plan(planned(), tmp_path / "plan")
    log = tmp_path / "log"
    says_updating = """#!/usr/bin/env bash
echo "$2" >> "$LOG"
echo '"UPDATING"'
"""

    done = run_by_hand(tmp_path / "plan" / "apply-by-hand.sh", says_updating, log)

    assert done.returncode == 1
    assert 'expected "VALID", got "UPDATING"' in done.stderr
    assert log.read_text().split() == ["describe-compute-environments"]


FAKE_AWS = """#!/usr/bin/env bash
# Answers a read with what the caller expects (the word before this command), and logs the call.
exec "$PYTHON" - "$@" <<'EOF'
import json, os, sys
service, operation, _, source, *rest = sys.argv[1:]
text = open(source.removeprefix("file://")).read() if source.startswith("file:") else source
query = rest[rest.index("--query") + 1] if "--query" in rest else None
call = {"operation": operation, "parameters": json.loads(text), "writes": query is None}
with open(os.environ["LOG"], "a") as log:
    log.write(json.dumps(call) + chr(10))
KNOWN = {
    "status": '"VALID"', "state": '"ENABLED"',
    "allocationStrategy": '"BEST_FIT_PROGRESSIVE"', "LatestVersionNumber": "2",
    "VolumeSize": "100", "version": '"3"',
}
if query is not None:
    role = "arn:aws:iam::123456789012:role/aws-service-role/batch.amazonaws.com/"
    KNOWN["serviceRole"] = json.dumps(role + "AWSServiceRoleForbatch")
    if "== `" in query:
        print("true")
    elif query.startswith("length("):
        print(2)
    else:
        print(KNOWN[query.rpartition(".")[2]])
EOF
"""
