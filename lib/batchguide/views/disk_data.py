"""What a disk chart draws, as plain rows: thinned to what a screen can show.

Kept apart from the picture, because a live chart keeps its picture and only these rows travel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from batchguide.disk.outcome import COMPONENTS
from batchguide.findings import quote
from batchguide.units import show_count, show_duration, show_size

if TYPE_CHECKING:
    from batchguide.disk.outcome import Failure, InstanceOutcome, Outcome, Timeline

Row = dict[str, Any]
NO_DATA: dict[str, list[Row]] = {
    "timeline": [],
    "capacity": [],
    "failures": [],
    "labels": [],
    "bursts": [],
}
"""The named data sets of a disk chart, empty."""
COLUMNS = 240
"""Columns of time; up to four points each (first, lowest, highest, last) draw the same pixels."""
LONGEST_LINE = 46
"""Characters of an error text on one line of the chart."""
LABELLED_SHARE = 0.07
"""Bands thinner than this share of the picture's height carry no label of their own."""


def disk_data(
    outcome: Outcome, instance: str | None = None, columns: int = COLUMNS
) -> dict[str, list[Row]]:
    """The rows of every named data set of `charts.disk_picture`.

    `instance` is its name; without one it is the instance that failed first, else the fullest.
    """
    shown = instance_shown(outcome, instance)
    if shown is None:
        return {**NO_DATA, "bursts": _burst_rows(outcome)}
    if shown.timeline is None:
        raise ValueError("the outcome has no timelines: simulate(scenario, timeline=True)")
    failure = _failure_on(shown, outcome.first_failure)
    points = thinned(shown.timeline, columns, always_s=() if failure is None else (failure.at_s,))
    share = _share_of_run(failure, shown.timeline)
    return {
        "timeline": timeline_rows(shown.timeline, points),
        "capacity": [_capacity_row(shown, share)],
        "failures": [_failure_row(failure, shown, share)] if failure and share is not None else [],
        "labels": _label_rows(shown, points, share),
        "bursts": _burst_rows(outcome),
    }


def instance_shown(outcome: Outcome, name: str | None = None) -> InstanceOutcome | None:
    """The instance of that name; without one the first to fail, else the fullest; None if none."""
    if name is None and outcome.first_failure is not None:
        name = outcome.first_failure.instance
    for one in outcome.instances:
        if one.instance == name:
            return one
    return max(
        outcome.instances, key=lambda one: one.peak_used_gib / one.capacity_gib, default=None
    )


def thinned(
    timeline: Timeline, columns: int = COLUMNS, always_s: Sequence[float] = ()
) -> np.ndarray[Any, np.dtype[np.intp]]:
    """The points worth drawing: of each column the first, the lowest, the highest and the last.

    The peak is the highest of its column, so it stays. Of each moment in `always_s` the last
    point at or before it stays too.
    """
    at_s = np.asarray(timeline.at_s)
    if len(at_s) <= 4 * columns:
        return np.arange(len(at_s))
    used = np.sum([timeline.components[name] for name in COMPONENTS], axis=0)
    span_s = float(at_s[-1] - at_s[0]) or 1.0
    column = np.minimum((at_s - at_s[0]) / span_s * columns, columns - 1).astype(int)
    edges = np.flatnonzero(np.diff(column, prepend=-1))
    by_height = np.lexsort((used, column))
    last = np.append(edges[1:], len(at_s)) - 1
    moments = np.searchsorted(at_s, np.asarray(always_s, dtype=float), side="right") - 1
    kept = (edges, last, by_height[edges], by_height[last], np.maximum(moments, 0))
    return np.unique(np.concatenate(kept))


def timeline_rows(timeline: Timeline, points: np.ndarray[Any, np.dtype[np.intp]]) -> list[Row]:
    """One row a point: milliseconds, GiB of every component, their sum, and the containers."""
    columns = {
        "t": _apart(np.round(np.asarray(timeline.at_s)[points] * 1000)),
        **{name: np.round(timeline.components[name][points], 4) for name in COMPONENTS},
        "running": np.asarray(timeline.containers_running)[points],
        "stopped": np.asarray(timeline.containers_retained)[points],
    }
    columns["used"] = np.round(
        np.sum([timeline.components[name][points] for name in COMPONENTS], axis=0), 4
    )
    names = list(columns)
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(names, row, strict=True)) for row in values]


def _apart(at_ms: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
    """Points of one moment a millisecond apart: a stacked area would draw one upon the other.

    >>> _apart(np.array([0.0, 5.0, 5.0, 5.0, 6.0])).tolist()
    [0.0, 5.0, 6.0, 7.0, 8.0]
    """
    place = np.arange(len(at_ms))
    return np.maximum.accumulate(at_ms - place) + place


def wrapped(text: str, longest: int = LONGEST_LINE, lines: int = 3) -> str:
    """An error text on a few lines; a word that is too long (a path) is cut where it must be.

    >>> wrapped("write /var/lib/docker/tmp/GetImageBlob1: no space left", longest=24)
    'write\\n/var/lib/docker/tmp/GetI\\nmageBlob1: no space left'
    """
    pieces: list[str] = [""]
    for word in quote(text).split(" "):
        rest = word
        if pieces[-1] and len(pieces[-1]) + 1 + len(rest) <= longest:
            pieces[-1] += " " + rest
            continue
        while rest:
            pieces.append(rest[:longest])
            rest = rest[longest:]
    full = [piece for piece in pieces if piece]
    if len(full) > lines:
        full = [*full[: lines - 1], full[lines - 1][: longest - 1] + "…"]
    return "\n".join(full)


def _failure_on(shown: InstanceOutcome, failure: Failure | None) -> Failure | None:
    return failure if failure is not None and failure.instance == shown.instance else None


def _capacity_row(shown: InstanceOutcome, share: float | None) -> Row:
    """The line, its label on the side that the failure's text leaves free, and room above it."""
    left = share is not None and (0.15 <= share < 0.5 or share >= 0.85)
    headroom = 1.08 if share is None else 1.34
    return {
        "gib": shown.capacity_gib,
        "label": f"full at {show_size(shown.capacity_gib)}",
        "side": "left" if left else "right",
        "ceiling": round(headroom * max(shown.capacity_gib, shown.peak_used_gib), 4),
    }


def _share_of_run(failure: Failure | None, timeline: Timeline) -> float | None:
    if failure is None:
        return None
    at_s = np.asarray(timeline.at_s)
    return (failure.at_s - float(at_s[0])) / (float(at_s[-1] - at_s[0]) or 1.0)


def _failure_row(failure: Failure, shown: InstanceOutcome, share: float) -> Row:
    headline = f"first failure: {show_duration(failure.at_s)}, job {failure.job}"
    return {
        "t": round(failure.at_s * 1000),
        "gib": shown.capacity_gib,
        "headline": headline,
        "error": quote(failure.error),
        "label": f"{headline}\n{wrapped(failure.error)}",
        "side": "left" if share >= 0.5 else "right",
    }


def _label_rows(
    shown: InstanceOutcome, points: np.ndarray[Any, np.dtype[np.intp]], avoid: float | None
) -> list[Row]:
    """A band's name where the band is thickest, for bands that are thick enough to hold it."""
    assert shown.timeline is not None
    timeline, rows = shown.timeline, []
    at_s = np.asarray(timeline.at_s)[points]
    ceiling = max(shown.capacity_gib, shown.peak_used_gib)
    bands = np.array([timeline.components[name][points] for name in COMPONENTS])
    tops = np.cumsum(bands, axis=0)
    for band, top, name in zip(bands, tops, COMPONENTS, strict=True):
        place = _roomiest(at_s, band, avoid)
        if band[place] >= LABELLED_SHARE * ceiling:
            middle = float(top[place] - band[place] / 2)
            rows.append({"t": round(at_s[place] * 1000), "gib": middle, "component": name})
    return rows


def _roomiest(at_s: np.ndarray[Any, Any], band: np.ndarray[Any, Any], avoid: float | None) -> int:
    """Where a centred label fits best: thick, not cut at an end, not under the failure's line."""
    share = (at_s - at_s[0]) / (float(at_s[-1] - at_s[0]) or 1.0)
    inner = (share >= 0.12) & (share <= 0.88)
    if avoid is not None:
        inner &= np.abs(share - avoid) > 0.13
    if not inner.any():
        return int(np.argmax(band))
    thick = np.where(inner, band, -1.0)
    candidates = np.flatnonzero(thick >= 0.98 * thick.max())
    return int(candidates[len(candidates) // 2])


def _burst_rows(outcome: Outcome) -> list[Row]:
    return [
        {
            "t": round(burst.at_s * 1000),
            "jobs": burst.jobs,
            "label": f"+{show_count(burst.jobs)}",
            "said": f"{show_count(burst.jobs, 'job')} submitted at {show_duration(burst.at_s)}",
        }
        for burst in outcome.scenario.bursts
    ]
