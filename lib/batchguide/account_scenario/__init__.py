"""What the forecast takes from an account: layers of its images, agent settings, a scenario.

Stands between `disk` and the checks, fixes and widgets that ask both. Whatever had to be assumed
is named, and whatever is missing makes the answer None.
"""

from batchguide.account_scenario.agents import AgentKnowledge, SettingsInForce, agent_settings_of
from batchguide.account_scenario.busiest_hour import (
    Observed,
    draft_of,
    instance_type_of,
    scenario_of,
)
from batchguide.account_scenario.images import Footprint, footprint_of, layers_of

__all__ = [
    "AgentKnowledge",
    "Footprint",
    "Observed",
    "SettingsInForce",
    "agent_settings_of",
    "draft_of",
    "footprint_of",
    "instance_type_of",
    "layers_of",
    "scenario_of",
]
