"""The forecast of a compute environment before and after a fix, with the account's own jobs."""

from __future__ import annotations

from typing import Any

from batchguide.account_scenario import Observed, scenario_of
from batchguide.disk.scenario import Scenario
from batchguide.fixes.plan import Forecast
from batchguide.fixes.situation import Situation


def observed_of(situation: Situation) -> Observed:
    """The environment's busiest hour as a scenario."""
    return scenario_of(situation.account, situation.env)


def with_volume(scenario: Scenario, ebs: dict[str, Any]) -> Scenario:
    """The scenario on a volume as a launch template asks for it."""
    plain = scenario.to_dict()
    kept = {k: v for k, v in plain.get("volume", {}).items() if k in ("used_gib", "file_system")}
    volume = {
        "type": ebs["VolumeType"],
        "size_gib": ebs["VolumeSize"],
        "iops": ebs.get("Iops"),
        "throughput_mibps": ebs.get("Throughput"),
    }
    plain["volume"] = kept | {key: value for key, value in volume.items() if value is not None}
    return Scenario.from_dict(plain)


def forecast(observed: Observed, ebs: dict[str, Any]) -> Forecast:
    """Both outcomes; a fix changes the verdict when a failure before is none after."""
    from batchguide.disk.outcome import simulate

    if observed.scenario is None:
        return Forecast(missing=observed.missing)
    before = simulate(observed.scenario, timeline=False)
    after = simulate(with_volume(observed.scenario, ebs), timeline=False)
    return Forecast(
        scenario=observed.scenario.to_dict(),
        before=_without_scenario(before.to_dict()),
        after=_without_scenario(after.to_dict()),
        changes_verdict=before.first_failure is not None and after.first_failure is None,
        assumptions=observed.assumed,
    )


def _without_scenario(outcome: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in outcome.items() if key not in ("scenario", "instances")}
