"""The agent's rules: upstream's own cases, and laws that hold for every instance."""

import copy
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_cases import OBSERVERS, NotUnderstoodError, check
from batchguide.disk.agent import (
    ALWAYS_EXCLUDED,
    AgentSettings,
    Images,
    ReferenceRefusedError,
    TrackedImage,
    image_cycle,
    pull_failure_stops_task,
    record_reference,
    remove_reference,
)
from batchguide.disk.agent_tasks import ImageUse, freed, sweep_task
from batchguide.disk.agent_untracked import (
    NEVER_FINISHED_S,
    UntrackedContainer,
    UntrackedImage,
    remove_untracked_containers,
    remove_untracked_images,
)

CASES_FILE = Path(
    os.environ.get("AGENT_CASES", Path(__file__).parents[1] / "cases" / "ecs-agent.json")
)
CASES: list[dict[str, Any]] = json.loads(CASES_FILE.read_text(encoding="utf-8"))["scenarios"]
DEFAULTS = AgentSettings.from_env({})


def as_parameter(case: dict[str, Any]) -> Any:
    known = case["kind"] in OBSERVERS
    reason = f"kind {case['kind']}: errors and retries are not among the rules of cleanup"
    return pytest.param(case, id=case["id"], marks=() if known else pytest.mark.skip(reason=reason))


@pytest.mark.parametrize("case", [as_parameter(case) for case in CASES])
def test_upstream_case(case: dict[str, Any]) -> None:
    check(case)


def test_the_cases_cover_every_kind() -> None:
    if "AGENT_CASES" in os.environ:
        pytest.skip("the file given may hold any kinds")
    assert set(OBSERVERS) <= {case["kind"] for case in CASES}


# --- the runner itself: nothing passes because it was not understood -----------------------------


def case_named(identifier: str) -> dict[str, Any]:
    cases = json.loads((Path(__file__).parents[1] / "cases" / "ecs-agent.json").read_text())
    return copy.deepcopy(next(each for each in cases["scenarios"] if each["id"] == identifier))


@pytest.mark.parametrize("identifier", ["img-24", "ref-01", "non-02", "task-01", "time-01"])
@pytest.mark.parametrize("part", ["config", "given", "expect"])
def test_an_unknown_word_fails_loudly(identifier: str, part: str) -> None:
    case = case_named(identifier)
    case[part]["colour"] = "blue"

    with pytest.raises(NotUnderstoodError, match="colour"):
        check(case)


@pytest.mark.parametrize(
    ("identifier", "when"),
    [
        ("img-24", "some cycles"),
        ("img-24", "three cycles at night"),
        ("ref-01", "forget c1"),
        ("ref-01", "record c1 on image I1 of the second kind"),
        ("task-01", "walk"),
        ("time-01", "run twice"),
        ("pull-01", "later"),
        ("cfg-02", "agent restarts"),
    ],
)
def test_an_unknown_step_fails_loudly(identifier: str, when: str) -> None:
    case = case_named(identifier) | {"when": when}

    with pytest.raises(NotUnderstoodError):
        check(case)


EXPECTATIONS = [
    (case["id"], key)
    for case in json.loads((Path(__file__).parents[1] / "cases" / "ecs-agent.json").read_text())[
        "scenarios"
    ]
    if case["kind"] in OBSERVERS
    for key in case["expect"]
    if key != "unit"
]


@pytest.mark.parametrize(("identifier", "key"), EXPECTATIONS)
def test_every_expectation_can_fail(identifier: str, key: str) -> None:
    case = case_named(identifier)
    case["expect"][key] = falsified(case["expect"][key])

    with pytest.raises(AssertionError):
        check(case)


def falsified(expected: Any) -> Any:
    if isinstance(expected, bool):
        return not expected
    if isinstance(expected, dict):
        return {key: falsified(value) for key, value in expected.items()}
    if isinstance(expected, list):
        return [*expected, "more"] if not expected or isinstance(expected[0], str) else expected[1:]
    return (
        1 if expected is None else f"not {expected}" if isinstance(expected, str) else expected + 7
    )


# --- laws ----------------------------------------------------------------------------------------

NAMES = st.lists(st.sampled_from(["a", "b", "a:latest", *ALWAYS_EXCLUDED]), max_size=3, unique=True)
AGE_S = st.integers(0, 8000)


@st.composite
def tracked_images(draw: st.DrawFn) -> Images:
    count = draw(st.integers(0, 12))
    return tuple(
        TrackedImage(
            image_id=f"I{number}",
            names=tuple(f"{name}-{number}" if ":" not in name else name for name in draw(NAMES)),
            pulled_at_s=-draw(AGE_S),
            last_used_at_s=-draw(AGE_S),
            references=tuple(f"c{each}" for each in range(draw(st.integers(0, 2)))),
        )
        for number in range(count)
    )


SETTINGS = st.builds(
    lambda age_s, cap, excluded: replace(
        DEFAULTS,
        image_minimum_cleanup_age_s=age_s,
        images_deleted_per_cycle=cap,
        excluded_images=excluded,
    ),
    AGE_S,
    st.integers(1, 7),
    st.sampled_from([(), ("a-1",), ("a:latest", "b-3")]),
)


@given(tracked_images(), SETTINGS, st.sets(st.integers(0, 30)))
def test_a_cycle_takes_only_what_it_may(
    images: Images, settings: AgentSettings, refused: set[int]
) -> None:
    calls: list[str] = []

    def remove(target: str) -> str | None:
        calls.append(target)
        return "conflict" if len(calls) in refused else None

    cycle = image_cycle(images, settings, 0.0, remove)

    left = {image.image_id: image for image in cycle.images}
    gone = [image for image in images if image.image_id not in left]
    touched = [image for image in images if image != left.get(image.image_id)]
    assert list(cycle.removals) == calls
    assert len(touched) <= settings.images_deleted_per_cycle
    for image in touched:
        assert not image.references
        assert -image.pulled_at_s > settings.image_minimum_cleanup_age_s
        assert not set(image.names) & {*settings.excluded_images, *ALWAYS_EXCLUDED}
    for image in gone:
        assert all(target in calls for target in image.names or (image.image_id,))
    assert not set(left) - {image.image_id for image in images}


@given(tracked_images(), SETTINGS)
def test_cycles_take_the_least_recently_used_first_and_end(
    images: Images, settings: AgentSettings
) -> None:
    removed: list[float] = []
    left = images
    for _ in images:
        cycle = image_cycle(left, settings, 0.0)
        kept = {image.image_id for image in cycle.images}
        removed += sorted(each.last_used_at_s for each in left if each.image_id not in kept)
        left = cycle.images

    assert removed == sorted(removed)
    assert image_cycle(left, settings, 0.0).images == left
    assert image_cycle(left, settings, 0.0).removals == ()


@given(tracked_images(), st.integers(0, 11), st.floats(0, 100))
def test_recording_and_removing_leaves_the_age_alone(
    images: Images, number: int, now_s: float
) -> None:
    image_id = f"I{number}"
    before = {image.image_id: image for image in images}

    recorded = record_reference(images, "new", "fresh", image_id, now_s)
    removed = remove_reference(recorded, "new", image_id, now_s + 1)

    [image] = [each for each in removed if each.image_id == image_id]
    assert image.pulled_at_s == (before[image_id].pulled_at_s if image_id in before else now_s)
    assert image.last_used_at_s == now_s + 1
    assert image.references == (before[image_id].references if image_id in before else ())
    assert [each for each in removed if each.image_id != image_id] == [
        each for each in images if each.image_id != image_id
    ]


@given(st.data())
def test_a_name_stands_with_one_image_at_most(data: st.DataObject) -> None:
    images: Images = ()
    for number in range(data.draw(st.integers(1, 8))):
        name = data.draw(st.sampled_from("xyz"))
        image_id = data.draw(st.sampled_from(["I1", "I2", "I3"]))
        images = record_reference(images, f"c{number}", name, image_id, float(number))

    names = [name for image in images for name in image.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("container", "image_id"), [("c9", "I0"), ("c1", "I9")])
def test_removing_what_is_not_there_is_refused_by_name(container: str, image_id: str) -> None:
    images = record_reference((), "c1", "one", "I0", 0.0)

    with pytest.raises(ReferenceRefusedError, match=container if image_id == "I0" else image_id):
        remove_reference(images, container, image_id, 1.0)


@given(
    wait_s=st.integers(0, 20_000),
    jitter_s=st.integers(0, 600),
    share=st.floats(0, 1, exclude_max=True),
    late_s=st.integers(0, 400_000),
    down_s=st.integers(0, 40_000),
)
def test_nothing_is_swept_before_its_time(
    wait_s: int, jitter_s: int, share: float, late_s: int, down_s: int
) -> None:
    settings = replace(DEFAULTS, task_cleanup_wait_s=wait_s, task_cleanup_wait_jitter_s=jitter_s)

    sweep = sweep_task(
        settings,
        ["c"],
        stopped_at_s=100,
        acknowledged_at_s=100 + late_s,
        now_s=100 + down_s,
        jitter_share=share,
    )

    begun_at_s = max(100 + wait_s + jitter_s * share, 100 + down_s)
    last_look_at_s = begun_at_s + 8639 * 30
    assert (sweep.swept_at_s is None) == (100 + late_s > last_look_at_s)
    if sweep.swept_at_s is not None:
        assert sweep.swept_at_s >= max(begun_at_s, 100 + late_s)
        assert sweep.swept_at_s < max(begun_at_s, 100 + late_s) + 30
        assert sweep.swept_at_s == begun_at_s + 30 * sweep.sleeps
    else:
        assert sweep.sleeps == 8640
        assert sweep.left_containers == ("c",)


@given(
    st.lists(
        st.tuples(st.sampled_from("ABCDEFG"), st.integers(0, 9000), st.integers(0, 5000)),
        min_size=1,
        max_size=12,
    ),
    SETTINGS,
    st.integers(0, 1799),
)
def test_disk_comes_back_in_order_and_at_cycles(
    jobs: list[tuple[str, int, int]], settings: AgentSettings, phase_s: int
) -> None:
    uses = [ImageUse(image, at, at + length) for image, at, length in jobs]

    result = freed(uses, settings, phase_s)

    assert set(result.layers_at_s) == set(result.images_at_s) == {use.image_id for use in uses}
    for image, at_s in result.images_at_s.items():
        assert at_s is not None
        assert (at_s - phase_s) % settings.image_cleanup_interval_s == 0
        assert at_s > result.layers_at_s[image]
    ticks = list(result.images_at_s.values())
    assert max(map(ticks.count, ticks)) <= settings.images_deleted_per_cycle


@pytest.mark.parametrize(
    "changes",
    [
        {"image_cleanup_disabled": True},
        {"pull_behavior": "prefer-cached"},
        {"excluded_images": ("I1",)},
        {"images_deleted_per_cycle": 0},
    ],
)
def test_an_image_that_is_never_freed_is_said_to_be_none(changes: dict[str, Any]) -> None:
    result = freed([ImageUse("I1", 0, 60)], replace(DEFAULTS, **changes))

    assert result.images_at_s == {"I1": None}
    assert result.layers_at_s == {"I1": 60 + 10_800}


def test_an_image_used_again_before_the_cycle_stays() -> None:
    settings = replace(DEFAULTS, task_cleanup_wait_s=120, image_cleanup_interval_s=600)

    result = freed([ImageUse("I1", 0, 4000), ImageUse("I1", 4100, 4300)], settings)

    assert result.layers_at_s == {"I1": 4420}
    assert result.images_at_s == {"I1": 4800}


# --- what ECS did not start ----------------------------------------------------------------------

UNTRACKED = replace(DEFAULTS, untracked_image_cleanup_enabled=True)
OLD = {"pulled_at_s": -7200, "last_used_at_s": -7200}


@pytest.mark.parametrize(("tracked_count", "expected"), [(0, 5), (1, 4), (4, 1), (5, 1), (8, 1)])
def test_the_quota_slip(tracked_count: int, expected: int) -> None:
    images = [TrackedImage(f"I{n}", (f"n{n}",), **OLD) for n in range(tracked_count)]
    others = [UntrackedImage(f"X{n}", (), -7200, n) for n in range(9)]

    cycle = image_cycle(images, UNTRACKED, 0.0)

    asked = remove_untracked_images(others, cycle, UNTRACKED, 0.0)
    assert asked == tuple(f"X{n}" for n in range(expected))


def test_refused_untracked_images_do_not_use_up_the_quota() -> None:
    others = [UntrackedImage(f"X{n}", (), -7200, n) for n in range(9)]
    cycle = image_cycle((), UNTRACKED, 0.0)

    asked = remove_untracked_images(
        others, cycle, UNTRACKED, 0.0, lambda target: "in use" if target in ("X0", "X3") else None
    )

    assert asked == tuple(f"X{n}" for n in range(7))


def test_refused_containers_do_not_count_against_the_cap() -> None:
    containers = [UntrackedContainer(str(n), "exited", -90_000) for n in range(8)]

    asked = remove_untracked_containers(
        containers, UNTRACKED, 0.0, lambda target: "busy" if target in "01" else None
    )

    assert asked == ("0", "1", "2", "3", "4", "5", "6")


@pytest.mark.parametrize(
    ("status", "finished_at_s", "expected"),
    [
        ("exited", -10_801, True),
        ("exited", -10_800, False),  # exactly the wait
        ("dead", -10_801, True),
        ("created", NEVER_FINISHED_S, True),
        ("created", 0, False),
        ("running", NEVER_FINISHED_S, False),
        ("paused", -10_801, False),
        ("exited", None, False),
    ],
)
def test_which_containers_are_removed(
    status: str, finished_at_s: float | None, expected: bool
) -> None:
    container = UntrackedContainer("c", status, finished_at_s)

    assert remove_untracked_containers([container], UNTRACKED, 0.0) == (("c",) if expected else ())


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [("default", False), ("always", True), ("once", True), ("prefer-cached", False)],
)
def test_which_pull_failures_end_the_task(behavior: str, expected: bool) -> None:
    assert pull_failure_stops_task(replace(DEFAULTS, pull_behavior=behavior)) is expected


@pytest.mark.parametrize(("age_s", "expected"), [(3600, ()), (3601, ("X",))])
def test_an_untracked_image_must_be_older_than_the_minimum(
    age_s: int, expected: tuple[str, ...]
) -> None:
    image = UntrackedImage("X", ("one",), -age_s, 1)

    assert remove_untracked_images([image], image_cycle((), UNTRACKED, 0), UNTRACKED, 0) == expected


@pytest.mark.parametrize(("ack_at_s", "swept_at_s"), [(90, 90), (91, None), (None, None)])
def test_the_last_look_for_the_acknowledgement(
    ack_at_s: int | None, swept_at_s: int | None
) -> None:
    settings = replace(DEFAULTS, task_cleanup_wait_s=60)

    sweep = sweep_task(settings, ["c"], stopped_at_s=0, acknowledged_at_s=ack_at_s, max_ack_polls=2)

    assert sweep.swept_at_s == swept_at_s
    assert sweep.removals == (() if swept_at_s is None else ("c",))
