"""When the agent removes a stopped task's containers, and when their image can go after them.

Follows `cleanupTask` and `waitForStopReported` in `agent/engine/task_manager.go`, and `sweepTask`
in `agent/engine/docker_task_engine.go`, of aws/amazon-ecs-agent at commit
8dfceca6cf380a83c3007349317566f2862f0673 (version 1.105.1).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import NamedTuple

from batchguide.disk.agent import (
    Images,
    Remove,
    image_cleanup_runs,
    image_cycle,
    is_excluded,
    record_reference,
    remove_reference,
)
from batchguide.disk.agent_config import AgentSettings, constant_count, constant_s


@dataclass(frozen=True)
class Sweep:
    """What became of a stopped task.

    `swept_at_s` is None where ECS never acknowledged the stop: the agent then gives up and leaves
    the containers until it restarts. `left_containers` stay on disk; nobody tries them again.
    """

    swept_at_s: float | None
    sleeps: int
    removals: tuple[str, ...] = ()
    left_containers: tuple[str, ...] = ()


def sweep_task(
    settings: AgentSettings,
    containers: Sequence[str],
    *,
    stopped_at_s: float,
    acknowledged_at_s: float | None,
    now_s: float | None = None,
    jitter_share: float = 0.0,
    max_ack_polls: int | None = None,
    remove: Remove = lambda target: None,
) -> Sweep:
    """Remove a stopped task's containers, once each, after the wait and ECS's acknowledgement.

    `now_s` is when the agent begins to wait, later than the stop if it was down meanwhile.
    `jitter_share` in [0, 1) is the draw of the jitter. The image reference of every container is
    dropped at the sweep, even of one that Docker would not remove.
    """
    jitter_s = settings.task_cleanup_wait_jitter_s * jitter_share
    due_at_s = stopped_at_s + settings.task_cleanup_wait_s + jitter_s
    begun_at_s = max(due_at_s, stopped_at_s if now_s is None else now_s)
    polls = constant_count("maxStoppedWaitTimes") if max_ack_polls is None else max_ack_polls
    interval_s = constant_s("stoppedSentWaitInterval")
    late_s = inf if acknowledged_at_s is None else max(0.0, acknowledged_at_s - begun_at_s)
    if late_s > (polls - 1) * interval_s:
        return Sweep(None, sleeps=polls, left_containers=tuple(containers))
    sleeps = ceil(late_s / interval_s)
    left = tuple(each for each in containers if remove(each) is not None)
    return Sweep(begun_at_s + sleeps * interval_s, sleeps, tuple(containers), left)


@dataclass(frozen=True)
class ImageUse:
    """One job's use of an image: recorded when its pull step ends, until its task stops."""

    image_id: str
    recorded_at_s: float
    stopped_at_s: float


@dataclass(frozen=True)
class Freed:
    """When disk comes back, by image ID; None where it never does.

    `layers_at_s` is the writable layer of the image's last container, `images_at_s` the image.
    """

    layers_at_s: Mapping[str, float]
    images_at_s: Mapping[str, float | None]


def freed(uses: Iterable[ImageUse], settings: AgentSettings, tick_phase_s: float = 0.0) -> Freed:
    """Play sweeps and cleanup cycles until every image is gone.

    Cycles begin at `tick_phase_s` + n × the interval, n ≥ 1; a sweep at the very moment of a cycle
    comes after it. Left out: refusals by Docker, acknowledgement delays, jitter.
    """
    moves = deque(sorted(_moves(uses, settings)))
    interval_s = settings.image_cleanup_interval_s if image_cleanup_runs(settings) else inf
    images: Images = ()
    layers_at_s: dict[str, float] = {}
    images_at_s: dict[str, float | None] = {}
    tick_at_s = tick_phase_s + interval_s
    while moves or _some_can_go(images, settings):
        if moves and moves[0].at_s < tick_at_s:
            move = moves.popleft()
            images = _after(move, images)
            if move.is_sweep:
                layers_at_s[move.image_id] = move.at_s
        else:
            left = image_cycle(images, settings, tick_at_s).images
            gone = {each.image_id for each in images} - {each.image_id for each in left}
            images_at_s |= dict.fromkeys(gone, tick_at_s)
            images, tick_at_s = left, tick_at_s + interval_s
    held = {image.image_id for image in images}
    return Freed(layers_at_s, images_at_s | dict.fromkeys(held, None))


class _Move(NamedTuple):
    """A reference taken or dropped; sorts by time, and records before sweeps."""

    at_s: float
    is_sweep: bool
    image_id: str
    container: str


def _moves(uses: Iterable[ImageUse], settings: AgentSettings) -> Iterator[_Move]:
    for number, use in enumerate(uses):
        container = f"{use.image_id}-{number}"
        yield _Move(use.recorded_at_s, False, use.image_id, container)
        swept_at_s = use.stopped_at_s + settings.task_cleanup_wait_s
        yield _Move(swept_at_s, True, use.image_id, container)


def _after(move: _Move, images: Images) -> Images:
    if move.is_sweep:
        return remove_reference(images, move.container, move.image_id, move.at_s)
    return record_reference(images, move.container, move.image_id, move.image_id, move.at_s)


def _some_can_go(images: Images, settings: AgentSettings) -> bool:
    if not image_cleanup_runs(settings) or settings.images_deleted_per_cycle < 1:
        return False
    return any(not is_excluded(image.names, settings) for image in images)
