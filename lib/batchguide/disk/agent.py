"""How the ECS agent frees images: its rules alone, to read and to check faster code against.

Follows `agent/engine/docker_image_manager.go` and `agent/engine/image/types.go` of
aws/amazon-ecs-agent at commit 8dfceca6cf380a83c3007349317566f2862f0673 (version 1.105.1). Nothing
in the agent looks at free space: only time, references and counts decide.

Left out: the locks. In the agent a cycle waits for every pull under way, and pulls begun
meanwhile wait for the cycle.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from batchguide.disk.agent_config import AgentSettings as AgentSettings

ALWAYS_EXCLUDED: Final = ("amazon/amazon-ecs-pause:0.1.0", "amazon/amazon-ecs-agent:latest")

Remove = Callable[[str], str | None]
"""Asks Docker to remove an image (name or ID) or a container; the error's text, None if done."""


class ReferenceRefusedError(ValueError):
    """The agent would answer this bookkeeping call with an error, and change nothing."""


@dataclass(frozen=True)
class TrackedImage:
    """What the agent remembers of an image ID since the first container used it (`ImageState`).

    `names` are the image strings of task definitions, `references` the containers from their pull
    step to the sweep of their task. `pulled_at_s` is the first record and is never renewed;
    `last_used_at_s` moves only when a reference is dropped.
    """

    image_id: str
    names: tuple[str, ...]
    pulled_at_s: float
    last_used_at_s: float
    references: tuple[str, ...] = ()
    pull_succeeded: bool = False
    size_bytes: int = 0


Images = tuple[TrackedImage, ...]


def record_reference(
    images: Iterable[TrackedImage], container: str, name: str, image_id: str | None, now_s: float
) -> Images:
    """A container has passed its pull step: count it as a user of its image.

    `image_id` is what Docker resolves the name to, None when Docker does not know the name. A
    name that stood with another ID is taken off that one, which may end without names.
    """
    if not name:
        raise ReferenceRefusedError(f"container {container} names no image")
    if image_id is None:
        raise ReferenceRefusedError(f"docker does not know image {name!r} of container {container}")
    held = [each if each.image_id == image_id else _without_name(each, name) for each in images]
    if all(each.image_id != image_id for each in held):
        held.append(TrackedImage(image_id, (), pulled_at_s=now_s, last_used_at_s=now_s))
    return tuple(
        _with_user(each, container, name) if each.image_id == image_id else each for each in held
    )


def remove_reference(
    images: Iterable[TrackedImage], container: str, image_id: str, now_s: float
) -> Images:
    """A container's task was swept: the image has one user fewer and was last used now."""
    held = tuple(images)
    image = next((each for each in held if each.image_id == image_id), None)
    if image is None:
        raise ReferenceRefusedError(f"no image {image_id!r} is tracked")
    if container not in image.references:
        raise ReferenceRefusedError(f"image {image_id} has no reference from container {container}")
    at = image.references.index(container)
    rest = image.references[:at] + image.references[at + 1 :]
    freed = replace(image, references=rest, last_used_at_s=now_s)
    return tuple(freed if each is image else each for each in held)


def _with_user(image: TrackedImage, container: str, name: str) -> TrackedImage:
    names = image.names if name in image.names else (*image.names, name)
    return replace(image, names=names, references=(*image.references, container))


def _without_name(image: TrackedImage, name: str) -> TrackedImage:
    at = image.names.index(name) if name in image.names else len(image.names)
    return replace(image, names=image.names[:at] + image.names[at + 1 :])


@dataclass(frozen=True)
class ImageCycle:
    """What one cleanup cycle did.

    `removals` are the names (or IDs) asked of Docker, in order, refused ones included.
    `last_turn` is the index of the loop's last turn: the cleanup of untracked images takes it for
    the number of images that were deleted.
    """

    images: Images
    removals: tuple[str, ...]
    last_turn: int


def image_cleanup_runs(settings: AgentSettings) -> bool:
    """Whether the agent ever cleans images; prefer-cached switches it off as well."""
    return not settings.image_cleanup_disabled and settings.pull_behavior != "prefer-cached"


def image_cycle(
    images: Sequence[TrackedImage],
    settings: AgentSettings,
    now_s: float,
    remove: Remove = lambda target: None,
) -> ImageCycle:
    """One pass of `removeUnusedImages` over tracked images: least recently used first.

    A turn is used up by a refused removal too, and the image then rests until the next cycle.
    Ties go to the image listed first; in the agent to any.
    """
    if not image_cleanup_runs(settings):
        return ImageCycle(tuple(images), (), last_turn=0)
    tracked = {image.image_id: image for image in images}
    pool = {image.image_id for image in images if not is_excluded(image.names, settings)}
    removals: list[str] = []
    last_turn = 0
    for last_turn in range(settings.images_deleted_per_cycle):  # noqa: B007
        victim = _least_recently_used(tracked.values(), pool, settings, now_s)
        if victim is None:
            break
        asked, refused = _ask_to_remove(victim, remove)
        removals += asked
        if refused:
            names = tuple(name for name in victim.names if name in refused)
            tracked[victim.image_id] = replace(victim, names=names)
            pool.discard(victim.image_id)
        elif asked:
            del tracked[victim.image_id]
    return ImageCycle(tuple(tracked.values()), tuple(removals), last_turn)


def is_excluded(names: Iterable[str], settings: AgentSettings) -> bool:
    """Whether one of the names is protected; whole strings count, `repo` is not `repo:latest`."""
    return any(name in settings.excluded_images or name in ALWAYS_EXCLUDED for name in names)


def _least_recently_used(
    images: Iterable[TrackedImage], pool: Container[str], settings: AgentSettings, now_s: float
) -> TrackedImage | None:
    candidates = (
        image
        for image in images
        if image.image_id in pool
        and not image.references
        and now_s - image.pulled_at_s > settings.image_minimum_cleanup_age_s
    )
    return min(candidates, key=attrgetter("last_used_at_s"), default=None)


def _ask_to_remove(image: TrackedImage, remove: Remove) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every name in turn, or the ID where none is left: what was asked, and what was refused."""
    asked = tuple(target for target in image.names or (image.image_id,) if target)
    return asked, tuple(target for target in asked if _is_refusal(remove(target)))


def _is_refusal(error: str | None) -> bool:
    return error is not None and "no such image" not in error.lower()


def pull_required(
    settings: AgentSettings, name: str, images: Iterable[TrackedImage], *, on_instance: bool
) -> bool:
    """Whether a container's pull step asks the registry (`imagePullRequired`).

    `once` counts a pull that succeeded before, so an image baked into the AMI is pulled the first
    time; `prefer-cached` is content with any image that Docker knows by that name.
    """
    if settings.pull_behavior == "once":
        return not any(name in image.names and image.pull_succeeded for image in images)
    if settings.pull_behavior == "prefer-cached":
        return not on_instance
    return True


def pull_failure_stops_task(settings: AgentSettings) -> bool:
    """Whether a failed pull ends the task (`handleEventError` in `task_manager.go`).

    Otherwise the agent goes on to create the container, from a cached image if there is one.
    """
    return settings.pull_behavior in ("always", "once")
