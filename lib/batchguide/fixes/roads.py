"""How a compute environment takes a new launch template in place: Batch replaces the instances.

It needs the service-linked role and an allocation strategy other than BEST_FIT; without them
`blue_green` makes a copy of the environment.
https://docs.aws.amazon.com/batch/latest/userguide/updating-compute-environments.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from batchguide.fixes.plan import Expectation, QuotaUse, Request, Step
from batchguide.fixes.situation import (
    Situation,
    job_minutes,
    recorded_template,
)
from batchguide.fixes.template import NewTemplate


@dataclass(frozen=True)
class Road:
    """The steps after the launch template, and what they bring with them."""

    name: str
    steps: tuple[Step, ...]
    preconditions: tuple[Expectation, ...]
    risks: tuple[str, ...]
    quotas: tuple[QuotaUse, ...] = ()
    afterwards: tuple[str, ...] = ()


def update_in_place(situation: Situation, template: NewTemplate) -> Road:
    """One UpdateComputeEnvironment; AWS's defaults for running jobs are spelled out."""
    env, recorded = situation.env, recorded_template(situation)
    minutes, known_by = job_minutes(situation)
    overrides = {key: recorded[key] for key in ("overrides",) if recorded.get(key)}
    wanted = {**template.reference, **overrides}
    update = _update(situation, wanted, minutes)
    step = Step(
        title=f"Let compute environment {env.name} take it",
        request=update,
        effect_on_jobs=(
            "new jobs go to new instances; a running job may go on for"
            f" {minutes} min and is then terminated ({known_by}); a terminated job is tried again"
            " only if it has attempts left"
        ),
        verify=(
            of_environment(env.name, "the update is over", "status", "VALID"),
            of_environment(
                env.name,
                f"it names version {wanted['version']}",
                "computeResources.launchTemplate.version",
                wanted["version"],
            ),
        ),
        undo=(_update(situation, _undone(situation, recorded), minutes),),
    )
    return Road("in-place", (step,), state_of(situation), _risks(situation, overrides))


def _update(situation: Situation, template: dict[str, Any], minutes: int) -> Request:
    return Request(
        "batch",
        "UpdateComputeEnvironment",
        {
            "computeEnvironment": situation.env.name,
            "computeResources": {"launchTemplate": template},
            "updatePolicy": {
                "terminateJobsOnUpdate": False,
                "jobExecutionTimeoutMinutes": minutes,
            },
        },
    )


def _undone(situation: Situation, recorded: dict[str, Any]) -> dict[str, Any]:
    """What brings back the instances of before: `$Latest` would now mean the new version."""
    if recorded.get("version") != "$Latest" or situation.version is None:
        return recorded
    return {**recorded, "version": str(situation.version.number)}


def restores_latest(situation: Situation, template: NewTemplate) -> NewTemplate:
    """Undo `$Latest` literally, where it means the version in use once the new one is deleted."""
    version, recorded = situation.version, recorded_template(situation)
    if version is None or recorded.get("version") != "$Latest":
        return template
    listed = situation.account.template_by_name.get(version.template_id)
    if listed is None or listed.latest_version != version.number:
        return template
    again = _update(situation, recorded, job_minutes(situation)[0])
    step = replace(template.step, undo=(*template.step.undo, again))
    return replace(template, step=step)


def _risks(situation: Situation, overrides: dict[str, Any]) -> tuple[str, ...]:
    risks = [
        "jobs that run longer than the update lets them are terminated",
        "the compute environment shows UPDATING for 10 to 30 minutes; old and new instances count"
        " against the quotas together meanwhile",
    ]
    if overrides:
        risks.append(
            "the launch template overrides of some instance types are kept as they are: the"
            " volumes of those types do not change"
        )
    return tuple(risks)


def state_of(situation: Situation) -> tuple[Expectation, ...]:
    """What of the environment must still be as it was read when a plan is applied."""
    env, where = situation.env, situation.env.where
    fields = ("status", "state", "serviceRole")
    nested = ("computeResources.allocationStrategy", "computeResources.launchTemplate")
    found = []
    for field in (*fields, *nested):
        value: Any = situation.row
        for key in field.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        statement = f"{field} of {env.name} is as it was read"
        each = of_environment(env.name, statement, field, value)
        found.append(replace(each, read_from=where.path(field)))
    return tuple(found)


def of_environment(name: str, statement: str, field: str, value: Any) -> Expectation:
    """What DescribeComputeEnvironments must answer of one environment."""
    return Expectation(
        statement=statement,
        request=Request("batch", "DescribeComputeEnvironments", {"computeEnvironments": [name]}),
        path=f"computeEnvironments[0].{field}",
        value=value,
    )
