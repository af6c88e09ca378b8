"""Enlarge the volume that Docker writes to, through the compute environment's launch template.

https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from batchguide import facts
from batchguide.account import Account, ComputeEnvironment
from batchguide.findings import Finding, Severity, Status
from batchguide.fixes import artefacts, budget, proof
from batchguide.fixes.blue_green import blue_green
from batchguide.fixes.plan import Cause, Forecast, Plan, PlanError
from batchguide.fixes.roads import Road, restores_latest, update_in_place
from batchguide.fixes.situation import (
    Situation,
    reasons_against_update_in_place,
    situation_of,
)
from batchguide.fixes.sizing import settings_of, size_of
from batchguide.fixes.template import NewTemplate, ebs_of, new_template, with_device
from batchguide.units import show_size

FIX = "larger-volume"


def plan_larger_volume(
    account: Account,
    target: str | None = None,
    size_gib: int | None = None,
    volume_type: str = "gp3",
    findings: Sequence[Finding] = (),
) -> Plan:
    """A plan for one compute environment, by name or ARN; without one, the one that fails worst.

    Without a size, the smallest with which the forecast of the busiest hour no longer fails.
    """
    env = _target(account, target, findings)
    situation = situation_of(account, env)
    _refuse_first_generation(situation)
    observed = proof.observed_of(situation)
    size, notes = size_of(situation, observed, size_gib, volume_type)
    ebs = settings_of(situation, size, volume_type)
    plan = _plan(situation, ebs, proof.forecast(observed, ebs), _causes(env, findings))
    return replace(plan, notes=(*notes, *plan.notes))


# --- what is asked --------------------------------------------------------------------------------


def _target(
    account: Account, target: str | None, findings: Iterable[Finding]
) -> ComputeEnvironment:
    if target is not None:
        env = account.environment_by_name.get(target.removeprefix("compute-environment/"))
        if env is None:
            names = ", ".join(sorted(each.name for each in account.compute_environments))
            raise PlanError(f"no compute environment {target!r} in the capture; it has {names}")
        return env
    hosts = [each for each in account.compute_environments if each.resource_type in ("EC2", "SPOT")]
    worst = max((_need(each, findings) for each in hosts), default=())
    chosen = [each for each in hosts if _need(each, findings) == worst]
    if len(chosen) != 1:
        names = ", ".join(each.name for each in chosen) or "none on EC2"
        raise PlanError(f"say which compute environment with --target: the capture has {names}")
    return chosen[0]


def _need(env: ComputeEnvironment, findings: Iterable[Finding]) -> tuple[int, ...]:
    """How many of its findings fail, counted by severity, the worst first."""
    causes = [each for each in findings if _fails(each, env)]
    return tuple(sum(each.severity is severity for each in causes) for severity in Severity)


def _fails(finding: Finding, env: ComputeEnvironment) -> bool:
    return finding.status is Status.FAIL and finding.resource == env.resource


def _refuse_first_generation(situation: Situation) -> None:
    if situation.generation == "al1":
        first = facts.ami_generations()["al1"]
        raise PlanError(
            f"{situation.env.name} runs Amazon Linux 1, where Docker writes to {first.data_device}"
            f" and {first.root_device} is its own disk; support ended {first.end_of_support_on} and"
            " Batch holds such environments INVALID: move to Amazon Linux 2023 first"
        )


# --- the plan -------------------------------------------------------------------------------------


def _causes(env: ComputeEnvironment, findings: Iterable[Finding]) -> tuple[Cause, ...]:
    return tuple(
        Cause(each.check, each.resource, each.message, each.fingerprint)
        for each in findings
        if _fails(each, env)
    )


def _plan(
    situation: Situation, ebs: dict[str, Any], forecast: Forecast, causes: tuple[Cause, ...]
) -> Plan:
    device = situation.volume.device
    mappings = with_device(situation.template_data, device, ebs)
    title = _title(situation, ebs)
    template = new_template(situation, mappings, device, f"batchguide: {title}")
    against = reasons_against_update_in_place(situation)
    if against:
        road = blue_green(situation, template)
    else:
        template = restores_latest(situation, template)
        road = update_in_place(situation, template)
    plan = _assembled(situation, title, forecast, causes, template, road)
    plan = replace(
        plan,
        notes=(*_notes(situation, template), *_road_note(against)),
        quotas=(*road.quotas, budget.storage_quota(situation, ebs)),
        cost=budget.cost(situation, ebs),
        blockers=budget.blockers(situation, road),
    )
    return replace(plan, artefacts=_artefacts(situation, plan, template, mappings))


def _title(situation: Situation, ebs: dict[str, Any]) -> str:
    volume = situation.volume
    return (
        f"Enlarge {volume.device} of {situation.env.name} from {show_size(volume.size_gib)}"
        f" {volume.type or ''} to {show_size(ebs['VolumeSize'])} {ebs['VolumeType']}"
    )


def _assembled(
    situation: Situation,
    title: str,
    forecast: Forecast,
    causes: tuple[Cause, ...],
    template: NewTemplate,
    road: Road,
) -> Plan:
    meta = situation.account.answers.capture.meta
    steps = (template.step, *road.steps)
    return Plan(
        fix=FIX,
        title=title,
        target=situation.env.resource,
        account=meta.get("account"),
        region=meta.get("region"),
        taken_at=meta.get("taken_at"),
        why=_why(forecast, causes),
        offered=forecast.changes_verdict is not False,
        road=road.name,
        causes=causes,
        forecast=forecast,
        preconditions=(*road.preconditions, template.precondition),
        steps=steps,
        permissions=budget.permissions(steps, (*road.preconditions, template.precondition)),
        quotas=(),
        cost=budget.NO_COST,
        risks=(*road.risks, *_risks(situation)),
        afterwards=(
            *road.afterwards,
            "collect again once new instances run: their volume shows the new size, and the"
            " findings named here pass",
        ),
    )


def _why(forecast: Forecast, causes: tuple[Cause, ...]) -> str:
    cause = f"{causes[0].check}: {causes[0].message}. " if causes else ""
    if forecast.changes_verdict is None:
        lacking = ", ".join(forecast.missing)
        return f"{cause}Not proven by a forecast: the capture lacks {lacking}."
    before, after = (each or {} for each in (forecast.before, forecast.after))
    if forecast.changes_verdict:
        return f"{cause}Today: {before['verdict']} After: {after['verdict']}"
    if before.get("first_failure") is None:
        return (
            f"{cause}Not offered as a fix: the forecast does not fail as it is. {before['verdict']}"
        )
    return f"{cause}Not offered as a fix: the forecast fails all the same. {after['verdict']}"


def _risks(situation: Situation) -> list[str]:
    risks = []
    ebs = ebs_of(situation.template_data, situation.volume.device)
    if ebs.get("KmsKeyId"):
        risks.append(
            f"the volume is encrypted with {ebs['KmsKeyId']}: the Auto Scaling service-linked role"
            " needs the key, or no instance launches"
        )
    for version in situation.unused:
        asked = ", ".join(
            f"{each.device} {show_size(each.size_gib)} {each.type or ''}".strip()
            for each in version.block_devices
        )
        risks.append(
            f"{version.label} was never taken by Batch; what it changes is not in the new version"
            f" (it maps {asked or 'no volume'})"
        )
    return risks


def _notes(situation: Situation, template: NewTemplate) -> list[str]:
    version = template.reference["version"]
    notes = [f"Instances come from {situation.version_note}."]
    recorded = situation.env.launch_template.version if situation.env.launch_template else None
    if recorded in ("$Latest", "$Default"):
        notes.append(
            f"{recorded} is resolved when Batch makes or updates the environment, and never"
            f" after: a new version alone changes nothing. The plan names version {version}; undo"
            " names the version in use."
        )
    first = facts.ami_generations()["al1"].data_device
    mapped = situation.template_data.get("BlockDeviceMappings") or []
    idle = [each for each in mapped if each.get("DeviceName") == first]
    if idle and situation.volume.device != first:
        size = show_size((idle[0].get("Ebs") or {}).get("VolumeSize"))
        notes.append(
            f"The template also asks for {first} ({size}). Only Amazon Linux 1 used it: here it is"
            " attached, paid for and never mounted. It is kept, for this plan changes one thing."
        )
    return notes


def _road_note(against: tuple[str, ...]) -> list[str]:
    if not against:
        return []
    return [
        "Batch does not update this environment in place (" + "; ".join(against) + "): a copy of"
        " it is made and put before it in its queues (blue/green)."
    ]


def _artefacts(
    situation: Situation, plan: Plan, template: NewTemplate, mappings: list[dict[str, Any]]
) -> dict[str, str]:
    cloudformation = artefacts.cloudformation(
        f"{template.name[:100]}-cloudformation",
        situation.template_data,
        mappings,
        situation.volume.device,
    )
    return {
        **artefacts.request_files(plan.steps),
        "cloudformation.yaml": cloudformation,
        "apply-by-hand.sh": artefacts.apply_script(plan.preconditions, plan.steps),
        "undo-by-hand.sh": artefacts.undo_script(plan.steps),
        "permissions.json": artefacts.policy(plan.permissions),
    }
