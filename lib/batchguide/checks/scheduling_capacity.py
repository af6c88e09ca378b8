"""Capacity that Batch asked for: launches that fail, instances that are there and do no work."""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchguide.account import (
    Account,
    AutoScalingGroup,
    ComputeEnvironment,
    ContainerInstance,
    Instance,
    ScalingActivity,
    fleet_of,
)
from batchguide.checks.common import (
    CONTAINER_INSTANCES,
    DESCRIBE_JOBS,
    ENVIRONMENTS,
    FLEET,
    INSTANCES,
    LIST_JOBS,
    QUEUES,
    needed,
    on_instances,
    threshold,
)
from batchguide.checks.queues import (
    ACTIVITIES,
    GROUPS,
    SNAPSHOT,
    front_of,
    jobs_in,
    no_clock,
    seconds_since,
    wanted_by,
)
from batchguide.findings import (
    Evidence,
    Severity,
    Verdict,
    check,
    fails,
    not_applicable,
    passes,
    quote,
    unknown,
)
from batchguide.units import show_count, show_duration

AREA = "scheduling"
FAILED = ("Failed", "Cancelled")
CAUSES = (  # of https://docs.aws.amazon.com/autoscaling/ec2/userguide/CHAP_Troubleshooting.html
    (
        r"InsufficientInstanceCapacity|UnfulfillableCapacity|not have sufficient",
        "AWS has none left",
    ),
    (r"VcpuLimitExceeded|vCPU (capacity|limit)|InstanceLimitExceeded", "the vCPU quota is used up"),
    (r"MaxSpotInstanceCountExceeded", "the Spot quota is used up"),
    (r"InvalidAMIID|AMI .*(not exist|cannot)", "the AMI is gone or not shared with you"),
    (r"InvalidBlockDeviceMapping|VolumeTypeNotAvailable", "the volumes do not suit the AMI"),
    (r"InsufficientFreeAddresses", "a subnet has no free address"),
    (r"UnauthorizedOperation|not authorized", "a role lacks a permission"),
    (r"KMS|Client\.InternalError|InvalidKMSKey", "the volume's key can't be used"),
    (r"not supported|Unsupported", "the type is not offered in that zone"),
    (r"launch template", "the launch template can't be used"),
)


@check(
    id="SCHED-009",
    title="Auto Scaling can't launch instances",
    severity="critical",
    area=AREA,
    needs=needed(ENVIRONMENTS, GROUPS, ACTIVITIES, QUEUES, LIST_JOBS),
    keyed=[ACTIVITIES],
    runbook="20-check-account-health",
)
def launches_fail(account: Account) -> Iterator[Verdict]:
    """Did the last launch for a compute environment fail, and was that within a day?

    Why it matters: Batch raises the vCPUs it wants and nothing arrives; the job only says RUNNABLE.

    How to fix: what the message names: more instance types and Zones against missing capacity, a
    higher quota, an AMI or key that exists and may be used, a larger subnet, a repaired role.

    Source: https://docs.aws.amazon.com/autoscaling/ec2/userguide/CHAP_Troubleshooting.html
    https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_common_causes.html
    """
    yield from on_instances(account, _launches)


def _launches(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    groups = account.groups_of(env)
    if not groups:
        yield not_applicable(env.resource, "the account shows no Auto Scaling group of it")
        return
    newest = [(group, _newest_launch(account, group)) for group in groups]
    failed = [each for _, each in newest if each is not None and each.status in FAILED]
    recent = [each for each in failed if _recent(account, each)]
    unseen = [group for group in groups if not _activities_answered(account, group)]
    if recent:
        yield _failed(account, env, recent[0])
    elif unseen:
        missing = account.lacks(*ACTIVITIES.split(":")) or (ACTIVITIES,)
        yield unknown(env.resource, "whether its launches fail can't be told", missing=missing)
    elif account.taken_at is None and failed:
        yield no_clock(env.resource, "when its last launch failed")
    else:
        evidence = [
            Evidence(each.where.path("StatusCode"), each.status) for _, each in newest if each
        ]
        hours = show_duration(threshold("launch_window_s"))
        message = f"its last launch did not fail within {hours}"
        yield passes(env.resource, message, *evidence[:1])


def _newest_launch(account: Account, group: AutoScalingGroup) -> ScalingActivity | None:
    """The newest launch that has ended; those under way say nothing yet."""
    ended = [
        each
        for each in account.scaling_activities
        if each.group == group.name and each.launches and each.status in (*FAILED, "Successful")
    ]
    return max(ended, key=lambda each: str(each.started_at), default=None)


def _recent(account: Account, activity: ScalingActivity) -> bool:
    age_s = seconds_since(account, activity.started_at)
    return age_s is not None and age_s <= threshold("launch_window_s")


def _activities_answered(account: Account, group: AutoScalingGroup) -> bool:
    calls = account.answers.calls("autoscaling", "DescribeScalingActivities")
    named = (call for call in calls if call.params.get("AutoScalingGroupName") == group.name)
    return any(call.pages and call.error is None for call in named)


def _failed(account: Account, env: ComputeEnvironment, activity: ScalingActivity) -> Verdict:
    waits = any(jobs_in(account, queue, "RUNNABLE") for queue in account.queues_of(env))
    age_s = seconds_since(account, activity.started_at) or 0
    said = activity.message or "AWS gives no reason"
    cause = next((meaning for pattern, meaning in CAUSES if re.search(pattern, said)), None)
    reason = f"{cause} (AWS: {quote(said)})" if cause else quote(said)
    return fails(
        env.resource,
        f"its last launch failed {show_duration(age_s)} ago: {reason}",
        Evidence(activity.where.path("StatusMessage"), activity.message),
        severity=None if waits else Severity.MEDIUM,
    )


@check(
    id="SCHED-010",
    title="Instances run but never join the ECS cluster",
    severity="critical",
    area=AREA,
    needs=needed(FLEET, GROUPS),
    runbook="20-check-account-health",
)
def instances_do_not_join(account: Account) -> Iterator[Verdict]:
    """Do instances that Batch launched run for long without having registered with ECS?

    Why it matters: you pay for them and no job ever starts; in the end Batch calls the environment
    INVALID because "none of the instances joined the underlying ECS Cluster".

    How to fix: look at the way from the subnet to ECS (NAT or VPC endpoints, security group), the
    instance role, user data that takes long or sets ECS_CLUSTER, and an AMI without the agent.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/invalid_compute_environment.html
    https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_common_causes.html
    """
    yield from on_instances(account, _joined)


def _joined(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    fleet = fleet_of(account, env)
    launched = [id for group in account.groups_of(env) for id in group.instance_ids]
    joined = {member.instance_id for member in fleet.container_instances}
    if not launched and not fleet.missing:
        yield not_applicable(env.resource, "no instance runs that could join")
        return
    outside = [id for id in dict.fromkeys(launched) if id not in joined]
    described = [account.instance_by_id[id] for id in outside if id in account.instance_by_id]
    running = [each for each in described if each.state == "running"]
    ages = [(seconds_since(account, each.launched_at), each) for each in running]
    late = [(age, each) for age, each in ages if age is not None and age > threshold("join_s")]
    gone = [id for id in outside if id not in account.instance_by_id]
    missing = [
        *fleet.missing,
        *(INSTANCES for _ in gone[:1]),
        *(f"launch time of {each.id}" for age, each in ages if age is None),
    ]
    if late and not fleet.missing:
        yield _late(env, late, len(set(launched)))
    elif missing:
        yield unknown(env.resource, "whether its instances join can't be told", missing=missing)
    else:
        count = show_count(len(joined), "instance has joined", "instances have joined")
        path = Evidence(f"{CONTAINER_INSTANCES}", len(joined))
        yield passes(env.resource, f"{count} its cluster; none is late", path)


def _late(env: ComputeEnvironment, late: list[tuple[float, Instance]], launched: int) -> Verdict:
    age_s, oldest = max(late, key=lambda each: (each[0], each[1].id))
    return fails(
        env.resource,
        f"{len(late)} of its {show_count(launched, 'instance', 'instances')} never joined its"
        f" cluster; {oldest.id} runs for {show_duration(age_s)}",
        *(Evidence(each.where.path("LaunchTime"), str(each.launched_at)) for _, each in late[:3]),
        by_absence=True,
    )


@check(
    id="SCHED-011",
    title="Instances are registered, and take no job",
    severity="high",
    area=AREA,
    needs=needed(FLEET, QUEUES, LIST_JOBS, DESCRIBE_JOBS, SNAPSHOT),
    keyed=[SNAPSHOT],
    runbook="20-check-account-health",
)
def instances_take_no_job(account: Account) -> Iterator[Verdict]:
    """Do jobs wait while instances that could hold them are cut off, draining or idle?

    Why it matters: such an instance counts against maxvCpus, so that Batch does not launch another
    in its place. Agents lose their connection for moments all the time: one that is cut off counts
    only while jobs wait.

    How to fix: terminate the instance, and look at its agent's log, its disk and its network before
    the next one goes the same way.

    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_container_instance_events.html
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/container-instance-draining.html
    """
    yield from on_instances(account, _useless)


def _useless(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    fleet, queues = fleet_of(account, env), account.queues_of(env)
    waiting = [job for queue in queues for job in jobs_in(account, queue, "RUNNABLE")]
    members = fleet.container_instances
    if fleet.missing:
        message = "whether its instances take jobs can't be told"
        yield unknown(env.resource, message, missing=fleet.missing)
    elif not members:
        yield not_applicable(env.resource, "no instance is registered")
    elif not waiting:
        yield passes(env.resource, "no job waits for its instances", _status(members[0]))
    else:
        yield _members(account, env, members)


def _members(
    account: Account, env: ComputeEnvironment, members: tuple[ContainerInstance, ...]
) -> Verdict:
    of = f"of {show_count(len(members), 'instance', 'instances')}"
    idle = [each for each in members if _idle(account, env, each)]
    cut = [each for each in members if each.agent_connected is False]
    drained = [each for each in members if each.status not in ("ACTIVE", "REGISTERING", None)]
    if idle:
        message = f"{len(idle)} {of} idle while the head of its queue would fit there"
        return fails(env.resource, message, *(_status(each) for each in idle[:3]))
    if cut:
        whole = len(cut) == len(members)
        message = f"jobs wait, and the agents {of} are cut off" if whole else ""
        message = message or f"jobs wait, and the agent is cut off on {len(cut)} {of}"
        evidence = [Evidence(each.where.path("agentConnected"), False) for each in cut[:3]]
        mild = None if whole else Severity.MEDIUM
        return fails(env.resource, message, *evidence, severity=mild)
    if drained:
        message = f"jobs wait, and {len(drained)} {of}: {quote(drained[0].status, 30)}"
        evidence = [_status(each) for each in drained[:3]]
        return fails(env.resource, message, *evidence, severity=Severity.MEDIUM)
    unsaid = [each for each in members if each.status is None or each.agent_connected is None]
    if unsaid:
        missing = [f"status and agentConnected of {unsaid[0].arn}"]
        message = "whether its instances take jobs can't be told"
        return unknown(env.resource, message, missing=missing)
    return passes(env.resource, f"all {of} take jobs", _status(members[0]))


def _status(member: ContainerInstance) -> Evidence:
    return Evidence(member.where.path("status"), member.status)


def _idle(account: Account, env: ComputeEnvironment, member: ContainerInstance) -> bool:
    """Whether it runs nothing, though the head of a queue would fit and has waited long."""
    limit_s = threshold("idle_s")
    age_s = seconds_since(account, member.registered_at)
    if member.running_tasks != 0 or age_s is None or age_s <= limit_s:
        return False
    for queue in account.queues_of(env):
        front = front_of(account, queue)
        head = account.job_by_id.get(front.job_ids[0]) if front and front.job_ids else None
        waited_s = seconds_since(account, front.head_since) if front else None
        wanted = wanted_by(account, head) if head is not None else None
        if wanted is None or waited_s is None or waited_s <= limit_s:
            continue
        if (
            wanted.vcpus <= (member.registered_vcpus or 0)
            and wanted.memory_mib <= (member.registered_memory_mib or 0)
            and wanted.gpus <= member.registered_gpus
        ):
            return True
    return False
