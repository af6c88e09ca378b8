"""The step that makes a launch template, or a new version of one, with other block devices."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

from batchguide.fixes.plan import Expectation, PlanError, Request, Step, token
from batchguide.fixes.situation import Situation

_NO_EFFECT = "none: no instance is launched from it before the compute environment is updated"


@dataclass(frozen=True)
class NewTemplate:
    """How a launch template comes to be, and how the compute environment then refers to it."""

    step: Step
    precondition: Expectation
    reference: dict[str, Any]
    name: str


def new_template(
    situation: Situation, mappings: list[dict[str, Any]], device: str, why: str
) -> NewTemplate:
    """On top of the version in use, so that all else, user data included, stays as it is."""
    if situation.version is None:
        return _first_version(situation, mappings, device)
    return _next_version(situation, mappings, device, why)


def _next_version(
    situation: Situation, mappings: list[dict[str, Any]], device: str, why: str
) -> NewTemplate:
    version = situation.version
    assert version is not None
    template = situation.account.template_by_name.get(version.template_id)
    if template is None or template.latest_version is None:
        raise PlanError(
            f"the latest version of launch template {version.template_id} is not in the capture:"
            " it lacks ec2:DescribeLaunchTemplates"
        )
    number, id = str(template.latest_version + 1), version.template_id
    parameters = {
        "LaunchTemplateId": id,
        "SourceVersion": str(version.number),
        "VersionDescription": why[:255],
        "ClientToken": token(situation.account.scope, id, number, version.number, mappings),
        "LaunchTemplateData": {"BlockDeviceMappings": mappings},
    }
    latest = Expectation(
        statement=f"the latest version of launch template {id} is {template.latest_version}",
        request=Request("ec2", "DescribeLaunchTemplates", {"LaunchTemplateIds": [id]}),
        path="LaunchTemplates[0].LatestVersionNumber",
        value=template.latest_version,
        read_from=template.where.path("LatestVersionNumber"),
    )
    step = Step(
        title=f"Make version {number} of launch template {version.template_name or id}",
        request=Request("ec2", "CreateLaunchTemplateVersion", parameters),
        effect_on_jobs=_NO_EFFECT,
        verify=_sizes({"LaunchTemplateId": id}, number, mappings, device),
        undo=(_deletion(id, number),),
    )
    return NewTemplate(
        step, latest, {"launchTemplateId": id, "version": number}, version.template_name or id
    )


def _deletion(id: str, number: str) -> Request:
    return Request(
        "ec2", "DeleteLaunchTemplateVersions", {"LaunchTemplateId": id, "Versions": [number]}
    )


def _first_version(
    situation: Situation, mappings: list[dict[str, Any]], device: str
) -> NewTemplate:
    name = _free_name(situation)
    parameters = {
        "LaunchTemplateName": name,
        "ClientToken": token(situation.account.scope, name, mappings),
        "LaunchTemplateData": {"BlockDeviceMappings": mappings},
    }
    named = {"Filters": [{"Name": "launch-template-name", "Values": [name]}]}
    unused = Expectation(
        statement=f"no launch template is named {name}",
        request=Request("ec2", "DescribeLaunchTemplates", named),
        path="length(LaunchTemplates)",
        value=0,
    )
    step = Step(
        title=f"Make launch template {name}",
        request=Request("ec2", "CreateLaunchTemplate", parameters),
        effect_on_jobs=_NO_EFFECT,
        verify=_sizes({"LaunchTemplateName": name}, "1", mappings, device),
        undo=(Request("ec2", "DeleteLaunchTemplate", {"LaunchTemplateName": name}),),
    )
    return NewTemplate(step, unused, {"launchTemplateName": name, "version": "1"}, name)


def _free_name(situation: Situation) -> str:
    stem = re.sub(r"[^\w().-]", "-", f"batchguide-{situation.env.name}")[:120]
    taken = situation.account.template_by_name
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 1000))
    return next(name for name in names if name not in taken)


def _sizes(
    template: dict[str, str], number: str, mappings: list[dict[str, Any]], device: str
) -> tuple[Expectation, ...]:
    read = Request("ec2", "DescribeLaunchTemplateVersions", {**template, "Versions": [number]})
    wanted = next(each["Ebs"] for each in mappings if each.get("DeviceName") == device)
    found = f"[?DeviceName=='{device}'] | [0].Ebs"
    data = "LaunchTemplateVersions[0].LaunchTemplateData"
    return (
        Expectation(
            statement=f"version {number} asks for {wanted['VolumeSize']} GiB on {device}",
            request=read,
            path=f"{data}.BlockDeviceMappings{found}.VolumeSize",
            value=wanted["VolumeSize"],
        ),
        Expectation(
            statement=f"version {number} has as many devices as the one in use, and {device}",
            request=read,
            path=f"length({data}.BlockDeviceMappings)",
            value=len(mappings),
        ),
    )


def with_device(data: dict[str, Any], device: str, ebs: dict[str, Any]) -> list[dict[str, Any]]:
    """All mappings of a template, one device's EBS settings replaced or added.

    Block devices given for a new version replace the inherited ones, so every one is listed.
    """
    mappings = copy.deepcopy(data.get("BlockDeviceMappings") or [])
    for mapping in mappings:
        if mapping.get("DeviceName") == device and isinstance(mapping.get("Ebs"), dict):
            mapping["Ebs"] = ebs
            return list(mappings)
    return [*mappings, {"DeviceName": device, "Ebs": ebs}]


def ebs_of(data: dict[str, Any], device: str) -> dict[str, Any]:
    """A template's own EBS settings of a device; empty when it has none."""
    for mapping in data.get("BlockDeviceMappings") or []:
        if mapping.get("DeviceName") == device and isinstance(mapping.get("Ebs"), dict):
            return copy.deepcopy(mapping["Ebs"])
    return {}
