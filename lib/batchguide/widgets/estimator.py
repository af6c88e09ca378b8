"""The disk estimator: a scenario under the hand, its forecast beside it.

It only calls what a cell can call as well: `Scenario.from_dict`, `simulate`, `advise`. A slider
in the browser sends a move when the kernel has answered the one before, and of several that
waited the last; so a move is answered in place, and none of the last ones is lost.

An error is shown where the hand is, and raised as well: it is seen by the person, and it stops a
page that runs without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from types import TracebackType
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw

from batchguide.disk.outcome import simulate
from batchguide.disk.scenario import Scenario, dump_yaml, load_scenario
from batchguide.errors import UserError
from batchguide.views.charts import disk_picture_spec
from batchguide.views.disk_data import NO_DATA, disk_data, instance_shown
from batchguide.views.markup import inert, page
from batchguide.views.prose import advice_words, agent_words, picture_words, verdict_card
from batchguide.widgets import inputs
from batchguide.widgets import plain as plain_form
from batchguide.widgets.bursts import BurstTable
from batchguide.widgets.live_chart import LiveChart
from batchguide.widgets.plain import Plain
from batchguide.widgets.quantity import Quantity

if TYPE_CHECKING:
    from batchguide.disk.advice import Advice
    from batchguide.disk.outcome import Outcome

ASK = "What would prevent it?"
WORKING = "Forecasting the alternatives …"


def disk_estimator(scenario: Scenario | str) -> DiskEstimator:
    """The estimator on a scenario, or on one in YAML."""
    return DiskEstimator(load_scenario(scenario) if isinstance(scenario, str) else scenario)


class DiskEstimator(ipw.VBox):  # type: ignore[misc]
    """Inputs left, the picture right, the verdict above both, what would prevent it below.

    `scenario` and `outcome` are those on the screen; `controls` has every input's widget under
    `section: label`.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._quiet = False
        self._plain: Plain = {}
        self._sections = {
            "job": inputs.job_inputs(),
            "image": inputs.image_inputs(),
            "instance": inputs.instance_inputs(),
            "volume": inputs.volume_inputs(),
            "agent": inputs.agent_inputs(),
            "fleet": inputs.fleet_inputs(),
        }
        self._every = [it for section in self._sections.values() for it in section]
        self.controls = {
            f"{name}: {it.widget.description}": it.widget
            for name, section in self._sections.items()
            for it in section
        }
        self.bursts = BurstTable(lambda bursts: self._put("bursts", bursts))
        self.chart = LiveChart(disk_picture_spec(), NO_DATA)
        self.verdict, self.problem, self.caption = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.limits, self.differs = ipw.HTML(), ipw.HTML()
        self.ask = ipw.Button(description=ASK, button_style="primary", layout=_auto())
        self.answers = ipw.VBox()
        self.yaml = ipw.Textarea(layout=ipw.Layout(width="100%", height="260px"))
        self.take_yaml = ipw.Button(description="use this YAML", layout=_auto())
        for each in self._every:
            each.widget.observe(self._observer(each), "value")
        self.ask.on_click(lambda _: self.show_advice())
        self.take_yaml.on_click(lambda _: self.load(self.yaml.value))
        super().__init__([self.verdict, self.problem, ipw.HBox(self._halves(), layout=_ROW)])
        self.load(scenario)

    def __repr__(self) -> str:
        return "The estimator is moved by hand: open this page in JupyterLab (make lab)."

    def load(self, scenario: Scenario | str) -> None:
        """Show another scenario: its inputs, its forecast."""
        with _Seen(self.problem):
            given = load_scenario(scenario) if isinstance(scenario, str) else scenario
            self._answer(plain_form.with_ami_volume(given.to_dict()))

    def change(self, change: dict[str, Any]) -> None:
        """Change some keys, section by section, as an advice does."""
        with _Seen(self.problem):
            self._answer(self.scenario.changed(change).to_dict())

    def show_advice(self) -> None:
        """Ask what would prevent the failure; each answer can be taken into the inputs."""
        from batchguide.disk.advice import advise

        with _Seen(self.problem), self._busy():
            self.answers.children = [self._answer_row(it) for it in advise(self.scenario)]

    def _put(self, path: str, value: Any, moved: Any = None) -> None:
        with _Seen(self.problem):
            plain = deepcopy(self._plain)
            plain_form.put(plain, path, value)
            self._answer(_tidied(plain, path), moved)

    def _answer(self, plain: Plain, moved: Any = None) -> None:
        """Forecast first: when that is refused, nothing on the screen has changed."""
        scenario = Scenario.from_dict(plain)
        outcome = simulate(scenario, timeline=True)
        self._plain, self.scenario, self.outcome = plain, scenario, outcome
        self._show_inputs(moved)
        self._show_outcome(outcome)

    def _observer(self, each: inputs.Input) -> Any:
        def moved(change: dict[str, Any]) -> None:
            if not self._quiet:
                value = each.write(change["new"], plain_form.get(self._plain, each.path))
                self._put(each.path, value, each.widget)

        return moved

    def _show_inputs(self, moved: Any) -> None:
        """All but a slider under the hand: setting it back to a rounded value makes it jump."""
        with self._quietly():
            for each in self._every:
                shown = each.read(plain_form.get(self._plain, each.path))
                under_hand = each.widget is moved and isinstance(moved, _SLIDERS)
                if shown is not None and not under_hand:
                    each.widget.value = shown
            self.bursts.show(self._plain["bursts"])
            self.yaml.value = dump_yaml(self.scenario)
        self._show_limits()

    def _show_limits(self) -> None:
        kind = self.scenario.volume.type
        for each in self._sections["volume"]:
            field = each.path.removeprefix("volume.")
            own = field not in plain_form.PROVISIONED_FIELDS or field in plain_form.PROVISIONED.get(
                kind or "", ()
            )
            each.widget.layout.display = None if own else "none"
        name = self.scenario.instance.type
        self.limits.value = _small(inputs.instance_limits(name)) if name else ""
        self.differs.value = agent_words(self.scenario.agent)

    def _show_outcome(self, outcome: Outcome) -> None:
        self.verdict.value = verdict_card(outcome)
        self.caption.value = _small(picture_words(outcome, instance_shown(outcome)))
        self.chart.show(disk_data(outcome), outcome.verdict)
        self.answers.children = ()
        self.ask.layout.display = None if outcome.jobs_failed else "none"

    def _answer_row(self, advice: Advice) -> Any:
        take = ipw.Button(description="try it", tooltip=advice.title, layout=_auto())
        take.on_click(lambda _: self.change(dict(advice.change)))
        return ipw.HBox([take, ipw.HTML(advice_words(advice))], layout=ipw.Layout(margin="2px 0"))

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Alternatives are many forecasts, some seconds in all: the button says so meanwhile."""
        self.ask.description, self.ask.disabled = WORKING, True
        try:
            yield
        finally:
            self.ask.description, self.ask.disabled = ASK, False

    def _halves(self) -> list[Any]:
        held = {name: [it.widget for it in section] for name, section in self._sections.items()}
        left = [
            *_titled("The job", held["job"]),
            *_titled("The volume", held["volume"]),
            *_titled("The ECS agent", [*held["agent"], self.differs]),
            *_titled("The image", held["image"]),
            *_titled("Submitted", [self.bursts]),
            *_titled("The instance", [*held["instance"], self.limits]),
            *_titled("The fleet", held["fleet"]),
        ]
        scenario = ipw.Accordion(
            [ipw.VBox([self.yaml, self.take_yaml])],
            titles=["This scenario as YAML: copy it, or paste one and use it"],
            selected_index=None,
        )
        right = [self.chart, self.caption, self.ask, self.answers, scenario]
        for each in left:
            each.layout.flex = "0 0 auto"  # a column that scrolls must not squeeze what it holds
        return [ipw.VBox(left, layout=_LEFT), ipw.VBox(right, layout=_RIGHT)]


class _Seen:
    """Shows an error that passes through, and lets it pass."""

    def __init__(self, strip: Any) -> None:
        self._strip = strip

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._strip.value = "" if error is None else _problem_card(error)


def _problem_card(error: BaseException) -> str:
    said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    after = "The picture still shows the last scenario that could be forecast."
    return page(
        f'<div class="bg-card bg-bad" role="alert"><b>{inert(said)}</b><br>'
        f'<span class="bg-dim">{after}</span></div>'
    )


def _tidied(plain: Plain, path: str) -> Plain:
    """What a change takes along: a volume's fields go with its type, a volume with its AMI."""
    if path == "instance.ami":
        return plain_form.with_ami_volume({**plain, "volume": {}})
    if path == "volume.type":
        kept = plain_form.PROVISIONED.get(plain["volume"]["type"], ())
        plain["volume"] = {
            key: value
            for key, value in plain["volume"].items()
            if key not in plain_form.PROVISIONED_FIELDS or key in kept
        }
    return plain


def _titled(title: str, held: list[Any]) -> list[Any]:
    return [ipw.HTML(f'<b style="display:block;margin-top:6px">{title}</b>'), *held]


def _auto() -> Any:
    return ipw.Layout(width="auto", align_self="flex-start", flex="0 0 auto")


def _small(text: str) -> str:
    return page(f'<span class="bg-small">{inert(text)}</span>')


_SLIDERS = (Quantity, ipw.IntSlider)
# Where both halves don't fit side by side the picture comes first: rows wrap upwards.
_ROW = ipw.Layout(flex_flow="row wrap-reverse", align_items="flex-end")
_LEFT = ipw.Layout(
    flex="0 0 360px",
    width="360px",
    max_height="680px",
    overflow="hidden auto",
    padding="0 10px 0 0",
)
_RIGHT = ipw.Layout(flex="1 1 420px", min_width="380px", width="auto")
