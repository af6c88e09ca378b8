"""A scenario's plain form (what its YAML holds) as inputs read and write it, place by place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchguide import facts
from batchguide.disk.agent_config import AgentSettings
from batchguide.disk.scenario import ImageSpec

Plain = dict[str, Any]
PROVISIONED = {"gp3": ("iops", "throughput_mibps"), "io1": ("iops",), "io2": ("iops",)}
"""The fields of a volume that only some types have."""
PROVISIONED_FIELDS = frozenset({"iops", "throughput_mibps"})


def get(plain: Plain, path: str) -> Any:
    """What stands at a dotted path; None where nothing does."""
    found: Any = plain
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def put(plain: Plain, path: str, value: Any) -> None:
    """Set a dotted path; None takes the key away, so that the default holds."""
    *parents, last = path.split(".")
    for key in parents:
        plain = plain.setdefault(key, {})
    if value is None:
        plain.pop(last, None)
    else:
        plain[last] = value


def with_ami_volume(plain: Plain) -> Plain:
    """A scenario's plain form in which the volume is written out, as its AMI generation has it."""
    ami = get(plain, "instance.ami")
    generation = facts.ami_generations().get(ami, facts.ami_generations()["al2023"])
    volume = {
        "type": generation.data_volume_type or generation.root_volume_type,
        "size_gib": float(generation.data_gib or generation.root_gib),
        "used_gib": generation.used_at_boot_gib,
    }
    return {**plain, "volume": volume | (plain.get("volume") or {})}


def profile_settings(name: str) -> AgentSettings:
    """The effective settings of a profile."""
    return AgentSettings.from_env(facts.agent_profile(name).settings)


def median(spread: Any) -> float:
    """The middle of a spread's plain form."""
    if isinstance(spread, Mapping):
        seen = sorted(spread.get("observed", ()))
        return float(seen[len(seen) // 2] if seen else spread["median"])
    return float(spread)


def p95(spread: Any) -> float:
    if isinstance(spread, Mapping) and "p95" in spread:
        return float(spread["p95"])
    seen = sorted(spread.get("observed", ())) if isinstance(spread, Mapping) else []
    return float(seen[int(0.95 * (len(seen) - 1))]) if seen else median(spread)


def median_min(spread: Any) -> float:
    return median(spread) / 60


def p95_min(spread: Any) -> float:
    return p95(spread) / 60


def with_median(minutes: float, spread: Any) -> Plain:
    """The 95th percentile moves along, in proportion: it never falls below the median."""
    middle_s = round(minutes * 60, 1)
    return {"median": middle_s, "p95": round(middle_s * p95(spread) / median(spread), 1)}


def with_p95(minutes: float, spread: Any) -> Plain:
    return {"median": median(spread), "p95": max(round(minutes * 60, 1), median(spread))}


def rescaled(value: float, spread: Any) -> Any:
    """A spread with another median and the same shape."""
    middle = three_digits(value)
    if not isinstance(spread, Mapping) or "p95" not in spread or not median(spread):
        return middle
    return {"median": middle, "p95": middle * p95(spread) / median(spread)}


def sized(image: Plain) -> Plain:
    """Images that are listed by their layers as so many of one size: the largest of them."""
    listed = image.get("images") or ([image] if isinstance(image.get("layers"), list) else [])
    kept = {key: value for key, value in image.items() if key not in ("images", "layers")}
    if not listed:
        return image
    largest = max(listed, key=lambda each: _total(each, "size_gib"))
    return {
        **kept,
        "size_gib": _total(largest, "size_gib"),
        "compressed_gib": _total(largest, "compressed_gib"),
        "layers": len(largest["layers"]),
        "distinct": len(listed),
    }


def _total(image: Plain, size: str) -> float:
    return float(sum(layer[size] for layer in image["layers"]))


def image_gib(image: Any) -> float:
    """Unpacked, of the largest image."""
    return median(sized(image)["size_gib"])


def with_image_gib(gib: float, image: Plain) -> Plain:
    """The compressed size keeps its share, for it is the same files."""
    plain, before = sized(image), image_gib(image)
    changed = {**plain, "size_gib": rescaled(gib, plain["size_gib"])}
    if plain.get("compressed_gib") is not None and before:
        changed["compressed_gib"] = plain["compressed_gib"] * gib / before
    return changed


def compressed_gib(image: Any) -> float:
    """As given, else the share that a measured image had."""
    given = sized(image).get("compressed_gib")
    return float(image_gib(image) * ImageSpec.COMPRESSED_SHARE if given is None else given)


def with_compressed(gib: float, image: Plain) -> Plain:
    """Another compressed size; the unpacked one stays."""
    return {**sized(image), "compressed_gib": gib}


def distinct(image: Any) -> int:
    """How many different images the jobs use."""
    return int(sized(image).get("distinct", 1))


def with_distinct(count: int, image: Plain) -> Plain:
    """So many images of the size of the largest."""
    return {**sized(image), "distinct": count}


def with_type(words: str, instance: Plain) -> Plain:
    """The type alone decides: vCPUs and memory that were given by hand go."""
    kept = {key: value for key, value in instance.items() if key == "ami"}
    return {**kept, "type": words.split(" ")[0]}


def profile_name(agent: Any) -> str:
    return str(get(agent, "profile"))


def three_digits(value: float, _: Any = None) -> float:
    return float(f"{value:.3g}")


def whole_gib(value: float, _: Any = None) -> int:
    return max(round(value), 1)
