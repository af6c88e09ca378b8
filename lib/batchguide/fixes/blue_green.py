"""A second compute environment beside the first, and before it in its queues.

Needed where Batch does not replace instances in place, and the road that is undone in seconds:
the old environment stands until a person deletes it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from batchguide import facts
from batchguide.account import JobQueue
from batchguide.fixes.plan import Expectation, QuotaUse, Request, Step
from batchguide.fixes.roads import Road, of_environment, state_of
from batchguide.fixes.situation import SERVICE_ROLE, Situation, row_of
from batchguide.fixes.template import NewTemplate

_PROGRESSIVE = {"EC2": "BEST_FIT_PROGRESSIVE", "SPOT": "SPOT_PRICE_CAPACITY_OPTIMIZED"}
_SUCCESSORS = {"ECS_AL2": "ECS_AL2023", "ECS_AL2_NVIDIA": "ECS_AL2023_NVIDIA"}


def blue_green(situation: Situation, template: NewTemplate) -> Road:
    """A copy of the environment with the new template, first in every queue of the old one."""
    env = situation.env
    queues = situation.account.queues_of(env)
    green, changes = _copy_of(situation, template)
    arn = f"{env.arn.rpartition('/')[0]}/{green['computeEnvironmentName']}"
    steps = [_creation(green), *(_before_in(situation, queue, arn) for queue in queues)]
    afterwards = [
        f"once {green['computeEnvironmentName']} has run jobs for a day, take {env.name} out of"
        f" {_listed(queue.name for queue in queues)}, wait until nothing runs on it, then disable"
        " and delete it"
    ]
    risks = ["both compute environments count against the quotas until the old one is deleted"]
    preconditions = [*state_of(situation), *(_order_of(situation, queue) for queue in queues)]
    return Road(
        "blue-green",
        tuple(steps),
        tuple(preconditions),
        (*risks, *changes),
        tuple(_quotas(situation, queues)),
        tuple(afterwards),
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "its queues"


def _copy_of(situation: Situation, template: NewTemplate) -> tuple[dict[str, Any], list[str]]:
    env, resources = situation.env, copy.deepcopy(situation.resources)
    changes = []
    resources.pop("desiredvCpus", None)
    resources["launchTemplate"] = template.reference
    if env.allocation_strategy in (None, "BEST_FIT"):
        resources["allocationStrategy"] = _PROGRESSIVE[env.resource_type or "EC2"]
        resources.pop("spotIamFleetRole", None)
        changes.append(f"the copy uses {resources['allocationStrategy']} in place of BEST_FIT")
    changes += _successor(situation, resources)
    green: dict[str, Any] = {
        "computeEnvironmentName": f"{env.name[:112]}-larger-volume",
        "type": "MANAGED",
        "state": "ENABLED",
        "computeResources": resources,
    }
    role = situation.row.get("serviceRole")
    if isinstance(role, str) and SERVICE_ROLE.lower() in role.lower():
        green["serviceRole"] = role
    else:
        changes.append("the copy uses the service-linked role: check what the custom one allowed")
    tags = {k: v for k, v in (situation.row.get("tags") or {}).items() if not k.startswith("aws:")}
    return {**green, **({"tags": tags} if tags else {})}, changes


def _successor(situation: Situation, resources: dict[str, Any]) -> list[str]:
    """Batch takes its own Amazon Linux 2 AMIs for no new environment since their support ended."""
    ended_on = facts.ami_generations()["al2"].end_of_support_on
    taken_at = situation.account.taken_at
    if taken_at is None or taken_at.date().isoformat() < ended_on:
        return []
    changes = []
    for each in resources.get("ec2Configuration") or []:
        successor = _SUCCESSORS.get(each.get("imageType"))
        if successor and not each.get("imageIdOverride") and not resources.get("imageId"):
            changes.append(
                f"the copy uses {successor} in place of {each['imageType']}, which Batch refuses"
                f" for new compute environments since {ended_on}: try jobs and user data on it"
            )
            each["imageType"] = successor
    return changes


def _creation(green: dict[str, Any]) -> Step:
    name = green["computeEnvironmentName"]
    return Step(
        title=f"Make compute environment {name}",
        request=Request("batch", "CreateComputeEnvironment", green),
        effect_on_jobs="none: no queue sends jobs to it yet",
        verify=(of_environment(name, f"{name} is ready", "status", "VALID"),),
        undo=(
            Request(
                "batch",
                "UpdateComputeEnvironment",
                {"computeEnvironment": name, "state": "DISABLED"},
            ),
            Request("batch", "DeleteComputeEnvironment", {"computeEnvironment": name}),
        ),
    )


def _before_in(situation: Situation, queue: JobQueue, arn: str) -> Step:
    recorded = _recorded_order(situation, queue)
    names: list[str] = []
    for each in recorded:
        own = each["computeEnvironment"] in (situation.env.arn, situation.env.name)
        names += [arn, each["computeEnvironment"]] if own else [each["computeEnvironment"]]
    order = [{"order": at, "computeEnvironment": name} for at, name in enumerate(names, 1)]
    return Step(
        title=f"Put it before {situation.env.name} in job queue {queue.name}",
        request=_ordered(queue.name, order),
        effect_on_jobs="none for running jobs: they end where they are; new jobs go to the copy",
        verify=(
            Expectation(
                statement=f"{queue.name} sends jobs to the copy first",
                request=Request("batch", "DescribeJobQueues", {"jobQueues": [queue.name]}),
                path="sort_by(jobQueues[0].computeEnvironmentOrder, &order)[].computeEnvironment",
                value=names,
            ),
        ),
        undo=(_ordered(queue.name, recorded),),
    )


def _ordered(queue: str, order: list[dict[str, Any]]) -> Request:
    return Request("batch", "UpdateJobQueue", {"jobQueue": queue, "computeEnvironmentOrder": order})


def _recorded_order(situation: Situation, queue: JobQueue) -> list[dict[str, Any]]:
    listed = row_of(situation.account, queue.where).get("computeEnvironmentOrder") or []
    return sorted(copy.deepcopy(listed), key=lambda each: int(each["order"]))


def _order_of(situation: Situation, queue: JobQueue) -> Expectation:
    recorded = _recorded_order(situation, queue)
    return Expectation(
        statement=f"job queue {queue.name} has the compute environments that were read",
        request=Request("batch", "DescribeJobQueues", {"jobQueues": [queue.name]}),
        path="sort_by(jobQueues[0].computeEnvironmentOrder, &order)[].computeEnvironment",
        value=[each["computeEnvironment"] for each in recorded],
        read_from=queue.where.path("computeEnvironmentOrder"),
    )


def _quotas(situation: Situation, queues: tuple[JobQueue, ...]) -> Iterable[QuotaUse]:
    limits = facts.quotas()
    per_queue = limits["batch", "compute_environments_per_job_queue"].value
    for queue in queues:
        needed = len(queue.environments) + 1
        yield QuotaUse(
            name=f"compute environments of job queue {queue.name}",
            code=None,
            limit=per_queue,
            needed=needed,
            unit="count",
            exceeded=None if per_queue is None else needed > per_queue,
            note="not adjustable",
        )
    limit = limits["batch", "compute_environments"].value
    whole = not situation.account.gaps("batch:DescribeComputeEnvironments")
    count = len(situation.account.compute_environments) + 1
    yield QuotaUse(
        name="compute environments",
        code=None,
        limit=limit,
        needed=count if whole else None,
        unit="count",
        exceeded=count > limit if whole and limit is not None else None,
        note="not adjustable",
    )
