"""The least that a diagnosis needs: an IAM policy made from the table of what is asked.

Resources are as narrow as IAM lets these actions be: an action that takes no resource is allowed
on `*`. Which resources an action takes is the Service Authorization Reference's word:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import re
from typing import Any

from batchguide.aws.questions_batch import QUOTAS
from batchguide.aws.wanted import WANTED
from batchguide.errors import UserError

# By action, what its ARNs end with. What is not here takes no resource.
RESOURCES: dict[str, tuple[str, ...]] = {
    "batch:GetJobQueueSnapshot": ("batch:{region}:{account}:job-queue/*",),
    "ec2:DescribeInstanceAttribute": ("ec2:{region}:{account}:instance/*",),
    "ecr:BatchGetImage": ("ecr:{region}:{images_account}:repository/*",),
    "ecr:DescribeImages": ("ecr:{region}:{images_account}:repository/*",),
    "ecs:DescribeClusters": ("ecs:{region}:{account}:cluster/*",),
    "ecs:DescribeContainerInstances": ("ecs:{region}:{account}:container-instance/*",),
    "ecs:DescribeTasks": ("ecs:{region}:{account}:task/*",),
    "ecs:ListContainerInstances": ("ecs:{region}:{account}:cluster/*",),
    "ecs:ListTasks": ("ecs:{region}:{account}:container-instance/*",),
    "events:ListTargetsByRule": ("events:{region}:{account}:rule/*",),
    "servicequotas:GetServiceQuota": tuple(
        f"servicequotas:{{region}}:{{account}}:{service}/{code}" for service, code in QUOTAS
    ),
}
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d\Z")
_ACCOUNT = re.compile(r"\d{12}\Z")


def read_policy(
    region: str | None = None, account: str | None = None, partition: str = "aws"
) -> dict[str, Any]:
    """A policy that lets one role make the calls of `collect`, and no others.

    Without a region or an account it holds in all of them. Repositories of images may be another
    account's, so they stay open to any. Raises `UserError` for what is no region or account.
    """
    _check(region, account)
    scope = {"region": region or "*", "account": account or "*", "images_account": "*"}
    by_resources: dict[tuple[str, ...], list[str]] = {}
    for action in sorted({row.permission for row in WANTED}):
        endings = RESOURCES.get(action, ())
        arns = tuple(f"arn:{partition}:{ending.format(**scope)}" for ending in endings)
        by_resources.setdefault(arns, []).append(action)
    statements = [_statement(arns, by_resources[arns], region) for arns in sorted(by_resources)]
    return {"Version": "2012-10-17", "Statement": statements}


def _check(region: str | None, account: str | None) -> None:
    if region is not None and not _REGION.match(region):
        raise UserError(f"--region wants the name of an AWS Region (as eu-west-1), not {region!r}")
    if account is not None and not _ACCOUNT.match(account):
        raise UserError(f"--account wants the 12 digits of an AWS account, not {account!r}")


def _statement(arns: tuple[str, ...], actions: list[str], region: str | None) -> dict[str, Any]:
    """Without resources to name, a region can still be: by the condition that all actions know."""
    statement: dict[str, Any] = {"Sid": _sid(arns), "Effect": "Allow", "Action": actions}
    if arns:
        return {**statement, "Resource": list(arns)}
    in_region = {"Condition": {"StringEquals": {"aws:RequestedRegion": region}}} if region else {}
    return {**statement, "Resource": "*", **in_region}


def _sid(arns: tuple[str, ...]) -> str:
    """Letters and digits alone, as IAM wants it: `ReadEcsCluster`."""
    if not arns:
        return "ReadBatchAndWhatItRunsOn"
    _, _, service, _, _, resource = arns[0].split(":", 5)
    words = re.findall(r"[a-z0-9]+", f"{service} {resource.split('/')[0]}")
    return "Read" + "".join(dict.fromkeys(word.capitalize() for word in words))
