"""Questions to Batch and ECS, to EventBridge and Service Quotas."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from batchguide.aws.known import Known, Omitted, Params, batches, epoch_ms

BATCH_JOBS = 100  # DescribeJobs
# DescribeJobs
ECS_DESCRIBE = 100  # DescribeClusters, DescribeContainerInstances, DescribeTasks
# Newest first. Beyond these, failures and blocked jobs are marked as cut; the others are samples.
DESCRIBED_JOBS = {"FAILED": 5_000, "RUNNABLE": 200, "STARTING": 500, "RUNNING": 1_000}
SAMPLED_SUCCEEDED_JOBS = 1_000
MAX_PARENT_JOBS = 500
QUOTAS = (
    ("ec2", "L-1216C47A"),  # running On-Demand Standard vCPUs
    ("ec2", "L-34B43A08"),  # all Standard Spot vCPUs
    ("ebs", "L-7A658B76"),  # TiB of gp3
    ("ebs", "L-D18FCD1D"),  # TiB of gp2
)


def _queues(known: Known) -> list[str]:
    return [queue["jobQueueArn"] for queue in _described_queues(known) if "jobQueueArn" in queue]


def _described_queues(known: Known) -> Iterator[dict[str, Any]]:
    return known.items("batch", "DescribeJobQueues", "jobQueues")


def jobs_of_queues(known: Known) -> Iterator[Params]:
    """All jobs made since; and those waiting or running, however old they are.

    A filter makes AWS ignore the status, so that one listing has all of them.
    """
    for queue in _queues(known):
        made = {"name": "AFTER_CREATED_AT", "values": [epoch_ms(known.since)]}
        yield {"jobQueue": queue, "filters": [made]}
        for status in ("RUNNABLE", "STARTING", "RUNNING"):
            yield {"jobQueue": queue, "jobStatus": status}


def _summaries(known: Known) -> list[dict[str, Any]]:
    """Job summaries, each once, newest first."""
    found = {
        job["jobId"]: job
        for job in known.items("batch", "ListJobs", "jobSummaryList")
        if "jobId" in job
    }
    return sorted(found.values(), key=lambda job: (-job.get("createdAt", 0), job["jobId"]))


def failed_children(known: Known) -> Iterator[Params | Omitted]:
    """A failed parent says only that a child failed; the listing of a queue leaves children out."""
    parents = [
        ("arrayJobId" if "arrayProperties" in job else "multiNodeJobId", job["jobId"])
        for job in _summaries(known)
        if job.get("status") == "FAILED" and ("arrayProperties" in job or "nodeProperties" in job)
    ]
    for parameter, job_id in parents[:MAX_PARENT_JOBS]:
        yield {parameter: job_id, "jobStatus": "FAILED"}
    if len(parents) > MAX_PARENT_JOBS:
        yield Omitted(f"not asked: children of {len(parents) - MAX_PARENT_JOBS} failed parent jobs")


def described_jobs(known: Known) -> Iterator[Params | Omitted]:
    """Jobs worth their details: failed, blocked, running; and an even sample of succeeded ones."""
    chosen: list[str] = []
    omitted: list[str] = []
    summaries = _summaries(known)
    for status, limit in DESCRIBED_JOBS.items():
        ids = [job["jobId"] for job in summaries if job.get("status") == status]
        chosen += ids[:limit]
        if status == "FAILED" and len(ids) > limit:
            omitted.append(f"{len(ids) - limit} of {len(ids)} {status} jobs")
    chosen += _sample(
        [job["jobId"] for job in summaries if job.get("status") == "SUCCEEDED"],
        SAMPLED_SUCCEEDED_JOBS,
    )
    for batch in batches(chosen, BATCH_JOBS):
        yield {"jobs": batch}
    for what in omitted:
        yield Omitted(f"not asked: {what}")


def _sample(values: Sequence[str], size: int) -> list[str]:
    if len(values) <= size:
        return list(values)
    return [values[at * len(values) // size] for at in range(size)]


# --- ECS --------------------------------------------------------------------------------------


def clusters(known: Known) -> list[str]:
    environments = known.items("batch", "DescribeComputeEnvironments", "computeEnvironments")
    found = [environment.get("ecsClusterArn") for environment in environments]
    return list(dict.fromkeys(cluster for cluster in found if cluster))


def described_clusters(known: Known) -> Iterator[Params]:
    for batch in batches(clusters(known), ECS_DESCRIBE):
        yield {"clusters": batch}


def container_instances(known: Known) -> Iterator[Params]:
    return ({"cluster": cluster} for cluster in clusters(known))


def _listed_in_clusters(
    known: Known, operation: str, field: str, parameter: str
) -> Iterator[Params]:
    by_cluster: dict[str, list[str]] = {}
    for call in known.calls_of("ecs", operation):
        if "cluster" in call.params:
            arns = by_cluster.setdefault(call.params["cluster"], [])
            arns += [arn for page in call.pages for arn in page[field]]
    for cluster, arns in by_cluster.items():
        for batch in batches(arns, ECS_DESCRIBE):
            yield {"cluster": cluster, parameter: batch}


def described_container_instances(known: Known) -> Iterator[Params]:
    return _listed_in_clusters(
        known, "ListContainerInstances", "containerInstanceArns", "containerInstances"
    )


def tasks(known: Known) -> Iterator[Params]:
    """Stopped tasks are kept by ECS for an hour or so."""
    for cluster in clusters(known):
        for status in ("RUNNING", "STOPPED"):
            yield {"cluster": cluster, "desiredStatus": status}


def described_tasks(known: Known) -> Iterator[Params]:
    return _listed_in_clusters(known, "ListTasks", "taskArns", "tasks")


# --- events, quotas ---------------------------------------------------------------------------


def snapshots(known: Known) -> Iterator[Params]:
    return ({"jobQueue": queue} for queue in _queues(known))


def rule_targets(known: Known) -> Iterator[Params]:
    """Targets of the rules that a Batch event could match."""
    for rule in known.items("events", "ListRules", "Rules"):
        if may_match_batch(rule.get("EventPattern")):
            yield {"Rule": rule["Name"]}


def may_match_batch(pattern: Any) -> bool:
    """Whether a rule's pattern leaves room for events of `aws.batch`; in doubt, yes."""
    try:
        sources = json.loads(pattern or "null")
        sources = sources.get("source") if isinstance(sources, dict) else []
    except ValueError:
        return True
    if sources is None:
        return True
    return any(not isinstance(source, str) or source == "aws.batch" for source in sources)


def quotas(_: Known) -> Iterator[Params]:
    return ({"ServiceCode": service, "QuotaCode": code} for service, code in QUOTAS)
