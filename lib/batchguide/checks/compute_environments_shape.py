"""What a compute environment is made of: its types, Zones, queues, and what its user data does."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from batchguide.account import (
    Account,
    ComputeEnvironment,
    JobQueue,
    fleet_of,
    template_of,
    workload_of,
)
from batchguide.checks.budget import ALIASES, allowed_types
from batchguide.checks.common import (
    CONTAINER_INSTANCES,
    ENVIRONMENTS,
    FLEET,
    LIST_JOBS,
    QUEUES,
    TEMPLATES,
    VERSIONS,
    WORKLOAD,
    computed,
    needed,
    on_instances,
    threshold,
)
from batchguide.checks.queues import GROUPS, environments_of, unseen_environments
from batchguide.disk.agent_user_data import settings_in_user_data
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

AREA = "compute-environments"
RESERVED = ("ECS_CLUSTER", "ECS_INSTANCE_ATTRIBUTES")


@check(
    id="CE-007",
    title="One instance type or one Availability Zone only",
    severity="medium",
    area=AREA,
    needs=needed(ENVIRONMENTS, GROUPS),
    runbook="20-check-account-health",
)
def too_narrow(account: Account) -> Iterator[Verdict]:
    """Does an environment depend on very few instance types, or on one Availability Zone?

    Why it matters: EC2 runs out of one type in one Zone for hours, and Spot takes many instances of
    one type back at once; then nothing starts.

    How to fix: allow several types (three or more for Spot) and subnets in at least two Zones; jobs
    that must be close to each other or to one file system are the exception.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/best-practices.html
    https://docs.aws.amazon.com/batch/latest/userguide/allocation-strategies.html
    """
    yield from on_instances(account, _narrow)


def _narrow(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    types = Evidence(env.where.path("computeResources.instanceTypes"), list(env.instance_types))
    subnets = Evidence(env.where.path("computeResources.subnets"), list(env.subnets))
    if not env.managed:
        yield not_applicable(env.resource, "is unmanaged: you choose its instances", firm=True)
        return
    if not env.instance_types or not env.subnets:
        missing = [f"instanceTypes and subnets of {env.name}"]
        yield unknown(env.resource, "how narrow it is can't be told", missing=missing)
        return
    allowed = allowed_types(account, env)
    least = int(threshold("spot_types" if env.resource_type == "SPOT" else "on_demand_types"))
    count = len(allowed.types) + len(allowed.unknown)
    faults = []
    if count < least:
        faults.append(f"allows {show_count(count, 'instance type', 'instance types')}")
    zones = {zone for group in account.groups_of(env) for zone in group.zones}
    one = len(set(env.subnets)) == 1 or len(zones) == 1
    if one and not env.placement_group:
        faults.append(f"has {'one subnet' if len(env.subnets) == 1 else 'one Availability Zone'}")
    if faults:
        yield fails(env.resource, " and ".join(faults), types, subnets)
    else:
        message = f"{count} instance types, {show_count(len(env.subnets), 'subnet', 'subnets')}"
        yield passes(env.resource, message, types, subnets)


@check(
    id="CE-010",
    title="Environment or queue that nobody uses",
    severity="low",
    area=AREA,
    needs=[ENVIRONMENTS, QUEUES, LIST_JOBS],
    runbook="20-check-account-health",
)
def nobody_uses_it(account: Account) -> Iterator[Verdict]:
    """Is a compute environment in no queue, or disabled while it keeps instances, or a queue empty?

    Why it matters: a disabled environment still pays for its minimum of vCPUs, and what is unused
    counts against the 50 environments and 50 queues of an account.

    How to fix: set minvCpus of a disabled environment to 0; delete what nobody misses.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdateComputeEnvironment.html
    https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
    """
    for env in account.compute_environments:
        yield _use_of_environment(account, env)
    for queue in account.job_queues:
        if account.jobs_of(queue):
            listed = Evidence(queue.where.path("jobQueueName"), queue.name)
            yield passes(queue.resource, "has had jobs in the days of the capture", listed)
        else:
            message = "has had no job in the days of the capture"
            yield fails(queue.resource, message, by_absence=True)


def _use_of_environment(account: Account, env: ComputeEnvironment) -> Verdict:
    state = Evidence(env.where.path("state"), env.state)
    least = Evidence(env.where.path("computeResources.minvCpus"), env.min_vcpus)
    if env.state == "DISABLED" and env.min_vcpus:
        message = f"is DISABLED and keeps {env.min_vcpus} vCPUs: they are paid for"
        return fails(env.resource, message, state, least, severity=Severity.MEDIUM)
    queues = account.queues_of(env)
    if not queues:
        return fails(env.resource, "is in no queue", state, by_absence=True)
    if env.state is None:
        missing = [f"state of {env.name}"]
        return unknown(env.resource, "whether it is used can't be told", missing=missing)
    names = ", ".join(quote(queue.name, 60) for queue in queues)
    return passes(env.resource, f"gets the jobs of {names}", state)


@check(
    id="CE-011",
    title="User data that Batch or the agent can't use",
    severity="high",
    area=AREA,
    needs=needed(ENVIRONMENTS, TEMPLATES, VERSIONS),
    runbook="20-check-account-health",
)
def user_data_breaks_host(account: Account) -> Iterator[Verdict]:
    """Does the launch template's user data break what Batch writes for its instances?

    Why it matters: Batch merges its own part into a MIME multi-part archive and takes no other
    form; who overwrites /etc/ecs/ecs.config or sets ECS_CLUSTER sends instances to no cluster.

    How to fix: wrap the user data as Content-Type multipart/mixed, write to /etc/ecs/ecs.config
    with >> only, and leave ECS_CLUSTER and ECS_INSTANCE_ATTRIBUTES to Batch.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html
    """
    yield from on_instances(account, _user_data)


def _user_data(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    template = template_of(account, env)
    if env.launch_template is None:
        yield not_applicable(env.resource, "it has no launch template", firm=True)
        return
    text = template.version.user_data if template.version else None
    if template.version is None or text is None:
        missing = template.missing or (VERSIONS, f"user data of the template of {env.name}")
        yield unknown(env.resource, "what its user data does can't be told", missing=missing)
        return
    path = template.version.where.path("LaunchTemplateData.UserData")
    faults = _faults_of(text)
    label = quote(template.version.label, 80)
    if faults:
        message = f"user data of {label} {' and '.join(faults)}"
        yield fails(env.resource, message, Evidence(path, faults))
        return
    unread = settings_in_user_data(text).not_understood
    if unread:
        message = f"what user data of {label} does to the agent can't be told"
        yield unknown(env.resource, message, missing=[f"what does: {quote(unread[0], 80)}"])
    else:
        message = f"user data of {label} leaves Batch's part alone"
        yield passes(env.resource, message, Evidence(path, f"{len(text)} characters"))


def _faults_of(text: str) -> list[str]:
    if not text.strip():
        return []
    settings = settings_in_user_data(text)
    faults = []
    if "multipart/mixed" not in text[:4096].lower():
        faults.append("is no MIME multi-part archive, which is all that Batch takes")
    faults += [f"sets {name}" for name in RESERVED if name in settings.assignments]
    if settings.overwrites:
        faults.append("overwrites /etc/ecs/ecs.config")
    return faults


@check(
    id="CE-012",
    title="Instances take long to register",
    severity="medium",
    area=AREA,
    needs=FLEET,
    runbook="20-check-account-health",
)
def registers_slowly(account: Account) -> Iterator[Verdict]:
    """Do instances take minutes from their launch until they register with ECS?

    Why it matters: every burst waits for that, and nothing registers before all user data has run;
    a download that hangs there leaves all jobs in RUNNABLE.

    How to fix: bake what user data installs and downloads into the AMI, or let it run in the
    background.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_common_causes.html
    """
    yield from on_instances(account, _boot)


def _boot(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    fleet = fleet_of(account, env)
    took_s, unsaid = [], []
    for member in fleet.container_instances:
        instance = account.instance_by_id.get(member.instance_id or "")
        if instance is None or instance.launched_at is None or member.registered_at is None:
            unsaid.append(f"launch and registration of {member.instance_id or member.arn}")
        elif member.registered_at >= instance.launched_at:
            took_s.append((member.registered_at - instance.launched_at).total_seconds())
    missing = (*fleet.missing, *unsaid)
    if missing or (not took_s and fleet.container_instances):
        names = missing or (f"launch and registration of instances of {env.name}",)
        yield unknown(env.resource, "how long its instances boot can't be told", missing=names)
        return
    if not took_s:
        yield not_applicable(env.resource, "no instance is registered")
        return
    median_s = statistics.median(took_s)
    count = show_count(len(took_s), "instance", "instances")
    message = f"{count} took {show_duration(median_s)} from launch to registration (median)"
    evidence = (
        Evidence(CONTAINER_INSTANCES, len(took_s)),
        computed("median of registeredAt - LaunchTime, s", median_s),
    )
    if median_s > threshold("boot_fail_s"):
        yield fails(env.resource, message, *evidence)
    elif median_s > threshold("boot_warn_s"):
        yield fails(env.resource, message, *evidence, severity=Severity.LOW)
    else:
        yield passes(env.resource, message, *evidence)


@check(
    id="CE-013",
    title="Queue on Spot alone, with nothing to fall back on",
    severity="medium",
    area=AREA,
    needs=[QUEUES, ENVIRONMENTS],
    runbook="20-check-account-health",
)
def spot_without_fallback(account: Account) -> Iterator[Verdict]:
    """Does a queue depend on one compute environment, and that on Spot?

    Why it matters: when EC2 has no spare capacity of those types, the queue stops.

    How to fix: add an On-Demand environment as the second in the queue's order; Batch goes there
    when the first can't give capacity. A queue takes three.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/create-job-queue.html
    https://docs.aws.amazon.com/batch/latest/userguide/best-practices.html
    """
    for queue in account.job_queues:
        yield _fallback_of(account, queue)


def _fallback_of(account: Account, queue: JobQueue) -> Verdict:
    environments = environments_of(account, queue)
    order = Evidence(queue.where.path("computeEnvironmentOrder"), list(queue.environments))
    if not queue.environments:
        return not_applicable(queue.resource, "has no compute environment", firm=True)
    if len(queue.environments) > 1:
        count = show_count(len(queue.environments), "environment", "environments")
        return passes(queue.resource, f"has {count}", order)
    kind = environments[0].resource_type if environments else None
    if kind in ("SPOT", "FARGATE_SPOT"):
        message = f"depends on {quote(environments[0].name, 60)} alone, which is {kind}"
        return fails(queue.resource, message, order)
    if environments and (kind is not None or environments[0].type == "UNMANAGED"):
        return passes(queue.resource, "its one environment is no Spot", order)
    missing = unseen_environments(account, queue) or (f"type of {queue.environments[0]}",)
    return unknown(queue.resource, "what it depends on can't be told", missing=missing)


@check(
    id="CE-014",
    title="An alias lets Batch change the fleet",
    severity="low",
    area=AREA,
    needs=[ENVIRONMENTS],
    runbook="20-check-account-health",
)
def alias_of_types(account: Account) -> Iterator[Verdict]:
    """Does an environment name an alias, as optimal, instead of instance types or families?

    Why it matters: Batch moves the alias on to new families by itself; then sizes, CPU features and
    disk for each vCPU change without anybody deploying anything.

    How to fix: name the families or, better, the sizes that the jobs were tried on.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/optimal-default-instance-troubleshooting.html
    https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html
    """
    yield from on_instances(account, _alias)


def _alias(_: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    named = Evidence(env.where.path("computeResources.instanceTypes"), list(env.instance_types))
    aliases = [name for name in env.instance_types if name in ALIASES]
    if not env.managed:
        yield not_applicable(env.resource, "is unmanaged: you choose its instances", firm=True)
    elif not env.instance_types:
        missing = [f"instanceTypes of {env.name}"]
        yield unknown(env.resource, "which types it allows can't be told", missing=missing)
    elif aliases:
        message = f"allows {', '.join(aliases)}: AWS decides which families that is"
        yield fails(env.resource, message, named)
    else:
        yield passes(env.resource, "names its types and families itself", named)


@check(
    id="CE-015",
    title="Ordered strategy with an ill-suited first type",
    severity="low",
    area=AREA,
    needs=needed(ENVIRONMENTS, WORKLOAD),
    runbook="20-check-account-health",
)
def order_is_risky(account: Account) -> Iterator[Verdict]:
    """Does an ordered allocation strategy begin with a type far off what the jobs ask for?

    Why it matters: Batch takes the first type while it can: a very large one puts a hundred jobs on
    one disk, one that is smaller than the job is never used.

    How to fix: begin the list of instance types with a size that some 8 to 16 jobs share.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/allocation-strategies.html
    """
    yield from on_instances(account, _order)


def _order(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    strategy = Evidence(
        env.where.path("computeResources.allocationStrategy"), env.allocation_strategy
    )
    workload = workload_of(account, env)
    first = allowed_types(account, env).types[:1]
    if not (env.allocation_strategy or "").endswith(("_ORDERED", "_PRIORITIZED")):
        yield passes(env.resource, "its strategy does not depend on an order", strategy)
        return
    if not workload.shapes or not first or workload.missing:
        missing = (*workload.missing, f"jobs and instance types of {env.name}")
        yield unknown(env.resource, "whether its order is apt can't be told", missing=missing)
        return
    counted = [shape.vcpus for shape in workload.shapes for _ in range(min(shape.jobs, 1000))]
    median = statistics.median(counted)
    ratio = first[0].vcpus / median
    message = f"begins with {first[0].name}, {ratio:.3g} times the {median:g} vCPU of a median job"
    named = Evidence(env.where.path("computeResources.instanceTypes"), list(env.instance_types))
    if ratio < 1 or ratio > threshold("huge_ratio_fail"):
        yield fails(env.resource, message, named)
    else:
        yield passes(env.resource, message, named)
