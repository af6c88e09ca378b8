"""Whether a compute environment can be repaired in place, and what that would do to its jobs."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide.account import (
    Account,
    ComputeEnvironment,
    TemplateVersion,
    resolve_template,
    template_of,
    workload_of,
)
from batchguide.account.fleet import BATCH_COPY_PREFIX
from batchguide.checks.common import (
    ENVIRONMENTS,
    QUEUES,
    TEMPLATES,
    VERSIONS,
    WORKLOAD,
    computed,
    needed,
    on_instances,
    threshold,
)
from batchguide.checks.queues import GROUPS, seconds_since
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
from batchguide.units import show_duration

AREA = "compute-environments"
LINKED = ":role/aws-service-role/batch.amazonaws.com/"
MINUTE_S = 60


@check(
    id="CE-003",
    title="Service role of its own instead of the service-linked role",
    severity="medium",
    area=AREA,
    needs=[ENVIRONMENTS],
    runbook="20-check-account-health",
)
def own_service_role(account: Account) -> Iterator[Verdict]:
    """Does a compute environment use a service role of its own?

    Why it matters: Batch refuses infrastructure updates then, so that a new AMI or a larger volume
    needs a new environment; and a role of one's own ages, while AWS keeps its own up to date.

    How to fix: make a second environment without a service role, so that Batch takes the
    service-linked one, add it to the queue, let the old one drain; it can't be switched in place.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/updating-compute-environments.html
    https://docs.aws.amazon.com/batch/latest/userguide/using-service-linked-roles.html
    """
    for env in account.compute_environments:
        yield _role_of(env)


def _role_of(env: ComputeEnvironment) -> Verdict:
    role = Evidence(env.where.path("serviceRole"), env.service_role)
    if env.type == "UNMANAGED":
        return not_applicable(env.resource, "is unmanaged: Batch updates nothing there", firm=True)
    if env.service_role is None:
        message = "which role Batch uses can't be told"
        return unknown(env.resource, message, missing=[f"serviceRole of {env.name}"])
    if LINKED in env.service_role:
        return passes(env.resource, "uses the service-linked role", role)
    name = quote(env.service_role.rpartition("/")[2], 60)
    return fails(env.resource, f"uses the role {name}: Batch refuses infrastructure updates", role)


@check(
    id="CE-004",
    title="Launch template changed after the environment was built",
    severity="medium",
    area=AREA,
    needs=needed(ENVIRONMENTS, TEMPLATES, VERSIONS, GROUPS),
    fixes=["larger-volume"],
    runbook="20-check-account-health",
)
def template_is_newer(account: Account) -> Iterator[Verdict]:
    """Is the launch template newer than the copy of it that Batch launches from?

    Why it matters: Batch copies the template when the environment is made or updated; who adds a
    version later believes a change to be live that no instance has.

    How to fix: start an infrastructure update of the environment, which reads $Latest and $Default
    anew; with a version that is pinned, name the new one in the update.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html
    https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html
    """
    yield from on_instances(account, _template_age)


def _template_age(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    reference, template = env.launch_template, template_of(account, env)
    if reference is None:
        yield not_applicable(env.resource, "it has no launch template", firm=True)
    elif template.version is None:
        missing = template.missing or (VERSIONS,)
        yield unknown(env.resource, "its launch template is not in the capture", missing=missing)
    elif (reference.version or "").isdecimal():
        yield _pinned(account, env, template.version)
    else:
        yield _copied(account, env, template.version)


def _pinned(account: Account, env: ComputeEnvironment, version: TemplateVersion) -> Verdict:
    template = account.template_by_name.get(version.template_id)
    number = Evidence(version.where.path("VersionNumber"), version.number)
    if template is None or template.latest_version is None:
        missing = account.lacks(*TEMPLATES.split(":")) or (TEMPLATES,)
        return unknown(env.resource, "which version is the newest can't be told", missing=missing)
    latest = Evidence(template.where.path("LatestVersionNumber"), template.latest_version)
    if template.latest_version > version.number:
        message = f"pins {quote(version.label, 80)}; there is version {template.latest_version}"
        return fails(env.resource, message, number, latest, severity=Severity.LOW)
    return passes(env.resource, f"pins {quote(version.label, 80)}, the newest", number, latest)


def copies_of(account: Account, env: ComputeEnvironment) -> tuple[TemplateVersion, ...]:
    """The launch templates that Batch made for an environment, from its Auto Scaling groups."""
    resolved = (
        resolve_template(account, group.launch_template).version
        for group in account.groups_of(env)
        if group.launch_template is not None
    )
    return tuple(
        each
        for each in resolved
        if each is not None and (each.template_name or "").startswith(BATCH_COPY_PREFIX)
    )


def _copied(account: Account, env: ComputeEnvironment, version: TemplateVersion) -> Verdict:
    if not account.groups_of(env):
        return not_applicable(env.resource, "Batch has made no Auto Scaling group of it yet")
    made = [each for each in copies_of(account, env) if each.created_at is not None]
    newest = max(made, key=lambda each: str(each.created_at), default=None)
    if newest is None or newest.created_at is None or version.created_at is None:
        missing = [*account.lacks(*VERSIONS.split(":")), f"creation times of {version.label}"]
        message = "whether Batch launches from the newest version can't be told"
        return unknown(env.resource, message, missing=missing)
    evidence = (
        Evidence(version.where.path("CreateTime"), str(version.created_at)),
        Evidence(newest.where.path("CreateTime"), str(newest.created_at)),
    )
    later_s = (version.created_at - newest.created_at).total_seconds()
    if later_s > 0:
        message = (
            f"{quote(version.label, 80)} was made {show_duration(later_s)} after Batch copied the"
            " template: no instance has it"
        )
        return fails(env.resource, message, *evidence)
    return passes(env.resource, f"Batch's copy is newer than {quote(version.label, 80)}", *evidence)


@check(
    id="CE-005",
    title="An update would kill running jobs",
    severity="medium",
    area=AREA,
    needs=needed(ENVIRONMENTS, WORKLOAD),
    runbook="20-check-account-health",
)
def update_kills_jobs(account: Account) -> Iterator[Verdict]:
    """Would an infrastructure update end jobs that still run?

    Why it matters: every repair of disk or AMI in place is such an update; it ends jobs at once, or
    after jobExecutionTimeoutMinutes, 30 where nobody sets it.

    How to fix: set terminateJobsOnUpdate to false and jobExecutionTimeoutMinutes above the longest
    job in the update policy before you update, or replace the environment by a second one.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html
    https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html
    """
    yield from on_instances(account, _update_policy)


def _update_policy(account: Account, env: ComputeEnvironment) -> Iterator[Verdict]:
    workload = workload_of(account, env)
    policy = Evidence(
        env.where.path("updatePolicy.jobExecutionTimeoutMinutes"), env.update_timeout_min
    )
    ran = [(shape.duration_s[1], shape) for shape in workload.shapes if shape.duration_s]
    longest_s, shape = max(ran, key=lambda each: each[0], default=(0.0, None))
    if not env.managed or env.allocation_strategy in (None, "BEST_FIT"):
        yield not_applicable(env.resource, "it can't be updated in place", firm=True)
    elif env.terminates_jobs_on_update:
        ends = Evidence(env.where.path("updatePolicy.terminateJobsOnUpdate"), True)
        yield fails(env.resource, "an update ends its jobs at once", ends)
    elif shape is not None and longest_s > env.update_timeout_min * MINUTE_S:
        message = (
            f"an update ends jobs after {env.update_timeout_min} min;"
            f" {quote(shape.definition, 60)} runs for {show_duration(longest_s)}"
        )
        yield fails(
            env.resource, message, policy, computed("95th percentile of runs, s", longest_s)
        )
    elif workload.missing:
        message = "how long its jobs run can't be told"
        yield unknown(env.resource, message, policy, missing=workload.missing)
    else:
        message = f"an update waits {env.update_timeout_min} min for its jobs, which is enough"
        yield passes(env.resource, message, policy)


@check(
    id="CE-009",
    title="Environment stuck while it is made, updated or deleted",
    severity="high",
    area=AREA,
    needs=needed(ENVIRONMENTS, QUEUES, GROUPS, TEMPLATES, VERSIONS),
    runbook="20-check-account-health",
)
def change_is_stuck(account: Account) -> Iterator[Verdict]:
    """Has a compute environment been changing for longer than a change takes?

    Why it matters: while it changes nothing else can be changed; often a role was deleted under it,
    a queue still names it, or a job outlives the update's time.

    How to fix: make the missing role again under its old name, take the environment out of its
    queues, wait for or end its last jobs, and try again.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html
    https://docs.aws.amazon.com/batch/latest/APIReference/API_DeleteComputeEnvironment.html
    """
    for env in account.compute_environments:
        yield _change_of(account, env)


def _change_of(account: Account, env: ComputeEnvironment) -> Verdict:
    status = Evidence(env.where.path("status"), env.status)
    if env.status is None:
        missing = [f"status of {env.name}"]
        return unknown(env.resource, "whether it changes can't be told", missing=missing)
    if env.status not in ("CREATING", "UPDATING", "DELETING"):
        return passes(env.resource, f"is {quote(env.status, 20)}: no change is under way", status)
    queues = account.queues_of(env)
    if env.status == "DELETING" and queues:
        named = ", ".join(quote(queue.name, 60) for queue in queues)
        return fails(env.resource, f"is DELETING while {named} still names it", status)
    begun = max((str(each.created_at) for each in copies_of(account, env)), default=None)
    copy = next((each for each in copies_of(account, env) if str(each.created_at) == begun), None)
    age_s = seconds_since(account, copy.created_at) if copy else None
    if env.status != "UPDATING" or copy is None or age_s is None:
        message = f"is {env.status}; since when can't be told"
        return unknown(env.resource, message, status, missing=[f"when {env.name} began to change"])
    limit_s = max(
        threshold("update_takes_s"),
        env.update_timeout_min * MINUTE_S + threshold("update_takes_s") / 2,
    )
    made = Evidence(copy.where.path("CreateTime"), str(copy.created_at))
    message = f"is UPDATING; Batch made its new launch template {show_duration(age_s)} ago"
    if age_s > limit_s:
        return fails(env.resource, message, status, made, severity=Severity.MEDIUM)
    return passes(env.resource, message, status, made)
