"""Plays the cases of tests/cases/ecs-agent.json on the agent's rules.

`observe(case)` returns everything that can be said of what happened; `check(case)` compares what
the case expects. A word that is not in the vocabulary (a setting, a fact given, a step, an
expectation) is an error: a case must never pass because nobody understood it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import nextafter
from typing import Any

from batchguide.disk.agent import (
    Images,
    ReferenceRefusedError,
    TrackedImage,
    image_cycle,
    pull_failure_stops_task,
    pull_required,
    record_reference,
    remove_reference,
)
from batchguide.disk.agent_config import FIELD_OF_VARIABLE, AgentSettings
from batchguide.disk.agent_tasks import ImageUse, Sweep, freed, sweep_task
from batchguide.disk.agent_untracked import (
    NEVER_FINISHED_S,
    UntrackedContainer,
    UntrackedImage,
    remove_untracked_containers,
    remove_untracked_images,
    untracked_cleanup_runs,
)

Case = Mapping[str, Any]
STEP_S = 1e-6  # between two steps of a case: enough to tell their times apart

FIELDS = {
    "min_age_s": "image_minimum_cleanup_age_s",
    "per_cycle": "images_deleted_per_cycle",
    "interval_s": "image_cleanup_interval_s",
    "exclude": "excluded_images",
    "pull_behavior": "pull_behavior",
    "cleanup_disabled": "image_cleanup_disabled",
    "disable_cleanup": "image_cleanup_disabled",
    "disable_image_cleanup": "image_cleanup_disabled",
    "image_cleanup_disabled": "image_cleanup_disabled",
    "untracked_cleanup": "untracked_image_cleanup_enabled",
    "nonecs_containers_cap": "untracked_containers_deleted_per_cycle",
    "nonecs_container_wait_s": "task_cleanup_wait_s",
    "nonecs_min_age_s": "untracked_image_minimum_age_s",
    "wait_s": "task_cleanup_wait_s",
    "jitter_s": "task_cleanup_wait_jitter_s",
    "wait_jitter_s": "task_cleanup_wait_jitter_s",
}
NUMBERS = {
    "a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "hundred": 100, "thousand": 1000,
}  # fmt: skip

AT_ONCE = (
    "at once", "at the same time", "concurrently", "in parallel", "simultaneously", "together",
)  # fmt: skip


class NotUnderstoodError(AssertionError):
    """The case says something that this runner has no word for."""


def check(case: Case) -> None:
    """Fail unless everything the case expects was observed."""
    seen = OBSERVERS[case["kind"]](case)
    assert case["expect"], "a case that expects nothing"
    for key, expected in case["expect"].items():
        if key not in seen:
            raise NotUnderstoodError(f"expectation {key!r}; known: {sorted(seen)}")
        observed = seen[key](expected) if callable(seen[key]) else seen[key]
        assert alike(observed, expected), f"{key}: {observed!r}, expected {expected!r}"


def alike(observed: Any, expected: Any) -> bool:
    if isinstance(expected, Mapping) and isinstance(observed, Mapping):
        return all(key in observed and alike(observed[key], expected[key]) for key in expected)
    if isinstance(expected, (list, tuple)) and isinstance(observed, (list, tuple)):
        return len(observed) == len(expected) and all(map(alike, observed, expected))
    if isinstance(expected, bool) or isinstance(observed, bool):
        return observed is expected
    if isinstance(expected, (int, float)) and isinstance(observed, (int, float)):
        return abs(observed - expected) <= 100 * STEP_S
    return bool(observed == expected)


def settings_of(case: Case, *others: str) -> AgentSettings:
    """The default settings with the case's; `others` are config keys that the caller reads."""
    config = {key: value for key, value in case["config"].items() if key not in others}
    only(config, FIELDS, "config")
    changes = {FIELDS[key]: value for key, value in config.items()}
    if "excluded_images" in changes:
        changes["excluded_images"] = tuple(changes["excluded_images"])
    return replace(AgentSettings.from_env({}), **changes)


def only(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    unknown = set(given) - set(known)
    if unknown:
        raise NotUnderstoodError(f"{where}: {sorted(unknown)}; known: {sorted(known)}")


# --- Docker, as a case describes it --------------------------------------------------------------


class Docker:
    """Answers removals as the case says: an error text, or None."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}

    def describe(self, item: Mapping[str, Any], targets: Iterable[str]) -> None:
        error = item.get("rmi_error", item.get("rm_error"))
        error = "refused" if error is True else error
        if isinstance(error, Mapping):
            self.errors |= error
        elif error:
            self.errors |= dict.fromkeys(item.get("rmi_error_on", targets), error)
        self.errors |= item.get("rmi_errors", {})

    def remove(self, target: str) -> str | None:
        return self.errors.get(target)


IMAGE_KEYS = (
    "id", "names", "pulled_ago_s", "last_used_ago_s", "refs", "rmi_error", "rmi_errors",
    "rmi_error_on", "pull_succeeded", "size",
)  # fmt: skip


def tracked(case: Case, docker: Docker) -> Images:
    return tuple(_tracked(item, docker) for item in case["given"].get("images", ()))


def _tracked(item: Mapping[str, Any], docker: Docker) -> TrackedImage:
    only(item, IMAGE_KEYS, "image")
    docker.describe(item, item["names"] or [item["id"]])
    return TrackedImage(
        image_id=item["id"],
        names=tuple(item["names"]),
        pulled_at_s=-item["pulled_ago_s"],
        last_used_at_s=-item["last_used_ago_s"],
        references=tuple(item.get("refs", ())),
        pull_succeeded=bool(item.get("pull_succeeded")),
        size_bytes=item.get("size", 0),
    )


def states(images: Images) -> dict[str, Any]:
    names = {image.image_id: list(image.names) for image in images}
    return {
        "images_left": lambda expected: in_order_of([image.image_id for image in images], expected),
        "names": names,
        "names_left": names,
        "refs": {image.image_id: list(image.references) for image in images},
        "state_count": len(images),
    }


def in_order_of(observed: list[str], expected: list[str]) -> list[str]:
    """A set, in the order in which the case writes it."""
    return sorted(observed, key=lambda each: expected.index(each) if each in expected else -1)


# --- image_cycle and untracked -------------------------------------------------------------------


def observe_image_cycle(case: Case) -> dict[str, Any]:
    only(case["given"], ("images",), "given")
    settings = settings_of(case)
    docker = Docker()
    images = tracked(case, docker)
    cycles, gap_s = cycles_of(case["when"], settings)
    calls: list[list[str]] = []
    for number in range(cycles):
        cycle = image_cycle(images, settings, number * gap_s, docker.remove)
        calls.append(list(cycle.removals))
        images = cycle.images
    return (
        states(images)
        | calls_seen("rmi_calls", [call for each in calls for call in each])
        | {
            "per_cycle_counts": [len(each) for each in calls],
            "rmi_calls_per_cycle": calls,
        }
    )


def calls_seen(key: str, calls: list[str]) -> dict[str, Any]:
    return {
        key: lambda expected: len(calls) if isinstance(expected, int) else calls,
        f"{key}_count": len(calls),
        f"{key}_any_order": lambda expected: in_order_of(calls, expected),
        f"{key}_one_of": lambda expected: expected if calls in expected else calls,
    }


def cycles_of(when: str, settings: AgentSettings) -> tuple[int, float]:
    """How many cycles, and the seconds between them."""
    words = when.strip().lower().replace(",", " ")
    found = re.fullmatch(
        r"(\w+)\s+(?:(concurrent|overlapping|simultaneous)\s+)?(?:cycle|worker|cleanup)s?(.*)",
        words,
    )
    if found is None or not (found[1] in NUMBERS or found[1].isdigit()):
        raise NotUnderstoodError(f"when: {when!r}")
    count = NUMBERS[found[1]] if found[1] in NUMBERS else int(found[1])
    rest = re.sub(r"^(started|starting|run|running|are)\s+", "", found[3].strip(" ."))
    if found[2] or rest in AT_ONCE:
        return count, 0.0
    apart = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|min|h)\w* apart", rest)
    if apart:
        return count, float(apart[1]) * {"s": 1, "min": 60, "h": 3600}[apart[2]]
    if rest not in ("", "one interval apart", "in a row", "one after the other"):
        raise NotUnderstoodError(f"when: {when!r}")
    return count, settings.image_cleanup_interval_s


CONTAINER_KEYS = ("id", "status", "finished_ago_s", "finished_at", "rm_error")
UNTRACKED_KEYS = ("id", "tags", "created_ago_s", "size", "rmi_error", "rmi_errors", "rmi_error_on")


def observe_untracked(case: Case) -> dict[str, Any]:
    given = case["given"]
    only(given, ("images", "containers", "untracked_images"), "given")
    settings = settings_of(case)
    docker = Docker()
    images = tracked(case, docker)
    hint = f"{case['title']} {case.get('notes', '')}".lower()
    containers = [_container(item, docker, hint) for item in given.get("containers", ())]
    others = [_untracked(item, docker) for item in given.get("untracked_images", ())]
    cycles, gap_s = cycles_of(case["when"], settings)
    rm_calls: list[str] = []
    rmi_calls: list[str] = []
    for number in range(cycles):
        now_s = number * gap_s
        cycle = image_cycle(images, settings, now_s, docker.remove)
        images = cycle.images
        rmi_calls += cycle.removals
        if untracked_cleanup_runs(settings):
            asked = remove_untracked_containers(containers, settings, now_s, docker.remove)
            rm_calls += asked
            asked_images = remove_untracked_images(others, cycle, settings, now_s, docker.remove)
            rmi_calls += asked_images
            gone = {each for each in (*asked, *asked_images) if docker.remove(each) is None}
            containers = [each for each in containers if each.container_id not in gone]
            others = [each for each in others if not {each.image_id, *each.tags[:1]} & gone]
    left = [each.image_id for each in others]
    return (
        states(images)
        | calls_seen("rm_calls", rm_calls)
        | calls_seen("rmi_calls", rmi_calls)
        | {
            "untracked_left": lambda expected: in_order_of(left, expected),
            "untracked_images_left": lambda expected: in_order_of(left, expected),
            "containers_left": [each.container_id for each in containers],
        }
    )


def _container(item: Mapping[str, Any], docker: Docker, hint: str) -> UntrackedContainer:
    only(item, CONTAINER_KEYS, "container")
    docker.describe(item, [item["id"]])
    return UntrackedContainer(item["id"], item["status"], _finished_at_s(item, hint))


def _finished_at_s(item: Mapping[str, Any], hint: str) -> float | None:
    """Seconds as given, the year 1 is never, other text is no time; for null, ask the title."""
    finished = item.get("finished_ago_s", item.get("finished_at"))
    if isinstance(finished, (int, float)):
        return -float(finished)
    said = hint if finished is None else str(finished).lower()
    if said.startswith(("0001-01-01", "never")) or (finished is None and "never" in said):
        return NEVER_FINISHED_S
    if finished is None and not re.search(r"unpars|pars|invalid|garbage|no time", said):
        raise NotUnderstoodError("a finish time of null: never finished, or not to be parsed?")
    return None


def _untracked(item: Mapping[str, Any], docker: Docker) -> UntrackedImage:
    only(item, UNTRACKED_KEYS, "untracked image")
    tags = tuple(item.get("tags", ()))
    docker.describe(item, tags if len(tags) > 1 else [item["id"]])
    return UntrackedImage(item["id"], tags, -item["created_ago_s"], item["size"])


# --- references ----------------------------------------------------------------------------------


class References:
    """Images under a sequence of records and removals, each at its own time."""

    def __init__(self, case: Case) -> None:
        only(case["given"], ("images", "inspect_error"), "given")
        self.images = tracked(case, Docker())
        self.inspect_fails = bool(case["given"].get("inspect_error"))
        self.image_of = {c: each.image_id for each in self.images for c in each.references}
        self.now_s, self.removed_at_s, self.recorded_at_s = 0.0, None, None
        self.last_container, self.image_id = "", ""
        self.error = False

    def step(self, text: str) -> None:
        """`record c1 on image I1`, `remove it`, …"""
        for pattern, act in (
            (r"record an? container with (?:an )?empty image(?: name)?", self._record_nameless),
            (r"record (?P<c>\w+)(?P<more>(?:(?:,| and) \w+)*)(?P<where>.*)", self._record),
            (r"remove (?P<c>\w+)(?P<where>.*)", self._remove),
        ):
            found = re.fullmatch(pattern, text.strip())
            if found:
                before = self.images
                try:
                    act(**found.groupdict())
                except ReferenceRefusedError:
                    self.error = True
                    assert self.images == before, "an error changed the state"
                self.now_s += STEP_S
                return
        raise NotUnderstoodError(f"step: {text!r}")

    def _record_nameless(self) -> None:
        self.images = record_reference(self.images, "nameless", "", None, self.now_s)

    def _record(self, c: str, more: str, where: str) -> None:
        for container in [c, *re.findall(r"\b(?!and\b)\w+", more)]:
            name, image_id = self._named(where)
            resolved = None if self.inspect_fails else image_id
            self.images = record_reference(self.images, container, name, resolved, self.now_s)
            self.image_of[container] = self.image_id = image_id
            self.last_container, self.recorded_at_s = container, self.now_s

    def _named(self, where: str) -> tuple[str, str]:
        """The image's name and what Docker resolves it to."""
        quoted = re.search(r"(?:image )?name '([^']*)'", where)
        rest = where.replace(quoted[0], "") if quoted else where
        rest = re.sub(r"\b(with|on|image|which|docker|now|resolves|to|again|as)\b|,", " ", rest)
        ids = rest.split()
        if len(ids) > 1:
            raise NotUnderstoodError(f"where: {where!r}")
        held = self.images[0].image_id if self.images else "I1"
        image_id = ids[0] if ids else held
        known = next((each.names for each in self.images if each.image_id == image_id), ())
        return (quoted[1] if quoted else (known or (f"name-of-{image_id}",))[0]), image_id

    def _remove(self, c: str, where: str) -> None:
        container = self.last_container if c == "it" else c
        words = re.sub(r"\b(from|image|its|now|again|an?|unknown)\b|,", " ", where).split()
        if len(words) > 1:
            raise NotUnderstoodError(f"where: {where!r}")
        default = self.images[0].image_id if self.images and "unknown" not in where else "nowhere"
        image_id = words[0] if words else self.image_of.get(container, default)
        self.images = remove_reference(self.images, container, image_id, self.now_s)
        self.removed_at_s, self.image_id = self.now_s, image_id


def observe_references(case: Case) -> dict[str, Any]:
    settings_of(case)
    world = References(case)
    after: dict[str, Any] = {}
    for text in re.split(r"[,;]? (?:and )?then |[,;] (?=record|remove)", case["when"]):
        world.step(text)
        verb = text.strip().split()[0]
        after[f"refs_after_{verb}"] = states(world.images)["refs"]
    seen = states(world.images) | after | {"error": world.error}
    image = next((each for each in world.images if each.image_id == world.image_id), None)
    if image is not None:
        seen |= {
            "pulled_ago_s": -image.pulled_at_s,
            "last_used_ago_s": -image.last_used_at_s,
            "last_used": lambda expected: _moment(expected, image, world),
        }
    return seen


def _moment(expected: str, image: TrackedImage, world: References) -> str:
    moments = {"removal": world.removed_at_s, "record": world.recorded_at_s}
    found = re.fullmatch(r"time of the (removal|record)", expected)
    if found is None:
        raise NotUnderstoodError(f"last_used: {expected!r}")
    return expected if image.last_used_at_s == moments[found[1]] else f"{image.last_used_at_s} s"


# --- task_cleanup, timeline, pull_required, config -----------------------------------------------

RESTART = re.compile(r"(?:now|.*(?:restart|start|resum|back|up|down_until).*)_s")
DRAWS = ("jitter_draw_s", "jitter_drawn_s", "draw_s")


def observe_task_cleanup(case: Case) -> dict[str, Any]:
    given = case["given"]
    known = ("stopped_at_s", "ack_at_s", "rm_error", "containers", *DRAWS)
    only(given, (*known, *filter(RESTART.fullmatch, given)), "given")
    if not case["when"].startswith("run"):
        raise NotUnderstoodError(f"when: {case['when']!r}")
    earliest, latest = _sweep(case, 0.0), _sweep(case, nextafter(1.0, 0.0))
    drawn_s = next((given[key] for key in DRAWS if key in given), None)
    jitter_s = settings_of(case, "max_ack_polls").task_cleanup_wait_jitter_s
    sweep = earliest if drawn_s is None else _sweep(case, drawn_s / jitter_s)
    return {
        "swept_at_s": lambda expected: _swept(expected, sweep, earliest, latest),
        "swept_at_min_s": earliest.swept_at_s,
        "swept_at_s_min": earliest.swept_at_s,
        "swept_at_max_s": latest.swept_at_s,
        "swept_at_s_max": latest.swept_at_s,
        "swept_between_s": [earliest.swept_at_s, latest.swept_at_s],
        "swept_at_s_range": [earliest.swept_at_s, latest.swept_at_s],
        "sleeps": sweep.sleeps,
        "rm_calls": len(sweep.removals),
        "reference_removed": sweep.swept_at_s is not None,
        "task_removed": sweep.swept_at_s is not None,
        "container_on_disk": bool(sweep.left_containers),
    }


def _swept(expected: Any, sweep: Sweep, earliest: Sweep, latest: Sweep) -> Any:
    if isinstance(expected, list):
        return [earliest.swept_at_s, latest.swept_at_s]
    if isinstance(expected, Mapping):
        return {"min": earliest.swept_at_s, "max": latest.swept_at_s}
    return sweep.swept_at_s


def _sweep(case: Case, share: float) -> Sweep:
    given = case["given"]
    containers = given.get("containers", 1)
    names = [f"c{n}" for n in range(containers)] if isinstance(containers, int) else containers
    stopped_at_s = given.get("stopped_at_s", 0)
    return sweep_task(
        settings_of(case, "max_ack_polls"),
        names,
        stopped_at_s=stopped_at_s,
        acknowledged_at_s=given.get("ack_at_s", stopped_at_s),
        now_s=next((given[k] for k in given if RESTART.fullmatch(k)), max(0, stopped_at_s)),
        jitter_share=share,
        max_ack_polls=case["config"].get("max_ack_polls"),
        remove=lambda target: "refused" if given.get("rm_error") else None,
    )


def observe_timeline(case: Case) -> dict[str, Any]:
    only(case["given"], ("tick_phase_s", "images"), "given")
    if case["when"] not in ("run", "run until all is freed"):
        raise NotUnderstoodError(f"when: {case['when']!r}")
    uses = [use for item in case["given"]["images"] for use in _uses(item)]
    result = freed(uses, settings_of(case), case["given"].get("tick_phase_s", 0))
    return {"layer_freed_at_s": result.layers_at_s, "image_freed_at_s": result.images_at_s}


def _uses(item: Mapping[str, Any]) -> Iterable[ImageUse]:
    only(item, ("id", "recorded_at_s", "stops_at_s"), "image")
    stops = item["stops_at_s"] if isinstance(item["stops_at_s"], list) else [item["stops_at_s"]]
    return [ImageUse(item["id"], item["recorded_at_s"], stop) for stop in stops]


def observe_pull_required(case: Case) -> dict[str, Any]:
    given = case["given"]
    only(given, ("tracked", "pull_succeeded", "on_host", "on_instance"), "given")
    if case["when"] != "container reaches the pull step":
        raise NotUnderstoodError(f"when: {case['when']!r}")
    settings = settings_of(case)
    state = TrackedImage("I1", ("one",), 0, 0, pull_succeeded=bool(given.get("pull_succeeded")))
    images = (state,) if given.get("tracked") else ()
    on_instance = bool(given.get("on_host", given.get("on_instance", given.get("tracked"))))
    return {
        "pull": pull_required(settings, "one", images, on_instance=on_instance),
        "failure_stops_task": pull_failure_stops_task(settings),
    }


def observe_config(case: Case) -> dict[str, Any]:
    """The value of the one setting that the case is about.

    The limits of the metrics polling wait hold only while polling is on, as upstream's tests
    switch it on; a case that gives the wait alone means it so.
    """
    only(case["config"], FIELD_OF_VARIABLE, "config")
    variables = {name: str(value) for name, value in case["config"].items() if value is not None}
    about = [name for name in case["config"] if name != "ECS_POLL_METRICS"] or list(case["config"])
    about = about or [
        name for name in FIELD_OF_VARIABLE if re.search(rf"\b{name}\b", case["title"])
    ]
    if len(about) != 1 or case["when"] != "agent reads its configuration":
        raise NotUnderstoodError(f"which setting? {about}")
    if about == ["ECS_POLLING_METRICS_WAIT_DURATION"]:
        variables.setdefault("ECS_POLL_METRICS", "true")
    value = getattr(AgentSettings.from_env(variables), FIELD_OF_VARIABLE[about[0]])
    units = {"s": 1, "min": 60, "h": 3600}
    unit = case["expect"].get("unit")
    value = value / units[unit] if unit in units else value
    return {"value": list(value) if isinstance(value, tuple) else value, "unit": unit}


OBSERVERS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "image_cycle": observe_image_cycle,
    "references": observe_references,
    "untracked": observe_untracked,
    "task_cleanup": observe_task_cleanup,
    "timeline": observe_timeline,
    "pull_required": observe_pull_required,
    "config": observe_config,
}
