"""The agent's cleanup of containers and images that ECS did not start; off unless switched on.

Follows `removeNonECSContainers` and `removeNonECSImages` in `agent/engine/docker_image_manager.go`
of aws/amazon-ecs-agent at commit 8dfceca6cf380a83c3007349317566f2862f0673 (version 1.105.1).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from batchguide.disk.agent import ImageCycle, Remove, image_cleanup_runs, is_excluded
from batchguide.disk.agent_config import AgentSettings

NEVER_FINISHED_S: Final = float("-inf")
"""Docker's `0001-01-01T00:00:00Z`, the finish time of a container that never ran."""

_REMOVABLE: Final = ("exited", "dead", "created")


@dataclass(frozen=True)
class UntrackedContainer:
    """A container on the instance that the agent does not know.

    `finished_at_s` is None where Docker's text is no time; the agent then leaves it alone.
    """

    container_id: str
    status: str
    finished_at_s: float | None


@dataclass(frozen=True)
class UntrackedImage:
    """An image on the instance, as Docker lists it; `created_at_s` is when it was built."""

    image_id: str
    tags: tuple[str, ...]
    created_at_s: float
    size_bytes: int


def remove_untracked_containers(
    containers: Iterable[UntrackedContainer],
    settings: AgentSettings,
    now_s: float,
    remove: Remove = lambda target: None,
) -> tuple[str, ...]:
    """The removals asked of Docker, in order; a refused one does not count against the cap."""
    asked: list[str] = []
    removed_count = 0
    for container in containers:
        if removed_count == settings.untracked_containers_deleted_per_cycle:
            break
        if not _is_removable(container, settings, now_s):
            continue
        asked.append(container.container_id)
        removed_count += remove(container.container_id) is None
    return tuple(asked)


def _is_removable(container: UntrackedContainer, settings: AgentSettings, now_s: float) -> bool:
    if container.status not in _REMOVABLE or container.finished_at_s is None:
        return False
    return now_s - container.finished_at_s > settings.task_cleanup_wait_s


def remove_untracked_images(
    images: Sequence[UntrackedImage],
    cycle: ImageCycle,
    settings: AgentSettings,
    now_s: float,
    remove: Remove = lambda target: None,
) -> tuple[str, ...]:
    """The removals asked of Docker, in order, smallest image first, after a cycle on tracked ones.

    The quota is what the tracked images left over, one too many after a full cycle because the
    agent takes the last turn's index for a count. Several tags of one image count one each, and
    all are tried though the quota be passed.
    """
    quota = settings.images_deleted_per_cycle - cycle.last_turn
    tracked_ids = {image.image_id for image in cycle.images}
    asked: list[str] = []
    for image in sorted(images, key=attrgetter("size_bytes")):
        if quota <= 0:
            break
        if image.image_id in tracked_ids or is_excluded(image.tags, settings):
            continue
        if now_s - image.created_at_s <= settings.untracked_image_minimum_age_s:
            continue
        for target in image.tags if len(image.tags) > 1 else (image.image_id,):
            asked.append(target)
            quota -= remove(target) is None
    return tuple(asked)


def untracked_cleanup_runs(settings: AgentSettings) -> bool:
    """Whether a cycle goes on to what ECS did not start."""
    return image_cleanup_runs(settings) and settings.untracked_image_cleanup_enabled
