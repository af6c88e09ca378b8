"""A scenario is read whole, or refused by the dotted name of what is wrong."""

import contextlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchguide.disk.fields import P95_Z, ScenarioError, Spread
from batchguide.disk.scenario import (
    MAX_JOBS,
    Burst,
    Scenario,
    dump_yaml,
    load_scenario,
)
from batchguide.errors import UserError

NOTES = """
name: the notes' example
job:
  {vcpus: 1, memory_mib: 8192, duration_s: {median: 270, p95: 290}, writes_mib: 20, logs_mib: 0.1}
image: {size_gib: 1.6, compressed_gib: 0.55, layers: 8, distinct: 1, storage: shared-layers}
instance: {type: r5.24xlarge}
volume: {type: gp2, size_gib: 8, used_gib: 0}
agent: {profile: ecs-default, task_cleanup_wait_s: 10800}
fleet: {instances: 1, scale_out: never}
bursts: [{at_s: 0, jobs: 200}, {at_s: 150, jobs: 200}]
pull_mibps: 200
attempts: 1
seed: 0
"""


def scenario(**sections):
    return Scenario.from_dict({"bursts": [{"at_s": 0, "jobs": 1}], **sections})


def test_the_documented_file_is_read_as_it_says():
    read = load_scenario(NOTES)

    assert read.name == "the notes' example"
    assert read.job.duration_s == Spread(270.0, 290.0)
    assert read.volume.size_gib == 8.0
    assert read.volume.used_gib == 0.0
    assert read.agent.changes() == {"task_cleanup_wait_s": 10_800.0}
    assert read.bursts == (Burst(0.0, 200), Burst(150.0, 200))
    assert read.jobs == 400


def test_every_key_is_optional_but_bursts():
    assert load_scenario("bursts: [{at_s: 0, jobs: 3}]\n").jobs == 3
    with pytest.raises(ScenarioError, match=r"^bursts is missing"):
        load_scenario("name: empty\n")


def test_a_path_is_read_as_its_text(tmp_path):
    path = tmp_path / "notes.yaml"
    path.write_text(NOTES, encoding="utf-8")

    assert load_scenario(path) == load_scenario(NOTES) == load_scenario(str(path))


def test_a_scenario_survives_its_own_file():
    read = load_scenario(NOTES)
    assert load_scenario(dump_yaml(read)) == read
    assert Scenario.from_dict(read.to_dict()) == read


@pytest.mark.parametrize(
    ("sections", "name"),
    [
        ({"jobs": 1}, "jobs is not a key; did you mean job"),
        ({"volume": {"size": 8}}, "volume.size is not a key"),
        ({"volume": {"size_gib": -8}}, "volume.size_gib is -8"),
        ({"volume": {"size_gib": 0}}, "volume.size_gib is 0"),
        ({"volume": {"size_gib": math.nan}}, "volume.size_gib is nan"),
        ({"volume": {"size_gib": math.inf}}, "volume.size_gib is inf"),
        ({"volume": {"size_gib": "8"}}, "volume.size_gib is '8'"),
        ({"volume": {"size_gib": True}}, "volume.size_gib is True"),
        ({"volume": {"type": "gp2", "size_gib": 20_000}}, "volume.size_gib is 20000: a gp2"),
        ({"volume": {"type": "gp9"}}, "volume.type is 'gp9': it must be a known volume type"),
        ({"volume": []}, r"volume is \[\]: it must be a mapping"),
        ({"job": {"vcpus": 0}}, "job.vcpus is 0"),
        ({"job": {"memory_mib": 0.5}}, "job.memory_mib is 0.5: it must be a whole number"),
        ({"job": {"duration_s": 0}}, "job.duration_s is 0"),
        ({"job": {"duration_s": {"median": 9, "p95": 3}}}, "job.duration_s.p95 is 3"),
        ({"job": {"duration_s": {"p95": 3}}}, "job.duration_s.median is missing"),
        ({"job": {"duration_s": {"observed": []}}}, r"job.duration_s.observed is \[\]"),
        ({"job": {"writes_mib": {"observed": [1, -1]}}}, r"job.writes_mib.observed\[1\] is -1"),
        ({"job": {"log_driver": "nothing"}}, "job.log_driver is 'nothing'"),
        ({"instance": {"type": "r5.24xlargee"}}, "instance.type is .*r5.24xlarge"),
        ({"instance": {"vcpus": 4}}, "instance: give a type, or both vcpus and memory_mib"),
        ({"agent": {"profile": "mine"}}, "agent.profile is 'mine'"),
        ({"agent": {"image_cleanup_interval_s": 60}}, "agent.image_cleanup_interval_s is 60"),
        ({"agent": {"task_cleanup_wait_s": 0}}, "agent.task_cleanup_wait_s is 0"),
        ({"fleet": {"instances": 0}}, "fleet.instances is 0"),
        ({"fleet": {"scale_out": "maybe"}}, "fleet.scale_out is 'maybe'"),
        ({"image": {"layers": 200}}, "image.layers is 200"),
        ({"image": {"layers": 3, "shared_layers": 4}}, "image.shared_layers is 4"),
        ({"image": {"layers": [{"digest": "a"}]}}, r"image.layers\[0\].size_gib is missing"),
        ({"image": {"storage": "copies"}}, "image.storage is 'copies'"),
        ({"bursts": []}, r"bursts is \[\]"),
        ({"bursts": [{"at_s": -1, "jobs": 1}]}, r"bursts\[0\].at_s is -1"),
        ({"bursts": [{"at_s": 0, "jobs": 10_000_000}]}, "bursts have 10,000,000 jobs"),
        ({"bursts": [{"at_s": 0, "jobs": 0}]}, "bursts have 0 jobs"),
        ({"attempts": 11}, "attempts is 11"),
        ({"pull_mibps": 0}, "pull_mibps is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"name": 3}, "name is 3"),
    ],
)
def test_what_is_wrong_is_refused_by_its_dotted_name(sections, name):
    with pytest.raises(ScenarioError, match=f"^{name}"):
        scenario(**sections)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &a [*a]\nbursts: 1\n", r"YAML alias \*a"),
        ("a: &a [1]\nbursts: [*a, *a]\n", r"YAML alias \*a"),
        ("bursts: [\n", "not YAML"),
        ("bursts: !!python/object/apply:os.system [x]\n", "not YAML"),
        ("- 1\n- 2\n", "it must be a mapping"),
        ("", "can't read the scenario"),
        ("[" * 1_500 + ":\n", "not YAML"),
        ("no/such/file.yaml", "can't read the scenario"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused_in_a_sentence(text, says):
    with pytest.raises(ScenarioError, match=says) as caught:
        load_scenario(text)
    assert isinstance(caught.value, UserError)
    assert "\n" not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
@settings(deadline=None, max_examples=200)  # fmt: skip
def test_anything_at_all_is_a_scenario_or_a_scenario_error(thing):
    for given_ in (thing, {"bursts": thing}, {"bursts": [{"at_s": 0, "jobs": 1}], "job": thing}):
        with contextlib.suppress(ScenarioError):
            Scenario.from_dict(given_)


def test_the_most_jobs_there_can_be():
    assert scenario(bursts=[{"at_s": 0, "jobs": MAX_JOBS}]).jobs == MAX_JOBS
    with pytest.raises(ScenarioError):
        scenario(bursts=[{"at_s": 0, "jobs": MAX_JOBS}, {"at_s": 1, "jobs": 1}])


def test_bursts_are_taken_in_order_of_time():
    read = scenario(bursts=[{"at_s": 9, "jobs": 1}, {"at_s": 2, "jobs": 5}])
    assert [burst.at_s for burst in read.bursts] == [2.0, 9.0]


def test_changed_merges_section_by_section():
    read = load_scenario(NOTES).changed({"volume": {"size_gib": 100}, "seed": 3})
    assert (read.volume.type, read.volume.size_gib, read.seed) == ("gp2", 100.0, 3)
    with pytest.raises(ScenarioError, match=r"volume.size_gib is -1"):
        read.changed({"volume": {"size_gib": -1}})


def test_images_by_their_layers_with_weights():
    base = {"digest": "base", "size_gib": 1, "compressed_gib": 0.4}
    own = {"digest": "own", "size_gib": 0.5, "compressed_gib": 0.2}
    read = scenario(
        image={"images": [{"name": "a", "layers": [base]}, {"layers": [base, own], "weight": 3}]}
    )
    assert [image.weight for image in read.image.listed()] == [1.0, 3.0]
    assert [len(image.layers) for image in read.image.listed()] == [1, 2]
    one = scenario(image={"layers": [base, own]})
    assert sum(layer.size_gib for layer in one.image.listed()[0].layers) == 1.5
    with pytest.raises(ScenarioError, match="not both"):
        scenario(image={"layers": [base], "images": [{"layers": [base]}]})


def test_a_spread_meets_its_median_and_95th_percentile():
    spread = Spread(270.0, 290.0)
    assert spread.quantile(0.0) == 270.0
    assert spread.quantile(P95_Z) == pytest.approx(290.0)
    seen = Spread(2.0, observed=(1.0, 2.0, 9.0))
    assert {seen.quantile(z / 10) for z in range(-30, 31)} == {1.0, 2.0, 9.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nseed: 2\nbursts: [{at_s: 0, jobs: 1}]\n", r"^seed is given twice .*line 2"),
        ("bursts: [{at_s: 0, jobs: 1, jobs: 2}]\n", r"^jobs is given twice"),
        ('name: "\\ud800"\nbursts: [{at_s: 0, jobs: 1}]\n', r"^name is .*Unicode text"),
        ("pull_mibps: 1.0e-300\nbursts: [{at_s: 0, jobs: 1}]\n", r"^pull_mibps is 1e-300"),
        ("bursts: [{at_s: -1, jobs: 1}]\n", r"from 0 to 315,360,000 s$"),
    ],
)
def test_what_yaml_would_swallow_is_refused(text, said):
    with pytest.raises(ScenarioError, match=said):
        load_scenario(text)


def test_a_missing_file_is_named_once(tmp_path):
    with pytest.raises(ScenarioError, match=r"can't read the scenario .*/no.yaml: No such file"):
        load_scenario(tmp_path / "no.yaml")
