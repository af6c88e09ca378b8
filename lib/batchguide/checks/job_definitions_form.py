"""How job definitions are written and kept: old fields, revisions by the hundred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from batchguide.account import Account
from batchguide.checks.common import DEFINITIONS, computed, threshold
from batchguide.checks.job_definitions import AREA, FAMILIES, RUNBOOK, SHOWN
from batchguide.checks.job_families import Family, families_in_use, no_revision
from batchguide.findings import Evidence, Verdict, check, fails, passes, quote
from batchguide.units import show_count

ACCOUNT = "account"


@check(
    id="JD-006",
    title="vCPUs and memory stand in the old fields",
    severity="low",
    area=AREA,
    needs=FAMILIES,
    runbook=RUNBOOK,
)
def old_fields(account: Account) -> Iterator[Verdict]:
    """Does a job definition in use name its vCPUs or memory in the deprecated fields?

    Why it matters: what stands in vcpus and memory and what a submission overrides in
    resourceRequirements are two places for one size. Batch refuses the mixture, or runs the job
    with the size that nobody meant.

    How to fix: register a revision with resourceRequirements of type VCPU and MEMORY instead.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ContainerProperties.html
    https://docs.aws.amazon.com/batch/latest/userguide/override-resource-requirements.html
    """
    for family in families_in_use(account):
        yield _fields(family)


def _fields(family: Family) -> Verdict:
    definition = family.definition
    if definition is None:
        return no_revision(family)
    old = definition.old_fields
    if not old:
        path = Evidence(definition.where.path("type"), definition.type)
        return passes(family.resource, "its size stands in resourceRequirements", path)
    names = ", ".join(path for path, _ in old[:SHOWN])
    return fails(
        family.resource,
        f"{quote(definition.label, 60)} names its size in deprecated fields: {names}",
        *(Evidence(definition.where.path(path), value) for path, value in old[:SHOWN]),
    )


@check(
    id="JD-011",
    title="Job definitions pile up",
    severity="low",
    area=AREA,
    needs=[DEFINITIONS],
    runbook=RUNBOOK,
)
def revisions_pile_up(account: Account) -> Iterator[Verdict]:
    """Are there so many active revisions that something must be registering one a task?

    Why it matters: every page of definitions gets slower and nobody finds the one in use; a tool
    that registers one a task meets the API's throttling before it submits a job.

    How to fix: let the tool reuse a definition and override what differs at submission;
    deregister what is old (Batch still shows it for 180 days).

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_DeregisterJobDefinition.html
    https://github.com/broadinstitute/cromwell/issues/4496
    """
    if not account.job_definitions:
        return
    counted = Counter(each.name for each in account.job_definitions)
    total, most = len(account.job_definitions), threshold("revisions_of_a_name")
    many = [(name, count) for name, count in counted.most_common() if count > most]
    evidence = computed("active revisions of all names", total)
    said = f"{show_count(total, 'active revision')} of {show_count(len(counted), 'name')}"
    if many:
        names = ", ".join(f"{quote(name, 60)} has {count:,}" for name, count in many[:SHOWN])
        yield fails(ACCOUNT, f"{said}: {names}", evidence)
    elif total > threshold("revisions_total"):
        yield fails(ACCOUNT, said, evidence)
    else:
        yield passes(ACCOUNT, said, evidence)
