"""What a fix must know of a compute environment before it may plan a change, as AWS answered it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from batchguide import facts
from batchguide.account import (
    Account,
    ComputeEnvironment,
    DataVolume,
    TemplateVersion,
    Where,
    data_volumes,
    fleet_of,
    template_of,
    workload_of,
)
from batchguide.account.fleet import batch_copies_of
from batchguide.account.volumes import ami_id_of, generation_of
from batchguide.fixes.plan import PlanError

SERVICE_ROLE = "AWSServiceRoleForBatch"
IMAGE_TYPES = {"ECS_AL1": "al1", "ECS_AL2": "al2", "ECS_AL2023": "al2023"}


@dataclass(frozen=True)
class Situation:
    """One compute environment on container instances.

    `row` is what DescribeComputeEnvironments answered; `volume` is the smallest that Docker writes
    to; `version` is the launch template version that instances come from, None without a template.
    `version_note` says in words how it is known, and `unused` are versions that nothing runs.
    """

    account: Account
    env: ComputeEnvironment
    row: dict[str, Any]
    volume: DataVolume
    generation: str | None
    version: TemplateVersion | None
    version_note: str
    unused: tuple[TemplateVersion, ...]

    @property
    def resources(self) -> dict[str, Any]:
        """The environment's `computeResources`."""
        found = self.row.get("computeResources")
        return found if isinstance(found, dict) else {}

    @property
    def template_data(self) -> dict[str, Any]:
        """The `LaunchTemplateData` of the version in use; user data may stand redacted in it."""
        if self.version is None:
            return {}
        return dict(row_of(self.account, self.version.where)["LaunchTemplateData"])


def row_of(account: Account, where: Where) -> dict[str, Any]:
    """The answer that a value was parsed from."""
    service, _, operation = where.operation.partition(":")
    call = account.answers.calls(service, operation)[where.call]
    return dict(call.pages[where.page][where.listed][where.at])


def situation_of(account: Account, env: ComputeEnvironment) -> Situation:
    """Refuses, with the reason, what has no volume that a launch template could enlarge."""
    _refuse_other_hosts(env)
    known = data_volumes(account, env)
    if known.smallest is None or known.smallest.size_gib is None:
        lacking = ", ".join(known.missing) or "any instance, and what one would be"
        raise PlanError(f"the volume of {env.name} is not in the capture: it lacks {lacking}")
    version, note, unused = _version_in_use(account, env)
    return Situation(
        account=account,
        env=env,
        row=row_of(account, env.where),
        volume=known.smallest,
        generation=_generation(account, env, version),
        version=version,
        version_note=note,
        unused=unused,
    )


def _refuse_other_hosts(env: ComputeEnvironment) -> None:
    if not env.managed:
        raise PlanError(
            f"{env.name} is unmanaged: its instances are launched outside Batch; enlarge the volume"
            " where that is defined (an Auto Scaling group, a template of your own)"
        )
    if env.resource_type not in ("EC2", "SPOT"):
        raise PlanError(
            f"{env.name} is of type {env.resource_type}: a launch template sets volumes only for"
            " EC2 and SPOT; on Fargate set ephemeralStorage in the job definition"
        )
    if env.orchestration == "EKS":
        raise PlanError(f"{env.name} runs on EKS: Docker's volume on its nodes is not planned here")


def _version_in_use(
    account: Account, env: ComputeEnvironment
) -> tuple[TemplateVersion | None, str, tuple[TemplateVersion, ...]]:
    """A number is itself. `$Latest` and `$Default` were resolved when Batch last took them.

    Batch copies the template into one of its own when the environment is made or updated, so a
    later version changes nothing. The copy's mappings and day tell which version it was.
    """
    reference = env.launch_template
    if reference is None:
        return None, "it has no launch template", ()
    resolved = template_of(account, env)
    if resolved.version is None:
        raise PlanError(
            f"the launch template of {env.name} is not in the capture: it lacks "
            + ", ".join(resolved.missing)
        )
    if reference.version and reference.version.isdecimal():
        return resolved.version, f"{resolved.version.label}, as the environment names it", ()
    return _resolved_earlier(account, env, resolved.version)


def _resolved_earlier(
    account: Account, env: ComputeEnvironment, now: TemplateVersion
) -> tuple[TemplateVersion, str, tuple[TemplateVersion, ...]]:
    word = (env.launch_template.version if env.launch_template else None) or "$Default"
    own = [each for each in account.template_versions if each.template_id == now.template_id]
    known = {each.number: each for each in own}
    copies = batch_copies_of(account, fleet_of(account, env))
    if not copies:
        return now, f"{now.label}, what {word} means today; no instance shows what is in use", ()
    copied = [each for each in known.values() if _is_copied(each, copies[0])]
    if not copied:
        note = f"{now.label}, what {word} means today, though instances run another"
        return now, note, ()
    used = max(copied, key=lambda each: each.number)
    unused = tuple(each for number, each in sorted(known.items()) if number > used.number)
    note = f"{used.label}, which {word} meant when Batch last took it"
    return used, note, unused


def _is_copied(version: TemplateVersion, copy: TemplateVersion) -> bool:
    before = version.created_at is None or copy.created_at is None
    before = before or version.created_at <= copy.created_at  # type: ignore[operator]
    same_image = version.image_id in (None, copy.image_id)
    return bool(before and same_image and _devices(version) == _devices(copy))


def _devices(version: TemplateVersion) -> list[tuple[Any, ...]]:
    return sorted((each.device, each.size_gib, each.type or "") for each in version.block_devices)


def _generation(
    account: Account, env: ComputeEnvironment, version: TemplateVersion | None
) -> str | None:
    """al1, al2 or al2023 where that is known: of running instances, else of what would be."""
    instances = fleet_of(account, env).instances
    id = instances[0].image_id if instances else ami_id_of(env, version)
    found = generation_of(account.machine_image_by_id.get(id or ""))
    if found or id is not None:
        return found
    types = [each.image_type for each in env.ec2_configurations if each.image_type]
    return IMAGE_TYPES.get(types[0].removesuffix("_NVIDIA")) if types else None


def reasons_against_update_in_place(situation: Situation) -> tuple[str, ...]:
    """Why Batch would refuse to replace the instances itself; empty when it does it.

    https://docs.aws.amazon.com/batch/latest/userguide/updating-compute-environments.html
    """
    env, role = situation.env, situation.row.get("serviceRole")
    reasons = []
    if env.allocation_strategy in (None, "BEST_FIT"):
        reasons.append("its allocation strategy is BEST_FIT")
    if not isinstance(role, str):
        reasons.append("the capture does not say its service role")
    elif SERVICE_ROLE.lower() not in role.lower():
        reasons.append(f"its service role is {role}, not the service-linked role")
    if env.status != "VALID":
        reasons.append(f"its status is {env.status}, not VALID")
    return tuple(reasons)


def job_minutes(situation: Situation) -> tuple[int, str]:
    """How long running jobs must be let run on during an update, and how that is known."""
    limits = facts.quotas()
    low, high, usual = (
        int(limits["batch", f"job_execution_timeout_{name}_minutes"].value or 0)
        for name in ("min", "max", "default")
    )
    policy = situation.row.get("updatePolicy")
    recorded = policy.get("jobExecutionTimeoutMinutes") if isinstance(policy, dict) else None
    floor = recorded if isinstance(recorded, int) else usual
    shapes = workload_of(situation.account, situation.env).shapes
    seen_s = [shape.duration_s[1] for shape in shapes if shape.duration_s]
    if not seen_s:
        return floor, "how long its jobs run is not in the capture"
    minutes = max(floor, -int(-2 * max(seen_s) // 60))
    return min(max(minutes, low), high), f"its longest jobs ran {max(seen_s) / 60:.0f} min"


def recorded_template(situation: Situation) -> dict[str, Any]:
    """The environment's launch template as it stands recorded; the empty id removes one."""
    recorded = situation.resources.get("launchTemplate")
    return dict(recorded) if isinstance(recorded, dict) and recorded else {"launchTemplateId": ""}
