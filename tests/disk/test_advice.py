"""Advice is what was run: every bound has its proof, every alternative its result."""

import json

import numpy as np
import pytest

from batchguide.disk import advice, draws, uncertainty
from batchguide.disk.advice import (
    advise,
    estimate,
    largest_burst,
    longest_wait,
    probability_full,
    safe_containers,
    smallest_volume,
    sweep,
)
from batchguide.disk.outcome import simulate
from batchguide.disk.scenario import Scenario
from batchguide.errors import UserError
from batchguide.units import GIB

RISK = 0.05


@pytest.fixture(autouse=True)
def as_it_stands(monkeypatch):
    monkeypatch.setenv("BATCHGUIDE_ENGINE", "interpreted")


def scenario(**changes):
    """Forty jobs of about 100 MiB on six slots and 4 GiB: full before the fortieth."""
    plain = {
        "job": {
            "memory_mib": 1_024,
            "duration_s": {"median": 60, "p95": 90},
            "writes_mib": {"median": 100, "p95": 200},
            "logs_mib": 0,
        },
        "image": {"size_gib": 1.0, "compressed_gib": 0.3},
        "instance": {"vcpus": 6, "memory_mib": 8_192, "ami": "custom"},
        "volume": {"type": "gp3", "size_gib": 4, "used_gib": 0},
        "agent": {"profile": "ecs-default"},
        "bursts": [{"at_s": 0, "jobs": 20}, {"at_s": 200, "jobs": 20}],
    }
    return Scenario.from_dict(plain).changed(changes)


def test_a_smallest_volume_is_safe_and_one_gib_less_is_not():
    bound = smallest_volume(scenario(), RISK)

    assert bound.safe is not None
    assert bound.unsafe is not None
    assert bound.safe.value == bound.unsafe.value + 1
    for point in (bound.safe, bound.unsafe):
        at = scenario(volume={"size_gib": point.value})
        assert probability_full(at) == point.probability_full
    assert bound.safe.probability_full <= RISK < bound.unsafe.probability_full
    linear_gib = 1.0 + 40 * 115 / 1024
    assert bound.value == pytest.approx(linear_gib, rel=0.35)


@pytest.mark.parametrize("find", [largest_burst, safe_containers, longest_wait])
def test_a_limit_carries_the_runs_on_both_sides_of_it(find):
    bound = find(scenario(), RISK)

    for point in (bound.safe, bound.unsafe):
        if point is not None:
            assert (point.probability_full <= RISK) == (point is bound.safe)
    if bound.safe and bound.unsafe:
        assert bound.unsafe.value - bound.safe.value == 1
    assert bound.value is None or bound.value >= 1


def test_a_scenario_without_limit_says_so():
    tiny = scenario(volume={"size_gib": 2_000}, job={"writes_mib": 1})
    assert safe_containers(tiny, RISK).unsafe is None
    assert longest_wait(tiny, RISK).unsafe is None
    # gp2 ends at 16,384 GiB; nothing but the image's size matters
    vast = scenario(
        image={"size_gib": 30_000, "compressed_gib": 1},
        volume={"type": "gp2"},
        job={"duration_s": 60, "writes_mib": 0},
    )
    assert smallest_volume(vast, RISK).value is None


def test_no_risk_at_all_asks_for_at_least_as_much():
    unsure = scenario(job={"writes_mib": {"median": 100, "p95": 1_000}})
    careful, easy = smallest_volume(unsure, 0.0), smallest_volume(unsure, 0.5)
    assert careful.value is not None
    assert easy.value is not None
    assert careful.value > easy.value


def test_alternatives_do_what_they_say():
    found = {each.id: each for each in advise(scenario(), RISK)}

    assert {"larger-volume", "batch-agent-settings", "clean-scratch", "slimmer-image"} <= set(found)
    for each in found.values():
        changed = scenario().changed(each.change)
        assert probability_full(changed) == each.probability_full
        assert each.safe == (each.probability_full <= RISK)
        assert each.outcome.jobs_failed == simulate(changed, timeline=False).jobs_failed
        assert each.title in each.sentence
    larger = found["larger-volume"]
    assert larger.safe
    assert len(larger.proof) == 2
    price = 0.08  # of a GiB of gp3 a month
    added_gib = larger.change["volume"]["size_gib"] - 4
    assert larger.cost_usd_month == pytest.approx(added_gib * price)


def test_alternatives_come_best_first():
    found = advise(scenario(), RISK)

    assert [each.safe for each in found] == sorted((each.safe for each in found), reverse=True)
    costs = [each.cost_usd_month for each in found if each.safe and each.cost_usd_month is not None]
    assert costs == sorted(costs)


def test_what_is_safe_needs_no_advice_and_what_cannot_run_gets_none():
    assert advise(scenario(volume={"size_gib": 500}), RISK) == ()
    assert advise(scenario(job={"vcpus": 50}), RISK) == ()
    assert advice.limits(scenario(job={"vcpus": 50}), RISK) == ()


def test_an_unknown_price_is_unknown_and_not_nothing(monkeypatch):
    monkeypatch.setattr(advice, "_usd_per_hour", lambda name: None)
    found = {each.id: each for each in advise(scenario(), RISK)}
    assert found["more-instances"].cost_usd_month is None
    assert "cost unknown" in found["more-instances"].sentence


def test_the_document_with_everything():
    document = estimate(scenario(), replications=40, advice=True, risk=RISK)

    assert 0 <= document["probability_full"] <= 1
    assert set(document["uncertainty"]["peak_used_gib"]) == {"p50", "p90", "p99"}
    assert isinstance(document["peak_used_gib"], float)
    assert document["advice"]
    assert {"id", "title", "change", "sentence", "proof"} <= set(document["advice"][0])
    assert json.loads(json.dumps(document, allow_nan=False))


@pytest.mark.parametrize(
    "wrong", [{"risk": -0.1}, {"risk": 1.0}, {"risk": float("nan")}, {"replications": 0},
              {"replications": 10**6}],
)  # fmt: skip
def test_wrong_arguments_are_refused_by_name(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        estimate(scenario(), **wrong)


# --- uncertainty ------------------------------------------------------------------------------


def test_replications_are_runs_with_other_luck():
    sure = uncertainty.uncertainty(scenario(volume={"size_gib": 50}), 60)

    peaks = sure.peak_used_gib
    assert peaks["p50"] < peaks["p90"] <= peaks["p99"]
    assert sure.probability_full == 0.0
    assert sure.full_at_s is None
    mean_mib = 100 * np.exp((np.log(2) / 1.645) ** 2 / 2)
    assert peaks["p50"] == pytest.approx(1.0 + 40 * mean_mib / 1024, rel=0.05)


def test_the_first_replication_is_the_plain_run():
    plain = simulate(scenario(), timeline=False)
    on = draws.ground(scenario())
    runs = uncertainty.replicate_scenario(scenario(), on, 3)
    assert runs.peak[0] / GIB == pytest.approx(plain.peak_used_gib)
    assert runs.failed[0] == len(plain.failures)


def test_the_chance_of_a_full_volume_rises_from_nothing_to_certainty():
    sizes = (3, 5, 6, 7, 30)
    chances = [probability_full(scenario(volume={"size_gib": size})) for size in sizes]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 1.0
    assert chances[-1] == 0.0


def test_an_image_of_uncertain_size_differs_from_run_to_run_and_not_in_the_plain_one():
    unsure = scenario(image={"size_gib": {"median": 1.0, "p95": 3.0}}, volume={"size_gib": 90})
    on = draws.ground(unsure)
    quiet = unsure.changed({"job": {"writes_mib": 0, "duration_s": 60}})
    runs = uncertainty.replicate_scenario(quiet, on, 30)
    assert len(set(runs.peak.tolist())) == 30
    assert draws.inputs_of(quiet, on).layer_bytes.sum() / GIB == pytest.approx(1.0, rel=1e-3)


def test_what_does_not_vary_runs_once():
    fixed = scenario(job={"duration_s": 60, "writes_mib": 100})
    assert not uncertainty.varies(fixed)
    assert uncertainty.varies(scenario())
    assert uncertainty.varies(fixed.changed({"agent": {"task_cleanup_wait_jitter_s": 5}}))


def test_the_widest_bar_of_the_tornado_is_what_the_jobs_write():
    bars = uncertainty.tornado(scenario())
    assert bars[0].input == "job.writes_mib"
    assert bars[0].needed_low_gib < bars[0].needed_high_gib
    assert [bar.swing_gib for bar in bars] == sorted((b.swing_gib for b in bars), reverse=True)
    assert len(bars) == 4


def test_a_tornado_sees_the_need_beyond_the_volume():
    need = uncertainty.needed_gib(scenario())
    assert need > draws.ground(scenario()).capacity_gib
    assert need == pytest.approx(uncertainty.needed_gib(scenario(volume={"size_gib": 400})))


def test_a_sweep_is_a_row_for_each_scenario():
    grid = [scenario(name=f"{size} GiB", volume={"size_gib": size}) for size in (3, 50)]
    rows = sweep(grid, replications=10)
    assert [row["name"] for row in rows] == ["3 GiB", "50 GiB"]
    assert [row["failed"] > 0 for row in rows] == [True, False]
    assert [row["probability_full"] for row in rows] == [1.0, 0.0]
    assert sweep([scenario(job={"vcpus": 50})])[0]["verdict"].startswith("no slot")


@pytest.mark.parametrize(("iops", "least"), [(3_000, 1), (15_000, 30)])
def test_no_volume_is_tried_that_cannot_take_the_iops_asked_for(iops, least):
    few = Scenario.from_dict(
        {
            "bursts": [{"at_s": 0, "jobs": 3}],
            "image": {"size_gib": 0.1},
            "volume": {"type": "gp3", "size_gib": 40, "iops": iops, "used_gib": 0},
        }
    )

    found = advice.smallest_volume(few)

    assert found.value == least
    assert found.unsafe is None
