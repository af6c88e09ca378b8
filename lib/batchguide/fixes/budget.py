"""What a larger volume uses up: money, quotas, permissions; and what stands in its way."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from batchguide import facts
from batchguide.account import fleet_of
from batchguide.checks.budget import allowed_types
from batchguide.fixes.plan import Cost, Expectation, QuotaUse, Step
from batchguide.fixes.roads import Road
from batchguide.fixes.situation import Situation
from batchguide.units import show_count

NO_COST = Cost(None, None, None, None, "")
_STACK = ("aws:cloudformation:stack-name", "aws:cloudformation:stack-id")


def volume_usd_month(
    kind: str | None, size_gib: float | None, iops: float | None, mibps: float | None
) -> float | None:
    """The list price of a volume for a month; None where a price is not known."""
    prices = facts.volume_types().get(kind or "")
    if prices is None or size_gib is None or prices.usd_per_gib_month is None:
        return None
    usd = prices.usd_per_gib_month * size_gib
    if kind != "gp3":
        per_iops = prices.usd_per_iops_month
        return usd + (per_iops * iops if per_iops is not None and iops else 0.0)
    more_iops = max((iops or 0) - (prices.min_iops or 0), 0)
    more_mibps = max((mibps or 0) - (prices.base_mibps or 0), 0)
    if (more_iops and prices.usd_per_iops_month is None) or (
        more_mibps and prices.usd_per_mibps_month is None
    ):
        return None
    usd += more_iops * (prices.usd_per_iops_month or 0)
    return usd + more_mibps * (prices.usd_per_mibps_month or 0)


def cost(situation: Situation, ebs: dict[str, Any]) -> Cost:
    """Before and after for one instance, and how many there are and can be."""
    volume = situation.volume
    fleet = fleet_of(situation.account, situation.env)
    return Cost(
        usd_month_per_instance_before=volume_usd_month(
            volume.type, volume.size_gib, volume.iops, volume.throughput_mibps
        ),
        usd_month_per_instance_after=volume_usd_month(
            ebs["VolumeType"], ebs["VolumeSize"], ebs.get("Iops"), ebs.get("Throughput")
        ),
        instances_now=None if fleet.missing else len(fleet.instances),
        instances_at_most=_most_instances(situation),
        note=(
            "list prices of us-east-1; a volume is paid for while its instance exists, so an"
            " environment that scales in pays less"
        ),
    )


def _most_instances(situation: Situation) -> int | None:
    """If Batch filled `maxvCpus` with the smallest type that it may launch."""
    allowed = allowed_types(situation.account, situation.env)
    most = situation.env.max_vcpus
    if most is None or allowed.unknown or not allowed.types:
        return None
    return math.ceil(most / min(each.vcpus for each in allowed.types))


def storage_quota(situation: Situation, ebs: dict[str, Any]) -> QuotaUse:
    """The storage of all volumes of the type in the Region, against what this one may need."""
    known = facts.quotas().get(("ebs", f"{ebs['VolumeType']}_storage_tib"))
    code = known.quota_code if known else None
    limit = _applied(situation, code)
    count = _most_instances(situation)
    needed = None if count is None else count * ebs["VolumeSize"] / 1024
    return QuotaUse(
        name=f"storage of {ebs['VolumeType']} volumes",
        code=code,
        limit=limit,
        needed=needed,
        unit="TiB",
        exceeded=True if limit is not None and needed is not None and needed > limit else None,
        note=(
            f"if {show_count(situation.env.max_vcpus, 'vCPU')} came as the smallest instances"
            " allowed; other volumes of the account count too, which the capture does not hold"
        ),
    )


def _applied(situation: Situation, code: str | None) -> float | None:
    for call, _, page in situation.account.answers.answers("service-quotas", "GetServiceQuota"):
        value = (page.get("Quota") or {}).get("Value")
        if call.params.get("QuotaCode") == code and isinstance(value, int | float):
            return float(value)
    return None


def permissions(steps: Iterable[Step], reads: Iterable[Expectation]) -> tuple[str, ...]:
    """The IAM actions of everything a plan may ask, its reads and its undoing included."""
    found = {"iam:PassRole"}
    for step in steps:
        found |= {step.request.action, *(each.action for each in step.undo)}
        found |= {each.request.action for each in step.verify}
    return tuple(sorted(found | {each.request.action for each in reads}))


def blockers(situation: Situation, road: Road) -> tuple[str, ...]:
    """What a person must settle first: another owner of the environment, a quota that is full."""
    tags = situation.row.get("tags") or {}
    stack = next((tags[key] for key in _STACK if key in tags), None)
    found = []
    if stack is not None:
        found.append(
            f"{situation.env.name} belongs to CloudFormation stack {stack}: change it there, with"
            " cloudformation.yaml; a change beside it is lost at the stack's next update"
        )
    found += [
        f"{quota.name}: {quota.needed:g} needed, {quota.limit:g} allowed"
        for quota in road.quotas
        if quota.exceeded
    ]
    return tuple(found)
