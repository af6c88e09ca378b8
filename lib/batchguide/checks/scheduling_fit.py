"""Jobs that no instance can hold: too many vCPUs, too much memory, GPUs that are not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batchguide import facts
from batchguide.account import Account, ComputeEnvironment, JobQueue, JobShape, workload_of
from batchguide.checks.budget import MANAGED_PROFILE, allowed_types
from batchguide.checks.common import (
    ENVIRONMENTS,
    FLEET,
    WORKLOAD,
    computed,
    needed,
    on_instances,
    outside,
)
from batchguide.checks.queues import (
    WAITING,
    Wanted,
    environments_of,
    jobs_in,
    kinds_wanted,
    unseen_environments,
)
from batchguide.facts import InstanceType
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
from batchguide.units import show_count

AREA = "scheduling"
Judge = Callable[[Account, JobQueue, tuple[ComputeEnvironment, ...], list[Wanted]], Verdict]


def _of_waiting(account: Account, judge: Judge) -> Iterator[Verdict]:
    """Judge the kinds of waiting jobs of every queue that leads to container instances only."""
    for queue in account.job_queues:
        waiting = jobs_in(account, queue, *WAITING)
        environments = environments_of(account, queue)
        others = [verdict for env in environments if (verdict := outside(env)) is not None]
        found = list(kinds_wanted(account, waiting))
        wanted = [each for each in found if isinstance(each, Wanted)]
        missing = [
            *unseen_environments(account, queue),
            *(each for each in found if isinstance(each, str)),
            *(name for verdict in others for name in verdict.missing),
        ]
        if not waiting:
            yield not_applicable(queue.resource, "no job waits in it")
        elif any(not verdict.missing for verdict in others):
            message = "an environment of it has no container instances that you size"
            yield not_applicable(queue.resource, message, firm=True)
        else:
            verdict = judge(account, queue, environments, wanted)
            yield _complete(queue, verdict, missing, blind=len(missing) > len(found) - len(wanted))


def _complete(queue: JobQueue, verdict: Verdict, missing: list[str], *, blind: bool) -> Verdict:
    """Not all was seen: then nothing is healthy, and with an environment unseen nothing sure."""
    if not missing or (verdict.status == "FAIL" and not blind):
        return verdict
    message = "whether an instance can hold its jobs can't be told"
    return unknown(queue.resource, message, *verdict.evidence, missing=missing)


@check(
    id="SCHED-003",
    title="Job needs more vCPUs than any environment may have",
    severity="critical",
    area=AREA,
    needs=needed(WORKLOAD, ENVIRONMENTS),
    runbook="20-check-account-health",
)
def job_beyond_maximum(account: Account) -> Iterator[Verdict]:
    """Does a waiting job ask for more vCPUs than maxvCpus of every environment of its queue?

    Why it matters: it can never start, and in a first-in-first-out queue it blocks all behind it.

    How to fix: raise maxvCpus (a scaling update that disturbs no job), or cancel the job and ask
    for less.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_misconfiguration.html
    """
    yield from _of_waiting(account, _below_maximum)


def _below_maximum(
    _: Account,
    queue: JobQueue,
    environments: tuple[ComputeEnvironment, ...],
    wanted: list[Wanted],
) -> Verdict:
    sizes = [env.max_vcpus for env in environments if env.managed]
    evidence = [
        Evidence(env.where.path("computeResources.maxvCpus"), env.max_vcpus) for env in environments
    ]
    if len(sizes) < len(environments):
        return not_applicable(queue.resource, "you size its unmanaged environment", firm=True)
    if None in sizes or not sizes:
        missing = [f"maxvCpus of {env.name}" for env in environments if env.max_vcpus is None]
        message = "how many vCPUs its jobs may have can't be told"
        return unknown(
            queue.resource, message, missing=missing or [f"environments of {queue.name}"]
        )
    most = max(size for size in sizes if size is not None)
    largest = max(wanted, key=lambda each: each.vcpus, default=None)
    if largest is None or largest.vcpus <= most:
        message = f"no waiting job asks for more than the {most} vCPUs it may have"
        return passes(queue.resource, message, *evidence)
    beyond = sum(1 for each in wanted if each.vcpus > most)
    message = (
        f"{quote(largest.label, 60)} asks for {largest.vcpus:g} vCPUs; no environment may have more"
        f" than {most}{_and_others(beyond - 1)}"
    )
    return fails(queue.resource, message, largest.evidence, *evidence)


def _and_others(count: int) -> str:
    return f" (and {show_count(count, 'other kind', 'other kinds')} of job)" if count > 0 else ""


def usable_memory_mib(account: Account, type_: InstanceType) -> int:
    """What ECS offers jobs of an instance type: as registered by one that runs, else as known."""
    registered = [
        member.registered_memory_mib
        for member in account.container_instances
        if member.registered_memory_mib is not None
        and (instance := account.instance_by_id.get(member.instance_id or "")) is not None
        and instance.type == type_.name
    ]
    reserved = int(facts.agent_profile(MANAGED_PROFILE).settings["ECS_RESERVED_MEMORY"])
    return min(registered) if registered else type_.registered_memory_mib - reserved


def holds(account: Account, type_: InstanceType, wanted: Wanted | JobShape) -> bool:
    """Whether an empty instance of a type takes a job."""
    return (
        wanted.vcpus <= type_.vcpus
        and wanted.gpus <= type_.gpus
        and wanted.memory_mib <= usable_memory_mib(account, type_)
    )


@check(
    id="SCHED-004",
    title="No allowed instance type can hold the job",
    severity="critical",
    area=AREA,
    needs=needed(WORKLOAD, FLEET),
    runbook="20-check-account-health",
)
def job_fits_nowhere(account: Account) -> Iterator[Verdict]:
    """Does a waiting job ask for more than any allowed instance type has?

    Why it matters: Batch finds no instance to launch for it, and in a first-in-first-out queue all
    others wait behind it. Memory is what ECS registers, which is less than what EC2 sells.

    How to fix: allow a larger instance type in the compute environment, or cancel the job and ask
    for less.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_misconfiguration.html
    https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html
    """
    yield from _of_waiting(account, _fits)


def _fits(
    account: Account,
    queue: JobQueue,
    environments: tuple[ComputeEnvironment, ...],
    wanted: list[Wanted],
) -> Verdict:
    allowed = [allowed_types(account, env) for env in environments]
    types = {type_.name: type_ for each in allowed for type_ in each.types}
    lost = [each for each in wanted if not any(holds(account, t, each) for t in types.values())]
    evidence = [
        Evidence(env.where.path("computeResources.instanceTypes"), list(env.instance_types))
        for env in environments
        if env.managed
    ]
    missing = [
        *(f"instance type {quote(name, 40)}" for each in allowed for name in each.unknown),
        *(
            f"instance types of {env.name}"
            for env, each in zip(environments, allowed, strict=True)
            if not each.types
        ),
    ]
    if not lost and types:
        return passes(queue.resource, "every waiting job fits on an allowed type", *evidence)
    if missing or not types:
        message = "whether an instance can hold its jobs can't be told"
        names = missing or [f"instance types behind {queue.name}"]
        return unknown(queue.resource, message, *evidence, missing=names)
    return fails(
        queue.resource,
        f"{_asks(lost[0])}; {_most(account, list(types.values()))}{_and_others(len(lost) - 1)}",
        lost[0].evidence,
        *evidence,
    )


def _asks(wanted: Wanted) -> str:
    gpus = f" and {show_count(wanted.gpus, 'GPU', 'GPUs')}" if wanted.gpus else ""
    asked = f"{wanted.vcpus:g} vCPU, {wanted.memory_mib} MiB{gpus}"
    return f"{quote(wanted.label, 60)} asks for {asked}"


def _most(account: Account, types: list[InstanceType]) -> str:
    """The largest of what is allowed, with what ECS offers of its memory."""
    largest = max(types, key=lambda each: (each.memory_mib, each.vcpus))
    gpus = max(each.gpus for each in types)
    return (
        f"no allowed type holds it: {largest.name} offers {largest.vcpus} vCPU and"
        f" {usable_memory_mib(account, largest)} of {largest.memory_mib} MiB, none more than"
        f" {show_count(gpus, 'GPU', 'GPUs')}"
    )


@check(
    id="SCHED-005",
    title="Memory request equals the nominal size of an instance",
    severity="high",
    area=AREA,
    needs=needed(FLEET, WORKLOAD),
    runbook="20-check-account-health",
)
def memory_is_nominal(account: Account) -> Iterator[Verdict]:
    """Does a job ask for the whole memory that EC2 sells with an instance type?

    Why it matters: kernel and agent keep a part, so that an instance of that size never holds the
    job: Batch buys the next size, half of it empty, or finds none and the job waits for ever.

    How to fix: ask for what ECS registers of that type, some 93 to 97 percent of its memory.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html
    """
    yield from on_instances(account, _nominal)


def _nominal(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    workload, allowed = workload_of(account, env), allowed_types(account, env)
    missing = (
        *workload.missing,
        *(f"instance type {quote(name, 40)}" for name in allowed.unknown),
        *(() if allowed.types else (f"instance types of {env.name}",)),
    )
    if not workload.shapes and not workload.missing:
        yield not_applicable(env.resource, "its queues got no job in the days of the capture")
        return
    for shape in workload.shapes:
        missed = _missed(account, shape, allowed.types)
        if missed is not None:
            yield _just_too_much(account, env, shape, missed, allowed.types)
            return
    if missing:
        message = "whether its jobs ask for a whole instance's memory can't be told"
        yield unknown(env.resource, message, missing=missing)
        return
    most = max(workload.shapes, key=lambda shape: shape.memory_mib)
    message = f"no job asks for a whole instance's memory; the most is {most.memory_mib} MiB"
    yield passes(env.resource, message, Evidence(most.path, most.memory_mib))


def _missed(
    account: Account, shape: JobShape, types: tuple[InstanceType, ...]
) -> InstanceType | None:
    """The smallest type that is sold with enough memory, when ECS offers less of it."""
    sold = [
        each
        for each in types
        if each.memory_mib >= shape.memory_mib
        and each.vcpus >= shape.vcpus
        and each.gpus >= shape.gpus
    ]
    smallest = min(sold, key=lambda each: (each.memory_mib, each.vcpus, each.name), default=None)
    if smallest is None or shape.memory_mib <= usable_memory_mib(account, smallest):
        return None
    return smallest


def _just_too_much(
    account: Account,
    env: ComputeEnvironment,
    shape: JobShape,
    missed: InstanceType,
    types: tuple[InstanceType, ...],
) -> Verdict:
    usable = usable_memory_mib(account, missed)
    fitting = [each for each in types if holds(account, each, shape)]
    following = min(fitting, key=lambda each: (each.memory_mib, each.name), default=None)
    goes = f"it goes to {following.name}" if following else "no allowed type holds it"
    return fails(
        env.resource,
        f"{quote(shape.definition, 60)} asks for {shape.memory_mib} MiB; {missed.name} has"
        f" {missed.memory_mib}, of which ECS offers {usable}: {goes}",
        Evidence(shape.path, shape.memory_mib),
        computed(f"memory that ECS offers of {missed.name}, MiB", usable),
        severity=Severity.MEDIUM if following else None,
    )


@check(
    id="SCHED-006",
    title="GPU job without GPU instances, or GPU instances without GPU jobs",
    severity="high",
    area=AREA,
    needs=needed(WORKLOAD, FLEET),
    runbook="20-check-account-health",
)
def gpus_and_jobs_differ(account: Account) -> Iterator[Verdict]:
    """Do an environment's jobs ask for GPUs that it does not have, or leave those it has unused?

    Why it matters: a job that asks for a GPU waits for ever where there is none; one that does not
    ask pays for the GPU and does not get it, or shares it by accident.

    How to fix: send GPU jobs to an environment of GPU instance types with an image type that ends
    in _NVIDIA, ask for a GPU in the resource requirements, and send all others elsewhere.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/gpu-jobs.html
    https://docs.aws.amazon.com/batch/latest/APIReference/API_Ec2Configuration.html
    """
    yield from on_instances(account, _gpus)


def _gpus(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    workload, allowed = workload_of(account, env), allowed_types(account, env)
    missing = (
        *workload.missing,
        *(f"instance type {quote(name, 40)}" for name in allowed.unknown),
        *(() if allowed.types else (f"instance types of {env.name}",)),
    )
    if not workload.shapes and not workload.missing:
        yield not_applicable(env.resource, "its queues got no job in the days of the capture")
        return
    asking = [shape for shape in workload.shapes if shape.gpus]
    named = Evidence(
        env.where.path("computeResources.instanceTypes"), list(env.instance_types) or None
    )
    if missing:
        yield unknown(env.resource, "whether its GPUs meet its jobs can't be told", missing=missing)
    elif asking and not any(type_.gpus for type_ in allowed.types):
        yield _no_gpus(account, env, asking[0], named)
    elif asking and _without_driver(env):
        types = Evidence(env.where.path("computeResources.ec2Configuration"), _image_types(env))
        message = "its jobs ask for GPUs, and no image type of it brings NVIDIA's driver"
        yield fails(env.resource, message, types)
    elif not asking and all(type_.gpus for type_ in allowed.types):
        message = "all its instance types have GPUs, and no job of its queues asked for one"
        yield fails(env.resource, message, named, severity=Severity.MEDIUM)
    else:
        yield passes(env.resource, "its jobs and its instances agree on GPUs", named)


def _no_gpus(
    account: Account, env: ComputeEnvironment, shape: JobShape, named: Evidence
) -> Verdict:
    """A queue may lead elsewhere as well: then the job still has a place."""
    elsewhere = any(
        type_.gpus
        for queue in account.queues_of(env)
        for other in environments_of(account, queue)
        for type_ in allowed_types(account, other).types
    )
    if elsewhere:
        return passes(env.resource, "has no GPU; another environment of its queues has", named)
    message = f"{quote(shape.definition, 60)} asks for {show_count(shape.gpus, 'GPU', 'GPUs')};"
    asked = Evidence(shape.path, shape.gpus)
    return fails(env.resource, f"{message} no allowed instance type has one", asked, named)


def _image_types(env: ComputeEnvironment) -> list[str]:
    return [each.image_type for each in env.ec2_configurations if each.image_type]


def _without_driver(env: ComputeEnvironment) -> bool:
    """Image types are given, all of them AWS's own without the driver, and no AMI replaces them."""
    own = env.image_id or any(each.image_id_override for each in env.ec2_configurations)
    types = _image_types(env)
    plain = bool(types) and not any(each.endswith("_NVIDIA") for each in types)
    return env.managed and plain and not own and env.launch_template is None
