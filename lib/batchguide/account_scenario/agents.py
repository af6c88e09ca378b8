"""ECS agent settings in force on the instances of an account."""

from __future__ import annotations

from dataclasses import dataclass

from batchguide import facts
from batchguide.account import Account, ComputeEnvironment, fleet_of, template_of
from batchguide.account.memo import once_an_environment
from batchguide.account.volumes import USER_DATA
from batchguide.disk.agent_config import AgentSettings
from batchguide.disk.agent_user_data import settings_in_user_data


@dataclass(frozen=True, slots=True)
class SettingsInForce:
    """Agent settings of one kind of instance, with the variables that user data sets.

    `origin` says in words what they are known from, `path` where.
    """

    settings: AgentSettings
    assigned: tuple[str, ...]
    origin: str
    path: str


@dataclass(frozen=True, slots=True)
class AgentKnowledge:
    """The settings of each kind of instance in an environment, and what hides others."""

    kinds: tuple[SettingsInForce, ...]
    missing: tuple[str, ...]


@once_an_environment
def agent_settings_of(account: Account, env: ComputeEnvironment) -> AgentKnowledge:
    """Agent settings as running instances got them; of none running, as the next would.

    A managed environment that is scaled in is judged by what Batch was seen to write into user
    data (not documented by AWS) and what the launch template adds.
    """
    fleet = fleet_of(account, env)
    if fleet.instances or fleet.missing:
        return _of_instances(account, env)
    if not env.managed:
        return AgentKnowledge((), ())
    template = template_of(account, env)
    if template.missing:
        return AgentKnowledge((), template.missing)
    text = (template.version.user_data if template.version else None) or ""
    path = template.version.where.path("LaunchTemplateData.UserData") if template.version else "="
    base = facts.agent_profile("batch-managed").settings
    return _judged([_settings(text, dict(base), "what Batch is seen to set", path)], ())


def _of_instances(account: Account, env: ComputeEnvironment) -> AgentKnowledge:
    fleet = fleet_of(account, env)
    missing = list(fleet.missing)
    seen: dict[str, tuple[SettingsInForce | None, tuple[str, ...]]] = {}
    for instance in fleet.instances:
        text, path = instance.user_data, instance.user_data_where
        if text is None or path is None:
            missing += [*account.lacks(*USER_DATA.split(":")), f"user data of {instance.id}"]
        elif text not in seen:
            seen[text] = _settings(text, {}, f"user data of {instance.id}", path)
            settings = seen[text][0]
            if env.managed and settings and "ECS_CLUSTER" not in settings.assigned:
                why = f"ECS settings of {instance.id}, which its user data does not write"
                seen[text] = (None, (why,))
    return _judged(list(seen.values()), tuple(missing))


def _settings(
    text: str, base: dict[str, str], origin: str, path: str
) -> tuple[SettingsInForce | None, tuple[str, ...]]:
    read = settings_in_user_data(text)
    unclear = [name for name, value in read.assignments.items() if value is None]
    unclear = [name for name in unclear if name.startswith("ECS_") and name != "ECS_CLUSTER"]
    if read.not_understood or unclear:
        what = read.not_understood[0] if read.not_understood else f"value of {unclear[0]}"
        return None, (f"meaning of {origin}: {what}",)
    given = {name: value for name, value in read.assignments.items() if value is not None}
    kept = {} if read.overwrites else base
    settings = AgentSettings.from_env({**kept, **given})
    return SettingsInForce(settings, tuple(read.assignments), origin, path), ()


def _judged(
    found: list[tuple[SettingsInForce | None, tuple[str, ...]]], missing: tuple[str, ...]
) -> AgentKnowledge:
    kinds = tuple(settings for settings, _ in found if settings is not None)
    lacking = (*missing, *(name for _, names in found for name in names))
    return AgentKnowledge(kinds, tuple(dict.fromkeys(lacking)))
