"""Charts: they draw, say what failed in words, and read for everybody."""

import itertools
import json
from types import SimpleNamespace

import altair as alt
import pytest
import vl_convert

from batchguide import facts
from batchguide.disk.outcome import COMPONENTS, simulate
from batchguide.disk.scenario import load_scenario
from batchguide.findings import Finding, Severity, Status
from batchguide.views import theme
from batchguide.views.charts import (
    MIME_TYPE,
    disk_chart,
    disk_picture,
    disk_picture_spec,
    enable_renderer,
    outcomes_chart,
)
from batchguide.views.disk_data import NO_DATA, disk_data
from batchguide.views.health_charts import findings_chart
from batchguide.views.lessons import inspect_chart

VEGA_LITE = "6.4"
WHITE, JUPYTER_DARK = "#ffffff", "#111111"


@pytest.fixture(scope="module")
def notes():
    return load_scenario(facts.data_path("scenarios", "notes-example.yaml"))


def svg(chart):
    return vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=VEGA_LITE)


def test_the_disk_chart_says_what_it_draws(notes):
    drawn = svg(disk_chart(simulate(notes)))

    for said in (*COMPONENTS, "full at 7.85 GiB", "first failure", "GiB on the volume"):
        assert said in drawn
    assert "No space left on device" in drawn.replace("\n", " ") or "No space left on" in drawn


def test_a_volume_that_holds_has_no_failure_on_it(notes):
    drawn = svg(disk_chart(simulate(notes.changed({"volume": {"size_gib": 100}}))))

    assert "first failure" not in drawn
    assert "full at 99.2 GiB" in drawn


def test_hover_reads_every_component():
    spec = json.dumps(disk_picture().to_dict())

    for name in COMPONENTS:
        assert f'{{"field": "{name}", "format": ".2f", "type": "quantitative"}}' in spec


def test_the_picture_waits_for_exactly_the_data_sets_that_are_sent():
    vega = vl_convert.vegalite_to_vega(disk_picture().to_dict(), vl_version=VEGA_LITE)
    roots = {each["name"] for each in vega["data"] if "source" not in each}

    assert {name for name in roots if not name.endswith("_store")} == set(NO_DATA)
    assert "width" in vega  # the top-level signal that a live chart sets


def test_charts_of_different_outcomes_share_the_picture_and_nothing_else(notes):
    fails, holds = simulate(notes), simulate(notes.changed({"volume": {"size_gib": 100}}))

    first, second = disk_chart(fails), disk_chart(holds)

    assert first.to_dict()["datasets"] == disk_data(fails)
    assert second.to_dict()["datasets"] == disk_data(holds)
    assert "datasets" not in disk_picture().to_dict()
    bare = {key: value for key, value in first.to_dict().items() if key != "datasets"}
    assert bare == disk_picture().to_dict() == disk_picture_spec()


def test_a_hostile_error_text_is_text_in_the_drawing(notes):
    outcome = simulate(notes)
    chart = disk_chart(outcome).to_dict()
    chart["datasets"]["failures"][0]["label"] = "</text><script>alert(1)</script>"

    drawn = vl_convert.vegalite_to_svg(chart, vl_version=VEGA_LITE)

    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


def test_comparisons_have_each_its_own_capacity_and_verdict(notes):
    sizes = (8, 30, 100)
    outcomes = {
        f"{gib} GiB": simulate(notes.changed({"volume": {"size_gib": gib}})) for gib in sizes
    }

    drawn = svg(outcomes_chart(outcomes))

    assert [drawn.count(f">{name}<") for name in outcomes] == [1, 1, 1]
    assert drawn.count(">no job fails<") == 2
    assert drawn.count(">first failure: 15 min 48 s, job 280<") == 1


def test_the_renderer_gives_a_type_that_papermill_keeps_and_jupyterlab_draws(notes):
    before = alt.renderers.active
    try:
        enable_renderer()
        bundle = disk_chart(simulate(notes))._repr_mimebundle_()
    finally:
        alt.renderers.enable(before)

    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert set(data) == {MIME_TYPE, "text/plain"}
    assert MIME_TYPE.endswith("+json")
    json.dumps(data[MIME_TYPE], allow_nan=False)


def finding(check, status, severity):
    return Finding(check, status, severity, "r", "m")


def test_the_findings_chart_counts_every_finding_once_and_the_worst_area_first():
    checks = {"A-1": SimpleNamespace(area="iam"), "D-1": SimpleNamespace(area="disk")}
    found = [
        *[finding("A-1", Status.FAIL, Severity.LOW)] * 5,
        finding("D-1", Status.FAIL, Severity.CRITICAL),
        finding("D-1", Status.UNKNOWN, Severity.CRITICAL),
        finding("gone", Status.PASS, Severity.HIGH),
    ]

    spec = findings_chart(found, checks).to_dict()

    (rows,) = spec["datasets"].values()
    assert sum(row["count"] for row in rows) == len(found)
    assert {row["kind"] for row in rows if row["area"] == "disk"} == {"critical", "UNKNOWN"}
    assert spec["layer"][0]["encoding"]["y"]["sort"] == ["disk", "iam", "other"]
    assert "critical" in vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)


def test_the_inspect_chart_draws_the_limit():
    assert "the agent gives up: 30 s" in svg(inspect_chart())


# --- for every eye --------------------------------------------------------------------------------


def linear(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def contrast(one, other):
    lights = sorted(
        sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(each), strict=True))
        for each in (one, other)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@pytest.mark.parametrize(
    ("ink", "paper", "least"),
    [
        (theme.INK, WHITE, 4.5),
        (theme.INK, JUPYTER_DARK, 4.0),
        (theme.ALARM, WHITE, 4.0),
        (theme.ALARM, JUPYTER_DARK, 3.0),
    ],
)
def test_text_reads_in_light_and_in_dark(ink, paper, least):
    assert contrast(ink, paper) >= least


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_band_s_label_reads_on_its_band(name):
    ink = WHITE if name in theme.DARK_BANDS else JUPYTER_DARK

    assert contrast(ink, theme.COMPONENT_COLOURS[name]) >= 3.0


# Machado, Oliveira, Fernandes 2009, severity 1: what the eye without one kind of cone sees
BLINDNESS = {
    "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def seen(colour, matrix):
    light = linear(colour)
    return [sum(w * c for w, c in zip(row, light, strict=True)) for row in matrix]


def lab(light):
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    white = (0.9505, 1.0, 1.089)
    xyz = [sum(w * max(c, 0) for w, c in zip(row, light, strict=True)) for row in to_xyz]
    f = [
        (v / n) ** (1 / 3) if v / n > 0.008856 else 7.787 * v / n + 16 / 116
        for v, n in zip(xyz, white, strict=True)
    ]
    return (116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2]))


@pytest.mark.parametrize("kind", BLINDNESS)
def test_bands_that_touch_are_told_apart_by_every_eye(kind):
    colours = [theme.COMPONENT_COLOURS[name] for name in COMPONENTS]

    for one, other in itertools.pairwise(colours):
        far = sum(
            (a - b) ** 2
            for a, b in zip(
                lab(seen(one, BLINDNESS[kind])), lab(seen(other, BLINDNESS[kind])), strict=True
            )
        )
        assert far**0.5 > 15, (one, other)
