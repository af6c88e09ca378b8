"""What checks of several areas share: who they are about, and what they judge by."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batchguide import facts
from batchguide.account import Account, ComputeEnvironment
from batchguide.account.fleet import CONTAINER_INSTANCES, INSTANCES, LISTED, TEMPLATES, VERSIONS
from batchguide.account.volumes import IMAGES, USER_DATA, VOLUMES
from batchguide.account.workload import DEFINITIONS, LIST_JOBS, QUEUES
from batchguide.findings import Evidence, Verdict, not_applicable, unknown

ENVIRONMENTS = "batch:DescribeComputeEnvironments"
DESCRIBE_JOBS = "batch:DescribeJobs"
LIST_TASKS = "ecs:ListTasks"
TASKS = "ecs:DescribeTasks"

# What the fleet of an environment is known from, and what its jobs are.
FLEET = (ENVIRONMENTS, LISTED, CONTAINER_INSTANCES, INSTANCES)
TEMPLATE = (TEMPLATES, VERSIONS, IMAGES)
WORKLOAD = (QUEUES, DEFINITIONS, LIST_JOBS, DESCRIBE_JOBS)
KEYED = (USER_DATA,)

__all__ = [
    "CONTAINER_INSTANCES",
    "DEFINITIONS",
    "DESCRIBE_JOBS",
    "ENVIRONMENTS",
    "FLEET",
    "IMAGES",
    "INSTANCES",
    "KEYED",
    "LISTED",
    "LIST_JOBS",
    "LIST_TASKS",
    "QUEUES",
    "TASKS",
    "TEMPLATE",
    "TEMPLATES",
    "USER_DATA",
    "VERSIONS",
    "VOLUMES",
    "WORKLOAD",
    "computed",
    "needed",
    "no_volume",
    "on_instances",
    "outside",
    "threshold",
]

Judge = Callable[[Account, ComputeEnvironment], Iterator[Verdict]]


def threshold(name: str) -> float:
    """A number of data/thresholds.csv, where its reason stands."""
    return facts.thresholds()[name].value


def computed(formula: str, value: object) -> Evidence:
    """Evidence that was computed; its path is the formula."""
    return Evidence(f"={formula}", value)


def needed(*groups: str | tuple[str, ...]) -> tuple[str, ...]:
    """Operations of several groups, each once."""
    names = (name for group in groups for name in ((group,) if isinstance(group, str) else group))
    return tuple(dict.fromkeys(names))


def outside(env: ComputeEnvironment) -> Verdict | None:
    """Why checks of container instances do not apply, or can't tell; None when they do."""
    type_path = env.where.path("computeResources.type")
    if env.orchestration == "EKS":
        return not_applicable(env.resource, "its jobs run on EKS, not on ECS", firm=True)
    if env.type == "UNMANAGED":
        return None
    if env.type != "MANAGED":
        why = "whether Batch manages its instances can't be told"
        return unknown(
            env.resource,
            why,
            Evidence(env.where.path("type"), env.type),
            missing=[f"type of {env.name}"],
        )
    if env.resource_type in ("EC2", "SPOT"):
        return None
    evidence = Evidence(type_path, env.resource_type)
    if env.resource_type in ("FARGATE", "FARGATE_SPOT", "ECS_MANAGED_INSTANCES"):
        message = f"{env.resource_type} has no container instances that you size"
        return not_applicable(env.resource, message, evidence, firm=True)
    why = "which capacity it uses can't be told"
    return unknown(env.resource, why, evidence, missing=[f"computeResources.type of {env.name}"])


def on_instances(account: Account, judge: Judge) -> Iterator[Verdict]:
    """Judge every compute environment that has EC2 container instances; say why not the others."""
    for env in account.compute_environments:
        verdict = outside(env)
        if verdict is not None:
            yield verdict
        else:
            yield from judge(account, env)


def no_volume(env: ComputeEnvironment, missing: tuple[str, ...]) -> Verdict:
    """Why nothing can be said of the volume that Docker writes to."""
    if missing:
        message = "the size of the volume that Docker writes to is not in the capture"
        return unknown(env.resource, message, missing=missing)
    return not_applicable(env.resource, "it has no instance, and does not say what one would be")
