"""Findings as an Altair chart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import altair as alt

from batchguide.findings import Severity
from batchguide.views.disk_data import Row
from batchguide.views.tables import kind_of
from batchguide.views.theme import CHART_CONFIG, STATUS_COLOURS, Picture

if TYPE_CHECKING:
    from batchguide.findings import Check, Finding

WIDTH = 500


def findings_chart(findings: Sequence[Finding], checks: Mapping[str, Check]) -> Picture:
    """One bar an area, worst kinds first from the left, each piece with its count on it."""
    rows = _area_rows(findings, checks)
    kinds = [kind for kind in STATUS_COLOURS if any(row["kind"] == kind for row in rows)]
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=kinds, range=[STATUS_COLOURS[kind] for kind in kinds]),
        legend=alt.Legend(title=None, orient="top", symbolType="square"),
    )
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("area:N", title=None, sort=_areas_worst_first(rows), axis=alt.Axis(ticks=False)),
        tooltip=[alt.Tooltip("area:N"), alt.Tooltip("kind:N"), alt.Tooltip("count:Q")],
    )
    bars = base.mark_bar(height=18).encode(
        x=alt.X("from:Q", title="findings", axis=alt.Axis(tickMinStep=1)),
        x2="to:Q",
        color=colour,
    )
    dark = " || ".join(f"datum.kind === '{kind}'" for kind in ("critical", "UNKNOWN", "PASS"))
    texts = base.mark_text(fontSize=11, fontWeight=600).encode(
        x=alt.X("middle:Q"),
        text="count:Q",
        color=alt.condition(dark, alt.value("#ffffff"), alt.value("#111111")),
    )
    areas = len({row["area"] for row in rows})
    return (
        (bars + texts).properties(width=WIDTH, height=26 * max(areas, 1)).configure(**CHART_CONFIG)
    )


def _area_rows(findings: Sequence[Finding], checks: Mapping[str, Check]) -> list[Row]:
    counted: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        check = checks.get(finding.check)
        counted[check.area if check else "other", kind_of(finding)] += 1
    rows: list[Row] = []
    ends: Counter[str] = Counter()
    for area, kind in sorted(counted, key=lambda it: (it[0], list(STATUS_COLOURS).index(it[1]))):
        count, start = counted[area, kind], ends[area]
        ends[area] += count
        place = {"from": start, "to": start + count, "middle": start + count / 2}
        rows.append({"area": area, "kind": kind, "count": count, **place})
    return rows


def _areas_worst_first(rows: Sequence[Row]) -> list[str]:
    weight = {kind: 1000 ** (3 - place) for place, kind in enumerate(Severity)}
    scores: Counter[str] = Counter()
    for row in rows:
        scores[row["area"]] += weight.get(row["kind"], 0) * row["count"]
    return sorted(scores, key=lambda area: (-scores[area], area))
