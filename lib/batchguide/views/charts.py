"""Forecasts as Altair charts: pure functions, no pandas, readable in light and dark.

In a notebook call `enable_renderer()` once: charts are then stored under a MIME type that
JupyterLab draws itself, papermill keeps, and a report can draw without the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import altair as alt

from batchguide.disk.outcome import COMPONENTS
from batchguide.views.disk_data import disk_data
from batchguide.views.theme import (
    ALARM,
    CHART_CONFIG,
    COMPONENT_COLOURS,
    DARK_BANDS,
    GOOD,
    INK,
    Picture,
)

if TYPE_CHECKING:
    from batchguide.disk.outcome import Outcome

MIME_TYPE = "application/vnd.vegalite.v5+json"
"""JupyterLab 4 draws this type and none of Vega-Lite 6's; the specification is the same."""
WIDTH = 640
SMALL_COLUMNS = 60
"""Columns of time in a small multiple."""

_EXTENT = 34  # of the labels: a picture must not jump when they grow
_PARTS: list[Any] = list(COMPONENTS)
_SUBMITTED, _RUNNING, _KEPT = "jobs submitted", "jobs running", "containers kept after their job"
_SIDES: tuple[Any, ...] = (("left", 4, 0), ("right", -4, "width"))
_CLOCK = (
    "floor(toNumber(datum.value)/3600000) + ':' + "
    "pad(floor(toNumber(datum.value)/60000) % 60, 2, '0', 'left')"
    " + (toNumber(datum.value) % 60000 ? ':' + "
    "pad(floor(toNumber(datum.value)/1000) % 60, 2, '0', 'left') : '')"
)


def enable_renderer() -> None:
    """Make charts show in JupyterLab without the network, and keep them in executed notebooks."""

    def to_bundle(spec: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {MIME_TYPE: spec, "text/plain": "<chart: open the notebook or the report to see it>"}

    alt.renderers.register("batchguide", to_bundle)
    alt.renderers.enable("batchguide")


def disk_chart(outcome: Outcome, instance: str | None = None, width: int = WIDTH) -> Picture:
    """One instance's volume over time: components against capacity, the failure, the containers."""
    chart = disk_picture(width).copy(deep=False)
    chart.datasets = disk_data(outcome, instance)
    return chart


@cache
def disk_picture_spec() -> dict[str, Any]:
    """`disk_picture` as Vega-Lite, for a live chart; not to be changed."""
    return dict(disk_picture().to_dict(validate=False))


@cache
def disk_picture(width: int = WIDTH) -> Picture:
    """The disk chart without its data: its data sets are named as in `NO_DATA`; not to be changed.

    Altair checks each part as it is put together, which takes longer than all the rows: so once.
    """
    hover = alt.selection_point(
        name="hover",
        nearest=True,
        on="pointermove",
        encodings=["x"],
        empty=False,
        clear="pointerout",
    )
    panels = alt.vconcat(_volume_panel(width, hover), _jobs_panel(width), spacing=6)
    return panels.resolve_scale(x="shared", color="independent").configure(**CHART_CONFIG)


def _time(labels: bool) -> alt.X:
    axis = alt.Axis(
        title="time since the first submission, h:min" if labels else None,
        labels=labels,
        ticks=labels,
        labelExpr=_CLOCK,
        grid=False,
        tickCount=8,
    )
    return alt.X("t:T", scale=alt.Scale(type="utc", nice=False), axis=axis)


def _colour() -> alt.Color:
    return alt.Color(
        "component:N",
        sort=_PARTS,
        scale=alt.Scale(domain=_PARTS, range=[COMPONENT_COLOURS[name] for name in _PARTS]),
        legend=alt.Legend(title=None, orient="top", columns=4, symbolType="square"),
    )


def _volume_panel(width: int, hover: Picture) -> Picture:
    timeline = alt.Chart(alt.NamedData(name="timeline"))
    layers = [_areas(timeline), *_capacity(), *_hover(timeline, hover), _band_labels(), *_failure()]
    return alt.layer(*layers).properties(width=width, height=260)


def _areas(timeline: Picture) -> Picture:
    return (
        timeline.transform_fold(_PARTS, as_=["component", "gib"])
        .transform_calculate(place=f"indexof({_PARTS!r}, datum.component)")
        .mark_area(interpolate="linear", opacity=0.92)
        .encode(
            x=_time(labels=False),
            y=alt.Y(
                "gib:Q",
                stack="zero",
                title="GiB on the volume",
                scale=alt.Scale(nice=False),
                axis=alt.Axis(minExtent=_EXTENT),
            ),
            color=_colour(),
            order=alt.Order("place:Q"),
        )
    )


def _capacity() -> tuple[Picture, ...]:
    base = alt.Chart(alt.NamedData(name="capacity"))
    rule = base.mark_rule(color=ALARM, strokeWidth=1.5, strokeDash=[6, 3]).encode(y="gib:Q")
    room = base.mark_point(opacity=0, tooltip=None).encode(y="ceiling:Q")
    texts = [
        base.transform_filter(f"datum.side === '{side}'")
        .mark_text(align=side, baseline="bottom", dx=dx, dy=-4, color=ALARM, fontSize=11)
        .encode(y="gib:Q", text="label:N", x=alt.value(place))
        for side, dx, place in _SIDES
    ]
    return (rule, room, *texts)


def _hover(timeline: Picture, hover: Picture) -> tuple[Picture, Picture]:
    """A line that follows the pointer, with every component in one tooltip."""
    tips = [
        alt.Tooltip("minutes:Q", title="time, min", format=",.1f"),
        alt.Tooltip("used:Q", title="used, GiB", format=".2f"),
        *(alt.Tooltip(f"{name}:Q", format=".2f") for name in reversed(_PARTS)),
        alt.Tooltip("running:Q", title="jobs running"),
        alt.Tooltip("stopped:Q", title="containers kept"),
    ]
    base = timeline.transform_calculate(minutes="datum.t / 60000").encode(x=_time(labels=False))
    catcher = base.mark_rule(strokeWidth=9, opacity=0).encode(tooltip=tips).add_params(hover)
    line = base.mark_rule(color=INK, strokeWidth=1).transform_filter(hover)
    return catcher, line


def _band_labels() -> Picture:
    white = " || ".join(f"datum.component === '{name}'" for name in sorted(DARK_BANDS))
    return (
        alt.Chart(alt.NamedData(name="labels"))
        .mark_text(fontSize=11, fontWeight=600)
        .encode(
            x=_time(labels=False),
            y="gib:Q",
            text="component:N",
            color=alt.condition(white, alt.value("#ffffff"), alt.value("#111111")),
        )
    )


def _failure() -> tuple[Picture, ...]:
    base = alt.Chart(alt.NamedData(name="failures")).encode(x=_time(labels=False))
    tips = [alt.Tooltip("headline:N", title="first failure"), alt.Tooltip("error:N")]
    rule = base.mark_rule(color=ALARM, strokeWidth=2)
    mark = base.mark_point(shape="cross", angle=45, size=170, filled=True, color=ALARM, opacity=1)
    texts = [
        base.transform_filter(f"datum.side === '{side}'")
        .mark_text(
            align="left" if side == "right" else "right",
            baseline="top",
            dx=8 if side == "right" else -8,
            dy=3,
            lineBreak="\n",
            fontSize=11,
            color=ALARM,
            fontWeight=600,
        )
        .encode(y=alt.value(0), text="label:N")
        for side in ("left", "right")
    ]
    return (rule, mark.encode(y="gib:Q", tooltip=tips), *texts)


def _jobs_panel(width: int) -> Picture:
    """Containers over time, and each submission as a stem as high as its jobs are many."""
    timeline = alt.Chart(alt.NamedData(name="timeline"))
    lines = (
        timeline.transform_calculate(**{_RUNNING: "datum.running", _KEPT: "datum.stopped"})
        .transform_fold([_RUNNING, _KEPT], as_=["kind", "count"])
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(x=_time(labels=True), y=_count(), color=_kind_colour(), strokeDash=_kind_dash())
    )
    bursts = alt.Chart(alt.NamedData(name="bursts")).transform_calculate(kind=f"'{_SUBMITTED}'")
    stems = bursts.mark_rule(strokeWidth=3).encode(
        x=_time(labels=True),
        y=alt.Y("zero:Q"),
        y2="jobs:Q",
        color=_kind_colour(),
        tooltip=alt.Tooltip("said:N", title="submitted"),
    )
    zeroed = stems.transform_calculate(zero="0")
    return alt.layer(zeroed, lines).properties(width=width, height=90)


def _count() -> alt.Y:
    return alt.Y(
        "count:Q", title="containers", axis=alt.Axis(tickCount=3, format="~s", minExtent=_EXTENT)
    )


def _kind_colour() -> alt.Color:
    return alt.Color(
        "kind:N",
        scale=alt.Scale(
            domain=[_SUBMITTED, _RUNNING, _KEPT], range=["#9a9a9a", "#009e73", "#e69f00"]
        ),
        legend=alt.Legend(
            title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3, labelLimit=260
        ),
    )


def _kind_dash() -> alt.StrokeDash:
    scale = alt.Scale(domain=[_SUBMITTED, _RUNNING, _KEPT], range=[[1, 0], [1, 0], [5, 3]])
    return alt.StrokeDash("kind:N", scale=scale, legend=None)


def outcomes_chart(
    outcomes: Mapping[str, Outcome], columns: int = 2, width: int = WIDTH
) -> Picture:
    """Named outcomes as small multiples, each against its own capacity, on one time axis."""
    each = (width - 60 * (columns - 1)) // columns
    pictures = [_small(name, outcome, each) for name, outcome in outcomes.items()]
    return (
        alt.concat(*pictures, columns=columns, spacing=14)
        .resolve_scale(x="shared", y="independent", color="shared")
        .configure(**CHART_CONFIG)
    )


def _small(name: str, outcome: Outcome, width: int) -> Picture:
    data = disk_data(outcome, columns=SMALL_COLUMNS)
    limit, failures = data["capacity"][0], data["failures"]
    said = failures[0]["headline"] if failures else "no job fails"
    colour = ALARM if failures else GOOD
    areas = _areas(alt.Chart(alt.InlineData(values=data["timeline"]))).encode(x=_time(labels=True))
    line = alt.Chart(alt.InlineData(values=[limit])).mark_rule(color=ALARM, strokeDash=[6, 3])
    room = alt.Chart(alt.InlineData(values=[limit])).mark_point(opacity=0, tooltip=None)
    marks = alt.Chart(alt.InlineData(values=failures)).encode(x=_time(labels=True))
    cross = marks.mark_point(shape="cross", angle=45, size=110, filled=True, color=ALARM, opacity=1)
    tips = [alt.Tooltip("headline:N", title="first failure"), alt.Tooltip("error:N")]
    layers = [areas, line.encode(y="gib:Q"), room.encode(y=alt.Y("gib:Q"))]
    if failures:
        layers += [marks.mark_rule(color=ALARM), cross.encode(y="gib:Q", tooltip=tips)]
    title = alt.TitleParams(name, subtitle=said, subtitleColor=colour, subtitleFontSize=11)
    return alt.layer(*layers, title=title).properties(width=width, height=110)
