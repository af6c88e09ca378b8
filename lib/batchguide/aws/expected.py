"""How many calls a collection makes, as far as that can be said before the first one.

Nothing is asked to say it. Each row of the table has questions that every account is asked, and a
law by which more follow; how many there will be is known only when the account has answered.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from batchguide.aws.known import Known
from batchguide.aws.questions_batch import BATCH_JOBS, ECS_DESCRIBE, MAX_PARENT_JOBS
from batchguide.aws.questions_ec2 import EC2_FILTER_VALUES, METRIC_QUERIES, USER_DATA_PER_GROUP
from batchguide.aws.questions_images import ECR_IMAGES
from batchguide.aws.wanted import WANTED, Wanted
from batchguide.errors import UserError

# What one call answers, by row. "a page" is AWS's: what it puts on one unless asked for less.
GROWTH = {
    "identity": "",
    "compute environments": "1 for each page of compute environments",
    "job queues": "1 for each page of job queues",
    "job definitions": "1 for each page of active revisions",
    "launch templates": "1 for each 200 launch templates",
    "groups": "1 for each 100 Auto Scaling groups",
    "event rules": "1 for each 100 rules",
    "quotas": "",
    "jobs": "4 for each job queue, 1 for each page of jobs beyond the first",
    "snapshots": "1 for each job queue",
    "children": f"1 for each failed array or multi-node job, at most {MAX_PARENT_JOBS}",
    "job details": f"1 for each {BATCH_JOBS} jobs worth a look",
    "clusters": f"1 for each {ECS_DESCRIBE} compute environments",
    "container instances": "1 for each compute environment, 1 for each page beyond the first",
    "container instance details": (
        f"1 for each {ECS_DESCRIBE} container instances of a compute environment"
    ),
    "tasks": "2 for each compute environment, 1 for each page beyond the first",
    "task details": f"1 for each {ECS_DESCRIBE} tasks of a compute environment",
    "template versions": "1 for each launch template with pinned versions, 1 for each page",
    "activities": "1 for each Auto Scaling group of AWS Batch",
    "instances": f"1 for each {EC2_FILTER_VALUES} instances",
    "user data": (
        f"1 for each instance, {USER_DATA_PER_GROUP} at most of an AMI, group and template version"
    ),
    "volumes": f"1 for each {EC2_FILTER_VALUES} instances",
    "machine images": f"1 for each {EC2_FILTER_VALUES} AMIs",
    "volume metrics": f"1 for each {METRIC_QUERIES} metrics, 1 or 2 a volume",
    "image manifests": f"1 for each {ECR_IMAGES} images of a repository",
    "platform manifests": f"1 for each {ECR_IMAGES} platforms of a repository's images",
    "image details": f"1 for each {ECR_IMAGES} images of a repository",
    "rule targets": "1 for each rule that an event of AWS Batch may match",
}


@dataclass(frozen=True)
class Expected:
    """One row of the table before it is asked: calls that are sure, and what brings more."""

    row: Wanted
    calls: int
    grows: str


def expected_calls() -> tuple[Expected, ...]:
    """Every row of the table; the sum of `calls` is what an account without AWS Batch takes."""
    nothing = Known("", datetime.now(UTC), datetime.now(UTC), ())
    return tuple(
        Expected(row, len(list(row.questions(nothing))), GROWTH[row.name]) for row in WANTED
    )


def expected_text(budget: int | None = None) -> str:
    """The table as lines, in the order of asking; raises `UserError` for a budget that is none."""
    rows = expected_calls()
    sure = sum(each.calls for each in rows)
    if budget is not None and budget < 1:
        raise UserError(f"a budget is at least 1 call, not {budget}")
    lines = [f"{'calls':>5}  {'operation':<43}{'more'}"]
    for each in rows:
        operation = f"{each.row.service}:{each.row.operation}"
        lines.append(f"{each.calls:>5}  {operation:<43}{each.grows or 'never'}")
    bound = f"; the budget stops at {budget}" if budget else ""
    total = f"{sure:>5}  in an account without AWS Batch; more as above{bound}. Nothing was asked."
    return "\n".join([*lines, total])
