"""Images as layers: what is stored once, what a pull adds, and what a removal gives back.

Read in source (moby, OCI image spec): a layer's identity is its chain, its own digest and all below
it; equal chains are stored once, whatever image or tag asks for them. Measured: what a layer and
its files take on ext4 and xfs. A model: an image known only by its size, cut into equal layers.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence

from batchguide.disk.docker import file_system
from batchguide.disk.scenario import Layer
from batchguide.errors import UserError
from batchguide.units import gib


def equal_layers(
    size_gib: float, compressed_gib: float, count: int, name: str = "image"
) -> tuple[Layer, ...]:
    """An image known by its size alone, cut into equal layers with digests of its own.

    The cut decides the peak only: a pull's last blob lies beside the whole image, here 1/count.
    """
    if count < 1:
        raise UserError(f"an image has at least 1 layer, not {count}")
    share = 1 / count
    return tuple(
        Layer(f"{name}#{index}", size_gib * share, compressed_gib * share) for index in range(count)
    )


def blocks_gib(content_gib: float, files: int) -> float:
    """An estimate of content in whole blocks: half a block lost per file, and at least one each.

    For layers known by the bytes of their files; within 2 % where sizes vary as in real images.
    """
    return max(content_gib + files * gib(2048), files * gib(4096))


def chain_ids(layers: Iterable[Layer]) -> tuple[str, ...]:
    """The identity of each layer: its digest and all below it, as the OCI image spec chains them.

    >>> low, high = Layer("a", 1, 0.5), Layer("b", 1, 0.5)
    >>> chain_ids([low, high])[1] == chain_ids([high])[0]
    False
    """
    chains: list[str] = []
    for layer in layers:
        named = f"{chains[-1]} {layer.digest}" if chains else layer.digest
        chains.append(hashlib.sha256(named.encode()).hexdigest() if chains else named)
    return tuple(chains)


def files_gib(blocks_gib: float, files: int, directories: int, fs: str) -> float:
    """A layer's `size_gib` on a file system, from its files in whole blocks and their number.

    On xfs each file takes its inode as well, 15 % more for files of one block.
    """
    system = file_system(fs)
    return blocks_gib + gib(files * system.file_bytes + directories * system.directory_bytes)


def layer_gib(layer: Layer, fs: str) -> float:
    """What an unpacked layer takes, its metadata included."""
    return layer.size_gib + gib(file_system(fs).layer_bytes)


def missing(layers: Sequence[Layer], present: Collection[str]) -> tuple[Layer, ...]:
    """The layers that a pull has to fetch: those whose chain is not stored."""
    return tuple(
        layer
        for layer, chain in zip(layers, chain_ids(layers), strict=True)
        if chain not in present
    )


def bytes_added(
    layers: Sequence[Layer],
    present: Collection[str] = (),
    fs: str = "ext4",
    *,
    seen: Collection[str] = (),
    empty_store: bool = False,
) -> float:
    """GiB that a pull leaves, given the chains stored (`present`).

    0 when all are: a digest pulled again, under whatever tag, adds nothing. `seen` are digests of
    layers that were stored before; `empty_store` adds what the first image of all makes.
    """
    new = missing(layers, present)
    if not new:
        return 0.0
    system = file_system(fs)
    records = sum(1 for layer in new if layer.digest not in seen)
    small = records * system.layer_record_bytes + system.image_bytes
    first = system.first_image_bytes if empty_store else 0.0
    return sum(layer_gib(layer, fs) for layer in new) + gib(small + first)


def bytes_freed(layers: Sequence[Layer], held: Collection[str] = (), fs: str = "ext4") -> float:
    """GiB that removing an image gives back, given the chains that other images hold.

    A container that is stopped but not removed holds its image's chains as well.
    The small records of each layer stay.
    """
    gone = missing(layers, held)
    if not gone:
        return 0.0
    return sum(layer_gib(layer, fs) for layer in gone) + gib(file_system(fs).image_bytes)


def bytes_added_together(images: Iterable[Sequence[Layer]], fs: str = "ext4") -> float:
    """GiB that several images take in one store, one after another."""
    present: set[str] = set()
    total = 0.0
    for layers in images:
        total += bytes_added(layers, present, fs)
        present.update(chain_ids(layers))
    return total
