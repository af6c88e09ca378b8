"""Bursts of submissions as a table that can be edited, with presets to start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import ipywidgets as ipw

from batchguide import facts
from batchguide.disk.scenario import MAX_JOBS, load_scenario

Bursts = list[dict[str, Any]]
MOST_ROWS = 12
"""Longer lists are shown as a count, and edited as YAML."""
KEEP = "choose a preset …"


@cache
def presets() -> dict[str, Bursts]:
    """The bursts of every bundled scenario, by the scenario's name."""
    found = (load_scenario(path) for path in sorted(facts.data_path("scenarios").glob("*.yaml")))
    return {scenario.name: scenario.to_dict()["bursts"] for scenario in found}


class BurstTable(ipw.VBox):  # type: ignore[misc]
    """Rows of when (minutes) and how many jobs; `changed` is called with the whole new list."""

    def __init__(self, changed: Callable[[Bursts], None]) -> None:
        self._changed = changed
        self._bursts: Bursts = []
        self._presets = presets()
        self.preset = ipw.Dropdown(options=[KEEP, *self._presets], layout=ipw.Layout(width="100%"))
        self.preset.observe(self._take_preset, "value")
        self.add = ipw.Button(
            description="add a burst", icon="plus", layout=ipw.Layout(width="auto")
        )
        self.add.on_click(lambda _: self._give([*self._bursts, self._next()]))
        self.rows = ipw.VBox(layout=ipw.Layout(flex="0 0 auto", overflow="hidden"))
        super().__init__([self.preset, self.rows, self.add], layout=ipw.Layout(overflow="hidden"))

    def show(self, bursts: Bursts) -> None:
        """Show these bursts; nothing is called."""
        if bursts != self._bursts:
            self._bursts = [dict(burst) for burst in bursts]
            self.rows.children = self._rows()

    def _rows(self) -> Sequence[Any]:
        if len(self._bursts) > MOST_ROWS:
            jobs = sum(burst["jobs"] for burst in self._bursts)
            said = f"{len(self._bursts)} bursts, {jobs:,} jobs in all: edit them as YAML below."
            return [ipw.HTML(said)]
        return [self._row(place, burst) for place, burst in enumerate(self._bursts)]

    def _row(self, place: int, burst: dict[str, Any]) -> Any:
        at = ipw.BoundedFloatText(
            value=burst["at_s"] / 60, min=0, max=1e7, step=0.5, layout=ipw.Layout(width="84px")
        )
        jobs = ipw.BoundedIntText(
            value=burst["jobs"], min=0, max=MAX_JOBS, step=10, layout=ipw.Layout(width="92px")
        )
        away = ipw.Button(icon="times", tooltip="remove", layout=ipw.Layout(width="34px"))
        at.observe(lambda it: self._edit(place, "at_s", it["new"] * 60), "value")
        jobs.observe(lambda it: self._edit(place, "jobs", it["new"]), "value")
        away.on_click(lambda _: self._give(self._bursts[:place] + self._bursts[place + 1 :]))
        away.disabled = len(self._bursts) == 1
        return ipw.HBox([ipw.Label("at min"), at, ipw.Label("jobs"), jobs, away])

    def _edit(self, place: int, key: str, value: float) -> None:
        """A cell was edited: the rows stay where they are, so that the hand keeps its place."""
        self._bursts = [
            {**burst, key: value} if at == place else burst for at, burst in enumerate(self._bursts)
        ]
        self._changed([dict(burst) for burst in self._bursts])

    def _give(self, bursts: Bursts) -> None:
        self.show(bursts)
        self._changed([dict(burst) for burst in bursts])

    def _next(self) -> dict[str, Any]:
        last = self._bursts[-1]
        return {"at_s": last["at_s"] + 150.0, "jobs": last["jobs"]}

    def _take_preset(self, change: dict[str, Any]) -> None:
        if change["new"] in self._presets:
            self._give(self._presets[change["new"]])
