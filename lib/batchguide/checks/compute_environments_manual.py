"""What was changed by hand on what Batch manages."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide.account import Account, ComputeEnvironment
from batchguide.account.names import cluster_name
from batchguide.checks.common import ENVIRONMENTS, on_instances
from batchguide.checks.queues import GROUPS
from batchguide.findings import Evidence, Verdict, check, fails, passes, quote, unknown
from batchguide.units import show_count

AREA = "compute-environments"
CLUSTERS = "ecs:DescribeClusters"


@check(
    id="CE-008",
    title="Changed by hand: what Batch manages",
    severity="medium",
    area=AREA,
    needs=[ENVIRONMENTS, GROUPS, CLUSTERS],
    runbook="20-check-account-health",
)
def changed_by_hand(account: Account) -> Iterator[Verdict]:
    """Did somebody suspend Batch's Auto Scaling group, or put services on its ECS cluster?

    Why it matters: Batch knows nothing of it: capacity does not come or does not go, services take
    memory that Batch has promised to jobs, and the environment may become INVALID.

    How to fix: resume the group's processes, move the services to a cluster of their own, and put
    what must run on every instance into the AMI or the user data.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/managed_compute_environments.html
    """
    yield from on_instances(account, _by_hand)


def _by_hand(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    suspended = [group for group in account.groups_of(env) if group.suspended]
    name = cluster_name(env.ecs_cluster_arn)
    cluster = next((each for each in account.clusters if cluster_name(each.arn) == name), None)
    faults, evidence = [], []
    for group in suspended[:1]:
        faults.append(f"its Auto Scaling group has {quote(', '.join(group.suspended))} suspended")
        path = group.where.path("SuspendedProcesses")
        evidence.append(Evidence(path, list(group.suspended)))
    if cluster is not None and cluster.active_services and env.managed:
        count = show_count(cluster.active_services, "service runs", "services run")
        faults.append(f"{count} on its cluster")
        path = cluster.where.path("activeServicesCount")
        evidence.append(Evidence(path, cluster.active_services))
    if faults:
        yield fails(env.resource, " and ".join(faults), *evidence)
    elif name is None or cluster is None or cluster.active_services is None:
        missing = [*account.lacks(*CLUSTERS.split(":")), f"ECS cluster of {env.name}"]
        yield unknown(env.resource, "what runs on its cluster can't be told", missing=missing)
    else:
        services = Evidence(cluster.where.path("activeServicesCount"), cluster.active_services)
        yield passes(env.resource, "nothing of it was changed by hand", services)
