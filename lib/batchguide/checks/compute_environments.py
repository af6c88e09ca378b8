"""Compute environments: whether they work at all, and whether they can be repaired in place."""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchguide.account import Account, ComputeEnvironment
from batchguide.checks.common import ENVIRONMENTS, on_instances
from batchguide.findings import Evidence, Verdict, check, fails, passes, quote, unknown

AREA = "compute-environments"

WORKING = ("VALID", "CREATING", "UPDATING", "DELETING", "DELETED")
CAUSES = (  # of https://docs.aws.amazon.com/batch/latest/userguide/invalid_compute_environment.html
    (r"sts:AssumeRole", "Batch may not assume the service role: look at its trust policy"),
    (r"IamFleetRole", "the Spot Fleet role is missing or is not a full ARN"),
    (r"not authorized to perform:? ?(\S+)", "a role lacks a permission: add it to the policy"),
    (r"joined the underlying ECS Cluster", "instances start but do not register with ECS"),
    (r"AMI .*(cannot|can't) be described|InvalidAMIID", "the AMI is gone or not shared with you"),
    (r"Clusters can not be blank", "the ECS cluster was deleted by hand"),
    (r"[Ii]nstance ?[Pp]rofile", "the instance profile does not exist"),
    (r"[Ll]aunch ?[Tt]emplate", "the launch template or its version is gone"),
    (r"[Ss]ubnet", "a subnet is gone"),
    (r"[Ss]ecurity ?[Gg]roup", "a security group is gone"),
)

STRATEGIES = (
    "BEST_FIT_PROGRESSIVE",
    "BEST_FIT_PROGRESSIVE_ORDERED",
    "SPOT_CAPACITY_OPTIMIZED",
    "SPOT_PRICE_CAPACITY_OPTIMIZED",
    "SPOT_CAPACITY_OPTIMIZED_PRIORITIZED",
)


@check(
    id="CE-001",
    title="Compute environment INVALID",
    severity="critical",
    area=AREA,
    needs=[ENVIRONMENTS],
    runbook="20-check-account-health",
)
def environment_invalid(account: Account) -> Iterator[Verdict]:
    """Is a compute environment INVALID, so that Batch places nothing on it?

    Why it matters: an INVALID compute environment launches no instance and takes no job; the
    queues in front of it wait for ever, without an error on the job.

    How to fix: mend what the status reason names (a role, the AMI, the launch template, a subnet),
    then disable and enable the environment so that Batch looks again.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/invalid_compute_environment.html
    """
    for env in account.compute_environments:
        yield _status_of(env)


def _status_of(env: ComputeEnvironment) -> Verdict:
    status = Evidence(env.where.path("status"), env.status)
    if env.status == "INVALID":
        reason = Evidence(env.where.path("statusReason"), quote(env.status_reason))
        return fails(env.resource, f"is INVALID: {_cause(env.status_reason)}", status, reason)
    if env.status in WORKING:
        return passes(env.resource, f"is {env.status}", status)
    message = "its status is not in the capture, or is one that batchguide does not know"
    return unknown(env.resource, message, status, missing=[f"status of {env.name}"])


def _cause(reason: str | None) -> str:
    if not reason:
        return "AWS gives no reason"
    known = (meaning for pattern, meaning in CAUSES if re.search(pattern, reason))
    meaning = next(known, None)
    return f"{meaning} (AWS: {quote(reason)})" if meaning else f"AWS: {quote(reason)}"


@check(
    id="CE-002",
    title="Allocation strategy BEST_FIT (or unset)",
    severity="high",
    area=AREA,
    needs=[ENVIRONMENTS],
    runbook="20-check-account-health",
)
def strategy_is_best_fit(account: Account) -> Iterator[Verdict]:
    """Does a compute environment use BEST_FIT, which Batch also takes when nothing is set?

    Why it matters: BEST_FIT waits for its one best instance type while others are to be had, and
    such an environment can't be updated in place: a new AMI, launch template or larger volume
    needs a new environment.

    How to fix: make a second environment with BEST_FIT_PROGRESSIVE (On-Demand) or
    SPOT_PRICE_CAPACITY_OPTIMIZED (Spot), add it to the queue, let the old one drain, remove it.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/allocation-strategies.html
    https://docs.aws.amazon.com/batch/latest/userguide/updating-compute-environments.html
    """
    yield from on_instances(account, _strategy_of)


def _strategy_of(_: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    strategy = env.allocation_strategy
    evidence = Evidence(env.where.path("computeResources.allocationStrategy"), strategy)
    if not env.managed:
        yield passes(env.resource, "is unmanaged: you choose the instances", evidence)
    elif strategy is None:
        message = "sets no allocation strategy, which means BEST_FIT: it can't be updated in place"
        yield fails(env.resource, message, evidence)
    elif strategy == "BEST_FIT":
        message = "uses BEST_FIT: it waits for one instance type, and can't be updated in place"
        yield fails(env.resource, message, evidence)
    elif strategy in STRATEGIES:
        yield passes(env.resource, f"uses {strategy}", evidence)
    else:
        message = f"uses {quote(strategy, 60)}, which batchguide does not know"
        yield unknown(env.resource, message, evidence, missing=["a batchguide that knows it"])
