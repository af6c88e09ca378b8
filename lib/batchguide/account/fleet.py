"""The instances of a compute environment, and the launch template they come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from batchguide.account.joined import Account
from batchguide.account.memo import once_an_environment
from batchguide.account.model import (
    ComputeEnvironment,
    ContainerInstance,
    Instance,
    TemplateReference,
    TemplateVersion,
)
from batchguide.account.names import cluster_name

BATCH_COPY_PREFIX = "Batch-lt"  # the names of the launch templates that Batch makes
CONTAINER_INSTANCES = "ecs:DescribeContainerInstances"
LISTED = "ecs:ListContainerInstances"
INSTANCES = "ec2:DescribeInstances"
TEMPLATES = "ec2:DescribeLaunchTemplates"
VERSIONS = "ec2:DescribeLaunchTemplateVersions"


@dataclass(frozen=True, slots=True)
class Fleet:
    """The running instances of an environment; `missing` says why there may be more.

    No instances and nothing missing is a fleet that is scaled in, which is normal.
    """

    instances: tuple[Instance, ...]
    container_instances: tuple[ContainerInstance, ...]
    missing: tuple[str, ...]


@once_an_environment
def fleet_of(account: Account, env: ComputeEnvironment) -> Fleet:
    """The instances registered in the environment's ECS cluster."""
    cluster = cluster_name(env.ecs_cluster_arn)
    if cluster is None:
        return Fleet((), (), (f"ecsClusterArn of {env.name}",))
    members = account.container_instances_by_cluster.get(cluster, ())
    missing = [*_unseen_members(account, env, cluster, members)]
    found = []
    for member in members:
        instance = account.instance_by_id.get(member.instance_id or "")
        if instance is None:
            missing += [INSTANCES, f"instance {member.instance_id or 'of ' + member.arn}"]
        elif instance.running:
            found.append(instance)
    return Fleet(tuple(found), members, tuple(dict.fromkeys(missing)))


def _unseen_members(
    account: Account,
    env: ComputeEnvironment,
    cluster: str,
    members: Iterable[ContainerInstance],
) -> Iterable[str]:
    listed = account.listed_container_instances.get(cluster)
    if listed is None:
        yield from account.lacks(*LISTED.split(":")) or (LISTED,)
        return
    if set(listed) - {member.arn for member in members}:
        yield from account.lacks(*CONTAINER_INSTANCES.split(":")) or (CONTAINER_INSTANCES,)
    if not listed and env.desired_vcpus:
        yield f"container instances of {env.name}, which wants {env.desired_vcpus} vCPUs"


@dataclass(frozen=True, slots=True)
class Resolved:
    """A launch template version; None with nothing missing is an environment without one."""

    version: TemplateVersion | None
    missing: tuple[str, ...] = ()


def resolve_template(account: Account, reference: TemplateReference | None) -> Resolved:
    """The version that a reference means at the time of the capture."""
    if reference is None:
        return Resolved(None)
    template = account.template_by_name.get(reference.id or reference.name or "")
    number = _number(reference.version)
    if number is None and template is not None:
        latest = reference.version == "$Latest"
        number = template.latest_version if latest else template.default_version
    id = reference.id or (template.id if template else _id_by_name(account, reference.name))
    if number is None or id is None:
        return Resolved(None, account.lacks(*TEMPLATES.split(":")) or (TEMPLATES,))
    version = account.template_version.get((id, number))
    if version is None:
        return Resolved(None, account.lacks(*VERSIONS.split(":")) or (VERSIONS,))
    return Resolved(version)


def _number(version: str | None) -> int | None:
    return int(version) if version and version.isdecimal() and len(version) < 10 else None


def _id_by_name(account: Account, name: str | None) -> str | None:
    named = (each.template_id for each in account.template_versions if each.template_name == name)
    return next(named, None) if name else None


@once_an_environment
def template_of(account: Account, env: ComputeEnvironment) -> Resolved:
    """The user's launch template as it stands now; Batch may still use an older copy of it."""
    return resolve_template(account, env.launch_template)


def batch_copies_of(account: Account, fleet: Fleet) -> tuple[TemplateVersion, ...]:
    """The templates that Batch made and launched these instances from, each once."""
    groups = (account.group_by_instance.get(each.id) for each in fleet.instances)
    references = dict.fromkeys(group.launch_template for group in groups if group is not None)
    found = (resolve_template(account, reference).version for reference in references)
    copies = (version for version in found if version is not None)
    return tuple(
        each for each in copies if (each.template_name or "").startswith(BATCH_COPY_PREFIX)
    )
