"""The estimator without a browser: a move is a new value of a widget."""

import nbclient
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchguide import facts
from batchguide.account import Account
from batchguide.account_scenario import scenario_of
from batchguide.capture import load_capture
from batchguide.disk.outcome import simulate
from batchguide.disk.scenario import Burst, Scenario, ScenarioError, dump_yaml, load_scenario
from batchguide.views.disk_data import disk_data
from batchguide.widgets import bursts as burst_rows
from batchguide.widgets.estimator import ASK, disk_estimator
from batchguide.widgets.live_chart import bundled_source, by_column, by_row
from batchguide.widgets.plain import with_ami_volume
from batchguide.widgets.quantity import Quantity, round_stops

NOTES = facts.data_path("scenarios", "notes-example.yaml").read_text("utf-8")
MOVES = {
    "job: vCPUs": (2, {"job": {"vcpus": 2.0}}),
    "job: memory, GiB": (4, {"job": {"memory_mib": 4096}}),
    "job: median, min": (9, {"job": {"duration_s": {"median": 540.0, "p95": 580.0}}}),
    "job: 95 of 100, min": (8, {"job": {"duration_s": {"median": 270.0, "p95": 480.0}}}),
    "job: writes, MiB": (200, {"job": {"writes_mib": 200.0}}),
    "job: logs, MiB": (5, {"job": {"logs_mib": 5.0}}),
    "job: deletes its files before it ends": (True, {"job": {"scratch_cleaned": True}}),
    "image: unpacked, GiB": (3.2, {"image": {"size_gib": 3.2, "compressed_gib": 1.1}}),
    "image: compressed, GiB": (0.4, {"image": {"compressed_gib": 0.4}}),
    "image: different images": (3, {"image": {"distinct": 3}}),
    "image: storage": ("fresh-copy-per-job", {"image": {"storage": "fresh-copy-per-job"}}),
    "instance: type": ("m5.4xlarge · 16 vCPUs · whatever", {"instance": {"type": "m5.4xlarge"}}),
    "volume: type": ("gp3", {"volume": {"type": "gp3"}}),
    "volume: size, GiB": (100, {"volume": {"size_gib": 100}}),
    "volume: used at boot, GiB": (3, {"volume": {"used_gib": 3.0}}),
    "agent: profile": ("batch-managed", {"agent": {"profile": "batch-managed"}}),
    "agent: container wait, min": (5, {"agent": {"task_cleanup_wait_s": 300}}),
    "agent: image cycle, min": (60, {"agent": {"image_cleanup_interval_s": 3600}}),
    "agent: image age, min": (10, {"agent": {"image_minimum_cleanup_age_s": 600}}),
    "agent: images a cycle": (20, {"agent": {"images_deleted_per_cycle": 20}}),
    "fleet: instances are": ("on-demand", {"fleet": {"scale_out": "on-demand"}}),
    "fleet: at the start": (4, {"fleet": {"instances": 4}}),
    "fleet: boot, s": (300, {"fleet": {"boot_s": 300}}),
    "fleet: most vCPUs": (960, {"fleet": {"max_vcpus": 960}}),
    "fleet: idle before it goes, s": (60, {"fleet": {"idle_s": 60}}),
    "fleet: pull, MiB/s": (50, {"pull_mibps": 50}),
    "fleet: attempts": (3, {"attempts": 3}),
    "fleet: seed": (7, {"seed": 7}),
}
CHANGES_MORE = {
    "instance: AMI",  # takes the volume along
    "volume: IOPS",  # not on gp2
    "volume: throughput, MiB/s",
}


@pytest.fixture
def estimator():
    return disk_estimator(NOTES)


def assert_consistent(estimator):
    """What is on the screen is the forecast of the scenario on the screen."""
    expected = simulate(estimator.scenario)
    assert estimator.chart.data == disk_data(expected)
    assert expected.verdict.split("`")[0].split("'")[0] in estimator.verdict.value
    assert load_scenario(estimator.yaml.value) == estimator.scenario


def test_opening_a_scenario_changes_nothing_of_it(estimator):
    given = load_scenario(NOTES)

    assert estimator.scenario.to_dict() == with_ami_volume(given.to_dict())
    assert simulate(given).verdict == estimator.outcome.verdict
    assert_consistent(estimator)


def test_every_control_is_tried_below(estimator):
    assert set(estimator.controls) == set(MOVES) | CHANGES_MORE


@pytest.mark.parametrize("name", MOVES)
def test_a_move_changes_its_own_place_and_the_answer_follows(estimator, name):
    value, change = MOVES[name]
    expected = estimator.scenario.changed(change)
    if name == "instance: type":
        expected = expected.changed({"instance": {"ami": "al2023"}})

    estimator.controls[name].value = value

    assert estimator.scenario == expected
    assert_consistent(estimator)


def test_a_larger_volume_moves_the_verdict_and_the_line(estimator):
    before = estimator.verdict.value

    estimator.controls["volume: size, GiB"].slider.value = 30

    assert "721 of 1,000 jobs fail" in before
    assert "all 1,000 jobs succeed" in estimator.verdict.value
    (line,) = estimator.chart.data["capacity"]
    assert line["gib"] == pytest.approx(29.15, abs=0.6)
    assert estimator.chart.data["failures"] == []


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(round_stops(8, 1000)), min_size=1, max_size=12))
def test_the_last_of_many_moves_is_the_one_on_the_screen(sizes):
    estimator = disk_estimator(Scenario((Burst(0, 50),)))
    before = estimator.chart.frame["number"]

    for size in sizes:
        estimator.controls["volume: size, GiB"].value = size

    assert estimator.scenario.volume.size_gib == round(sizes[-1])
    assert estimator.chart.data == disk_data(estimator.outcome)
    assert estimator.chart.frame["number"] - before <= len(sizes)


def test_only_the_fields_that_a_volume_type_has_are_there(estimator):
    iops, throughput = (
        estimator.controls[f"volume: {name}"] for name in ("IOPS", "throughput, MiB/s")
    )
    shown = {}
    for kind in ("gp2", "gp3", "io2"):
        estimator.controls["volume: type"].value = kind
        shown[kind] = (iops.layout.display != "none", throughput.layout.display != "none")

    assert shown == {"gp2": (False, False), "gp3": (True, True), "io2": (True, False)}


def test_provisioned_iops_go_with_the_type_that_had_them(estimator):
    estimator.controls["volume: type"].value = "gp3"
    estimator.controls["volume: IOPS"].value = 3500

    assert estimator.scenario.volume.iops == 3500
    estimator.controls["volume: type"].value = "gp2"
    assert estimator.scenario.volume.iops is None


def test_another_ami_brings_its_own_volume(estimator):
    estimator.controls["instance: AMI"].value = "al1"

    assert estimator.scenario.volume.size_gib == 22
    assert estimator.scenario.volume.type == "gp2"


def test_a_setting_set_back_to_the_profile_s_value_follows_the_profile_again(estimator):
    wait = estimator.controls["agent: container wait, min"]

    wait.value = 5
    assert "a stopped container is kept 5 min (profile: 3 h)" in estimator.differs.value
    wait.value = 180

    assert estimator.scenario.agent.changes() == {}
    assert "As the profile." in estimator.differs.value


def test_an_error_is_shown_and_raised_and_the_picture_stays(estimator):
    before, picture = estimator.scenario, estimator.chart.frame

    with pytest.raises(ScenarioError, match="a known instance type"):
        estimator.controls["instance: type"].value = "r5.colossal"

    assert "r5.colossal" in estimator.problem.value
    assert 'role="alert"' in estimator.problem.value
    assert (estimator.scenario, estimator.chart.frame) == (before, picture)


def test_the_next_good_move_takes_the_error_away(estimator):
    with pytest.raises(ScenarioError):
        estimator.load("bursts: []")

    estimator.controls["volume: size, GiB"].value = 40

    assert estimator.problem.value == ""


def test_a_fault_of_our_own_is_shown_and_raised_too(estimator, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a bug <b>")

    monkeypatch.setattr("batchguide.widgets.estimator.simulate", broken)

    with pytest.raises(ZeroDivisionError):
        estimator.controls["volume: size, GiB"].value = 40

    assert "ZeroDivisionError: a bug &lt;b&gt;" in estimator.problem.value


def test_an_error_in_a_move_stops_a_page_that_runs_without_a_hand():
    cells = [
        "from batchguide import runbook",
        "e = runbook.estimator(runbook.open_scenario('notes-example'))\ne",
        "e.controls['instance: type'].value = 'r5.colossal'",
    ]
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])

    with pytest.raises(nbclient.exceptions.CellExecutionError, match=r"r5\.colossal"):
        nbclient.NotebookClient(page, timeout=120, kernel_name="python3").execute()

    assert page.cells[1].outputs[0]["data"]["text/plain"].startswith("The estimator is moved by")


def test_the_yaml_can_be_pasted_back_and_another_one_used(estimator):
    other = load_scenario(NOTES).changed({"name": "mine", "volume": {"size_gib": 55}})

    estimator.yaml.value = dump_yaml(other)
    estimator.take_yaml.click()

    assert estimator.scenario.name == "mine"
    assert estimator.controls["volume: size, GiB"].value == 55
    assert_consistent(estimator)


def test_what_has_no_control_stays_when_something_else_moves():
    seen = {"observed": [60.0, 70.0, 400.0]}
    given = load_scenario(NOTES).changed({"job": {"duration_s": seen, "gpus": 0}, "attempts": 2})
    estimator = disk_estimator(given)

    estimator.controls["volume: size, GiB"].value = 60

    assert estimator.scenario.job.duration_s.observed == (60.0, 70.0, 400.0)
    assert estimator.controls["job: median, min"].value == pytest.approx(70 / 60)


def test_images_listed_by_layers_stay_until_a_hand_changes_their_size():
    account = Account.from_capture(load_capture("demo:disk-full"))
    env = next(env for env in account.compute_environments if env.name == "simulate-on-demand")
    estimator = disk_estimator(scenario_of(account, env).scenario)
    listed = estimator.scenario.image.images

    estimator.controls["volume: size, GiB"].value = 60
    assert estimator.scenario.image.images == listed

    estimator.controls["image: unpacked, GiB"].value = 2
    assert estimator.scenario.image.images == ()
    assert estimator.scenario.image.distinct == len(listed)
    assert estimator.scenario.image.size_gib.median == 2


# --- bursts ---------------------------------------------------------------------------------------


def boxes(estimator, row):
    return estimator.bursts.rows.children[row].children


def test_a_burst_can_be_edited_added_and_removed(estimator):
    boxes(estimator, 1)[3].value = 50
    boxes(estimator, 1)[1].value = 4
    assert estimator.scenario.bursts[1] == Burst(240.0, 50)

    estimator.bursts.add.click()
    assert estimator.scenario.bursts[-1] == Burst(750.0, 200)

    boxes(estimator, 0)[4].click()
    assert [burst.at_s for burst in estimator.scenario.bursts] == [240, 300, 450, 600, 750]
    assert_consistent(estimator)


def test_the_last_burst_can_not_be_removed():
    estimator = disk_estimator(Scenario((Burst(0, 5),)))

    assert boxes(estimator, 0)[4].disabled


@pytest.mark.parametrize("name", burst_rows.presets())
def test_a_preset_gives_its_bursts_and_nothing_else(name):
    estimator = disk_estimator(Scenario((Burst(0, 5),)))
    before = estimator.scenario.to_dict()

    estimator.bursts.preset.value = name

    after = estimator.scenario.to_dict()
    assert after.pop("bursts") == burst_rows.presets()[name]
    assert {**before, "bursts": None} == {**after, "bursts": None}


def test_many_bursts_are_counted_and_not_drawn_as_rows():
    many = Scenario(tuple(Burst(60.0 * at, 2) for at in range(burst_rows.MOST_ROWS + 1)))

    (row,) = disk_estimator(many).bursts.rows.children

    assert "13 bursts, 26 jobs" in row.value


# --- what would prevent it ------------------------------------------------------------------------


def test_an_alternative_can_be_taken_into_the_inputs():
    tight = Scenario((Burst(0, 60),)).changed(
        {"volume": {"size_gib": 8, "used_gib": 5}, "job": {"writes_mib": 200}}
    )
    estimator = disk_estimator(tight)
    assert estimator.outcome.jobs_failed and estimator.ask.layout.display != "none"

    estimator.ask.click()
    rows = {row.children[0].tooltip: row.children for row in estimator.answers.children}
    take, words = next(row for title, row in rows.items() if title.startswith("Give the volume"))
    take.click()

    assert 'aria-label="safe"' in words.value
    assert estimator.outcome.jobs_failed == 0
    assert estimator.controls["volume: size, GiB"].value > 8
    assert estimator.answers.children == ()  # they were about another scenario
    assert estimator.ask.layout.display == "none"
    assert (estimator.ask.description, estimator.ask.disabled) == (ASK, False)


# --- parts ----------------------------------------------------------------------------------------


def test_a_quantity_between_stops_stays_until_a_hand_moves_it():
    quantity = Quantity("size", (1, 10, 100))
    heard = []
    quantity.observe(lambda change: heard.append(change["new"]), "value")

    quantity.value = 37.5
    assert (quantity.box.value, quantity.slider.value, heard) == (37.5, 10, [37.5])

    quantity.slider.value = 100
    quantity.box.value = 41
    assert heard == [37.5, 100, 41]
    assert quantity.slider.value == 10


@given(
    st.lists(st.fixed_dictionaries({"t": st.integers(), "name": st.text(max_size=5)}), max_size=20)
)
def test_rows_travel_as_columns_and_arrive_as_rows(rows):
    assert by_row(by_column({"a": rows})["a"]) == rows


def test_the_front_end_loads_nothing_from_anywhere():
    own = facts.data_path().parents[0] / "lib/batchguide/widgets/live_chart.js"

    assert "http" not in own.read_text("utf-8")
    assert "import(" not in own.read_text("utf-8")
    bundle = bundled_source()
    assert len(bundle) > 500_000  # Vega is in it
    assert "batchguide-live-chart" in bundle
    assert 'from"http' not in bundle and "from 'http" not in bundle
