"""Images of an account as the forecast sees them: layers, and what several take together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from batchguide import facts
from batchguide.account import Account
from batchguide.disk.layers import bytes_added_together
from batchguide.disk.scenario import Layer

ECR_IMAGES = "ecr:DescribeImages"


@dataclass(frozen=True, slots=True)
class Footprint:
    """What several images take together on one volume; shared layers once.

    With something missing it is what they take at least.
    """

    gib: float
    missing: tuple[str, ...]
    paths: tuple[str, ...]


def layers_of(account: Account, reference: str) -> tuple[Layer, ...] | None:
    """An image's layers, unpacked size estimated from ECR's compressed one; None when unknown."""
    image = account.image_of(reference)
    if image is None or image.compressed_gib is None:
        return None
    times = facts.thresholds()["unpacked_per_compressed"].value
    listed = image.layers_gib or ((image.digest, image.compressed_gib),)
    return tuple(Layer(digest, size * times, size) for digest, size in listed)


def footprint_of(account: Account, images: Iterable[str]) -> Footprint:
    """The volume that these images take when one instance has them all."""
    known: dict[str, tuple[Layer, ...]] = {}
    missing: list[str] = []
    paths: list[str] = []
    for reference in images:
        layers = layers_of(account, reference)
        image = account.image_of(reference)
        if layers is None or image is None:
            missing += [*account.lacks(*ECR_IMAGES.split(":")), f"size of image {reference}"]
            continue
        known[image.digest] = layers
        paths.append(image.where.path("imageSizeInBytes"))
    total = bytes_added_together(known.values(), "xfs")
    return Footprint(total, tuple(dict.fromkeys(missing)), tuple(paths))
