"""What an account report forecasts: the account's own busiest hour, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchguide.units import show_count

if TYPE_CHECKING:
    from batchguide.account import Account
    from batchguide.account_scenario import Observed
    from batchguide.capture import Capture

OWN = "account:"
"""Before an environment's name, in the page's parameter: the scenario that its capture shows."""
LIST_JOBS = ("batch", "ListJobs")


@dataclass(frozen=True)
class Basis:
    """What a forecast stands on.

    Without a `scenario` there is none, for `why`. Nothing `missing` then means that there is
    nothing to forecast, which is no gap in what was seen. With one, what is `missing` may have
    hidden jobs: the forecast then is of those that were seen.
    """

    environment: str = ""
    scenario: str = ""  # as the page's parameter takes it
    assumed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As the report's JSON has it; the scenario itself stands in the outcome."""
        return {
            "environment": self.environment,
            "assumed": list(self.assumed),
            "missing": list(self.missing),
            "why": self.why,
        }


def basis_of(capture: Capture) -> Basis:
    """The busiest hour of the compute environment that ran the most jobs in it."""
    from batchguide.account import Account
    from batchguide.account_scenario import scenario_of

    account = Account.from_capture(capture)
    found = {env.name: scenario_of(account, env) for env in account.compute_environments}
    name, busiest = max(found.items(), key=lambda it: _jobs(it[1]), default=("", None))
    if busiest is None or busiest.scenario is None:
        return _without(account, found)
    missing = account.lacks(*LIST_JOBS)
    return Basis(name, OWN + name, assumed=busiest.assumed, missing=missing)


def _jobs(observed: Observed) -> int:
    scenario = observed.scenario
    return sum(burst.jobs for burst in scenario.bursts) if scenario else -1


def _without(account: Account, found: dict[str, Observed]) -> Basis:
    """Why no environment has a scenario: nothing ran, or what ran was not seen."""
    lacks = (*account.lacks("batch", "DescribeComputeEnvironments"), *account.lacks(*LIST_JOBS))
    if not lacks and not account.jobs:
        seen = show_count(len(found), "compute environment")
        return Basis(why=f"no forecast, for no job ran in the captured days ({seen})")
    every = (name for observed in found.values() for name in observed.missing)
    missing = tuple(dict.fromkeys([*lacks, *every]))
    return Basis(missing=missing, why="no forecast, for the capture does not say enough")
