"""How one value of a scenario is read: its type, its range, and the sentence when it is refused.

A reader takes the dotted name and the raw value, and returns the value or raises `ScenarioError`
with the name, what was given, and what is allowed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from batchguide.errors import UserError

Reader = Callable[[str, Any], Any]

P95_Z = 1.6448536269514722
"""The standard normal's 95th percentile: ties a spread's p95 to its lognormal's sigma."""
MAX_OBSERVED = 10_000


class ScenarioError(UserError):
    """A scenario that can't be read: names the field by its dotted path, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A quantity that differs from job to job.

    A number alone is the same for all. With `p95` it is lognormal with that median and 95th
    percentile. With `observed` each job has one of the values seen, each as likely as it was.
    """

    median: float
    p95: float | None = None
    observed: tuple[float, ...] = ()

    @property
    def sigma(self) -> float:
        """The lognormal's shape: ln(p95 / median) / 1.645; 0 for a number alone."""
        if self.p95 is None or self.median == 0:
            return 0.0
        return math.log(self.p95 / self.median) / P95_Z

    @property
    def varies(self) -> bool:
        """Whether two jobs may have different values."""
        return self.sigma > 0 or len(set(self.observed)) > 1

    def quantile(self, z: float) -> float:
        """The value at a standard normal's z, so that the same draw moves smoothly with the spread.

        >>> Spread(270, 290).quantile(0), round(Spread(270, 290).quantile(P95_Z))
        (270.0, 290)
        """
        if self.observed:
            share = 0.5 * math.erfc(-z / math.sqrt(2))
            ordered = sorted(self.observed)
            return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
        return self.median * math.exp(self.sigma * z)

    def to_plain(self) -> float | dict[str, Any]:
        """The form it has in a scenario file."""
        if self.observed:
            return {"observed": list(self.observed)}
        return self.median if self.p95 is None else {"median": self.median, "p95": self.p95}


def refuse(path: str, value: Any, allowed: str) -> ScenarioError:
    """The error for a value: `volume.size_gib is -8: it must be …`."""
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return ScenarioError(f"{path} is {shown}: it must be {allowed}")


def number(low: float, high: float, unit: str = "", *, above: bool = False) -> Reader:
    """A finite number from `low` (or, with `above`, over it) to `high`."""
    allowed = f"a number {'over' if above else 'from'} {low:g} {'and at most' if above else 'to'}"
    allowed += f" {high:,.12g}{' ' + unit if unit else ''}"

    def read(path: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise refuse(path, value, allowed)
        if not low <= value <= high or (above and value == low):  # NaN fails the first comparison
            raise refuse(path, value, allowed)
        return float(value)

    return read


def whole(low: int, high: int, unit: str = "") -> Reader:
    """A whole number from `low` to `high`."""
    allowed = f"a whole number from {low:,} to {high:,}{' ' + unit if unit else ''}"

    def read(path: str, value: Any) -> int:
        as_float = isinstance(value, float) and math.isfinite(value) and value.is_integer()
        if isinstance(value, bool) or not (isinstance(value, int) or as_float):
            raise refuse(path, value, allowed)
        if not low <= value <= high:
            raise refuse(path, value, allowed)
        return int(value)

    return read


def choice(*options: str) -> Reader:
    """One of a few words."""

    def read(path: str, value: Any) -> str:
        if value not in options:
            raise refuse(path, value, f"one of {', '.join(options)}")
        return str(value)

    return read


def text(longest: int = 200) -> Reader:
    """Text that can be written out as UTF-8, which a lone surrogate can't."""

    def read(path: str, value: Any) -> str:
        if not isinstance(value, str) or len(value) > longest or not _is_unicode(value):
            raise refuse(path, value, f"Unicode text of at most {longest} characters")
        return value

    return read


def _is_unicode(value: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def flag(path: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refuse(path, value, "true or false")
    return value


def named(table: Callable[[], Mapping[str, Any]], noun: str) -> Reader:
    """A name out of a table of data/, with the nearest ones when it is not there."""

    def read(path: str, value: Any) -> str:
        known = table()
        if not isinstance(value, str) or value not in known:
            near = get_close_matches(str(value), known, n=3, cutoff=0.5) or list(known)[:3]
            raise refuse(path, value, f"a known {noun}, as {', '.join(near)}")
        return value

    return read


def spread(low: float, high: float, unit: str, *, above: bool = False) -> Reader:
    """A number, `{median, p95}`, or `{observed: [...]}`."""
    one = number(low, high, unit, above=above)

    def read(path: str, value: Any) -> Spread:
        if not isinstance(value, Mapping):
            return Spread(one(path, value))
        if set(value) == {"observed"}:
            return _observed(f"{path}.observed", value["observed"], one)
        given = section(path, value, {"median": one, "p95": one}, needed=("median",))
        p95 = given.get("p95")
        if p95 is not None and p95 < given["median"]:
            raise refuse(f"{path}.p95", p95, f"at least the median, {given['median']:g}")
        return Spread(given["median"], p95)

    return read


def _observed(path: str, value: Any, one: Reader) -> Spread:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise refuse(path, value, "a list of at least one number")
    if len(value) > MAX_OBSERVED:
        raise ScenarioError(f"{path} has {len(value):,} values: at most {MAX_OBSERVED:,} are taken")
    values = tuple(one(f"{path}[{at}]", each) for at, each in enumerate(value))
    return Spread(sorted(values)[len(values) // 2], observed=values)


def listed(one: Reader, longest: int, noun: str) -> Reader:
    """A list of at least one and at most `longest` things."""

    def read(path: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise refuse(path, value, f"a list of at least one {noun}")
        if len(value) > longest:
            raise ScenarioError(f"{path} has {len(value):,} entries: at most {longest:,} are taken")
        return tuple(one(f"{path}[{at}]", each) for at, each in enumerate(value))

    return read


def section(
    path: str, value: Any, readers: Mapping[str, Reader], needed: Sequence[str] = ()
) -> dict[str, Any]:
    """The keys given in a mapping, each read; an unknown key is refused by name."""
    at = f"{path}." if path else ""
    if not isinstance(value, Mapping):
        raise refuse(path or "the scenario", value, f"a mapping with {', '.join(readers)}")
    for key in value:
        if key not in readers:
            near = get_close_matches(str(key), readers, n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ScenarioError(f"{at}{key} is not a key{hint} allowed: {', '.join(readers)}")
    for key in needed:
        if value.get(key) is None:
            raise ScenarioError(f"{at}{key} is missing")
    return {
        key: readers[key](f"{at}{key}", each) for key, each in value.items() if each is not None
    }
