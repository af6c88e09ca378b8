"""Settings as the agent reads them: each side of each edge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchguide import facts
from batchguide.disk.agent_config import (
    FIELD_OF_VARIABLE,
    AgentSettings,
    constant_count,
    constant_s,
    known_settings,
    parse_go_bool,
    parse_go_duration_s,
)

DURATIONS = [
    # from the table of Go's own time_test.go, and its error cases
    ("0", 0), ("5s", 5), ("+5s", 5), ("-5s", -5), ("-0", 0), ("+0", 0), ("5.0s", 5), ("5.6s", 5.6),
    ("5.s", 5), (".5s", 0.5), ("1.0040s", 1.004), ("100.00100s", 100.001), ("10ns", 1e-8),
    ("11us", 1.1e-5), ("12µs", 1.2e-5), ("12μs10ns", 1.201e-5), ("13ms", 0.013), ("3h30m", 12_600),
    ("10.5s4m", 250.5), ("-2m3.4s", -123.4), ("1h2m3s4ms5us6ns", 3723.004005006),
    ("39h9m14.425s", 140_954.425), ("0.9223372036854775807h", 3320.413933267),
    ("9223372036854775807ns", 9223372036.854775807), ("-9223372036854775808ns", -9223372036.854775),
    ("", None), ("3", None), ("-", None), ("s", None), (".", None), ("-.", None), (".s", None),
    ("+.s", None), ("1d", None), ("10 m", None), (" 10m", None), ("10m ", None), ("'10m'", None),
    ("9223372036854775808ns", None), ("9223372036854775.808us", None), ("3000000h", None),
    ("--3m", None), ("1e3s", None), ("1_000s", None), ("١s", None), ("10M", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_go_durations(text: str, seconds: float | None) -> None:
    assert parse_go_duration_s(text) == (None if seconds is None else pytest.approx(seconds))


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59_999))
def test_the_parts_of_a_duration_add_up(hours: int, minutes: int, millis: int) -> None:
    text = f"{hours}h{minutes}m{millis}ms"

    assert parse_go_duration_s(text) == pytest.approx(hours * 3600 + minutes * 60 + millis / 1000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(text, True) for text in ("1", "t", "T", "true", "TRUE", "True", " true\n")],
        *[(text, False) for text in ("0", "f", "F", "false", "FALSE", "False")],
        *[(text, None) for text in ("", "yes", "on", "tRUE", "2", "'true'")],
    ],
)
def test_go_booleans(text: str, value: bool | None) -> None:
    assert parse_go_bool(text) is value


EFFECTIVE = [
    ("ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", "10m", 600),
    ("ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", "1s", 1),
    ("ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", "999ms", 10_800),
    ("ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", "-1h", 10_800),
    ("ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION", "600", 10_800),
    ("ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER", "90s", 90),
    ("ECS_IMAGE_CLEANUP_INTERVAL", "10m", 600),
    ("ECS_IMAGE_CLEANUP_INTERVAL", "9m59s", 1800),
    ("ECS_IMAGE_CLEANUP_INTERVAL", '"10m"', 1800),
    ("ECS_IMAGE_MINIMUM_CLEANUP_AGE", "1ns", 1e-9),
    ("ECS_IMAGE_MINIMUM_CLEANUP_AGE", "-5m", -300),
    ("ECS_IMAGE_MINIMUM_CLEANUP_AGE", "0s", 3600),
    ("NON_ECS_IMAGE_MINIMUM_CLEANUP_AGE", "30m", 1800),
    ("ECS_NUM_IMAGES_DELETE_PER_CYCLE", "1", 1),
    ("ECS_NUM_IMAGES_DELETE_PER_CYCLE", "0", 5),
    ("ECS_NUM_IMAGES_DELETE_PER_CYCLE", "-1", 5),
    ("ECS_NUM_IMAGES_DELETE_PER_CYCLE", "ten", 5),
    ("ECS_NUM_IMAGES_DELETE_PER_CYCLE", "99999999999999999999", 2**63 - 1),
    ("NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE", "-3", -3),
    ("ECS_DISABLE_IMAGE_CLEANUP", "T", True),
    ("ECS_DISABLE_IMAGE_CLEANUP", "yes", False),
    ("ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP", "1", True),
    ("ECS_EXCLUDE_UNTRACKED_IMAGE", "a:1,b", ("a:1", "b")),
    ("ECS_EXCLUDE_UNTRACKED_IMAGE", "a, b", ("a", " b")),
    ("ECS_EXCLUDE_UNTRACKED_IMAGE", "", ()),
    ("ECS_IMAGE_PULL_BEHAVIOR", "prefer-cached", "prefer-cached"),
    ("ECS_IMAGE_PULL_BEHAVIOR", "Always", "default"),
    ("ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT", "true", True),
    ("ECS_IMAGE_PULL_INACTIVITY_TIMEOUT", "59s", 60),
    ("ECS_IMAGE_PULL_INACTIVITY_TIMEOUT", "61s", 61),
    ("ECS_IMAGE_PULL_TIMEOUT", "1s", 1),
    ("ECS_MANIFEST_PULL_TIMEOUT", "29s", 30),
    ("ECS_MANIFEST_PULL_TIMEOUT", "0s", 60),
    ("ECS_CONTAINER_CREATE_TIMEOUT", "59s", 60),
    ("ECS_CONTAINER_CREATE_TIMEOUT", "x", 240),
    ("ECS_CONTAINER_START_TIMEOUT", "44s", 45),
    ("ECS_CONTAINER_START_TIMEOUT", "0s", 180),
    ("ECS_CONTAINER_STOP_TIMEOUT", "999ms", 1),
    ("ECS_CONTAINER_STOP_TIMEOUT", "", 30),
    ("ECS_RESERVED_MEMORY", "65535", 65_535),
    ("ECS_RESERVED_MEMORY", "65536", 0),
    ("ECS_RESERVED_MEMORY", "+1", 0),
    ("ECS_DISABLE_METRICS", "true", True),
    ("ECS_POLL_METRICS", "true", True),
]


@pytest.mark.parametrize(("variable", "text", "expected"), EFFECTIVE)
def test_effective_value(variable: str, text: str, expected: object) -> None:
    settings = AgentSettings.from_env({variable: text})

    assert getattr(settings, FIELD_OF_VARIABLE[variable]) == expected


def test_every_variable_is_tried_above() -> None:
    tried = {variable for variable, _, _ in EFFECTIVE} | {"ECS_POLLING_METRICS_WAIT_DURATION"}

    assert tried == set(FIELD_OF_VARIABLE)


@pytest.mark.parametrize(
    ("polls", "wait", "expected"),
    [
        ("true", "21s", 20),
        ("true", "1s", 5),
        ("true", "0s", 10),
        ("false", "21s", 21),
        ("", "1s", 1),
    ],
)
def test_polling_wait_is_limited_only_while_polling(polls: str, wait: str, expected: int) -> None:
    variables = {"ECS_POLL_METRICS": polls, "ECS_POLLING_METRICS_WAIT_DURATION": wait}

    assert AgentSettings.from_env(variables).polling_metrics_wait_s == expected


def test_profiles_are_read_like_any_configuration() -> None:
    default, batch = (
        AgentSettings.of_profile(facts.agent_profiles()[name])
        for name in ("ecs-default", "batch-managed")
    )

    assert default == AgentSettings.from_env({})
    assert (batch.task_cleanup_wait_s, batch.image_cleanup_interval_s) == (120, 600)
    assert (batch.image_minimum_cleanup_age_s, batch.reserved_memory_mib) == (600, 32)


def test_a_profile_with_something_changed() -> None:
    settings = AgentSettings.of_profile(
        facts.agent_profiles()["batch-managed"], task_cleanup_wait_s=10_800
    )

    assert (settings.task_cleanup_wait_s, settings.image_cleanup_interval_s) == (10_800, 600)


def test_the_table_has_what_the_code_asks_for() -> None:
    configurable = {name for name, each in known_settings().items() if each.kind != "constant"}

    assert configurable == set(FIELD_OF_VARIABLE)
    assert constant_s("InspectContainerTimeout") == 30
    assert (
        constant_count("maxStoppedWaitTimes") * constant_s("stoppedSentWaitInterval") == 72 * 3600
    )
    with pytest.raises(ValueError, match="maxStoppedWaitTimes is no duration: '8640'"):
        constant_s("maxStoppedWaitTimes")
