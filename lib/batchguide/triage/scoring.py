"""From signals to confidences: weights are added as log-odds and shared out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from batchguide.triage.reading import Sighting
from batchguide.triage.table import UNDETERMINED, Rules


@dataclass(frozen=True, slots=True)
class Count:
    """What one sighting adds to one cause; below zero it speaks against."""

    sighting: Sighting
    weight: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A cause with its confidence (0 to 1) and what was counted; the weightiest first.

    `hints_only` says that `scale.without` was taken away.
    """

    cause: str
    confidence: float
    counts: tuple[Count, ...]
    hints_only: bool

    @property
    def spoken_for(self) -> bool:
        """Whether anything speaks for it."""
        return any(count.weight > 0 for count in self.counts)


def rank(sightings: Iterable[Sighting], rules: Rules) -> tuple[Ranked, ...]:
    """Every cause, the likeliest first."""
    counts = _counts(sightings, rules)
    hints = {cause: _hints_only(counts.get(cause, ()), cause, rules) for cause in rules.causes}
    scores = {
        cause: _score(counts.get(cause, ()), cause, hints[cause], rules) for cause in rules.causes
    }
    total = sum(math.exp(score) for score in scores.values())
    ranked = (
        Ranked(cause, math.exp(score) / total, tuple(counts.get(cause, ())), hints[cause])
        for cause, score in scores.items()
    )
    return tuple(sorted(ranked, key=lambda each: (-each.confidence, each.cause)))


def _counts(sightings: Iterable[Sighting], rules: Rules) -> Mapping[str, list[Count]]:
    """For each cause, what counts: every signal once, and of a family the strongest."""
    strongest: dict[tuple[str, str], Count] = {}
    for sighting in sightings:
        for cause, weight in sighting.signal.weights.items():
            count = Count(sighting, _weight(weight, sighting, rules))
            key = (cause, sighting.signal.family or sighting.signal.id)
            held = strongest.get(key)
            if count.weight and (held is None or abs(count.weight) > abs(held.weight)):
                strongest[key] = count
    counts: dict[str, list[Count]] = defaultdict(list)
    for (cause, _), count in strongest.items():
        counts[cause].append(count)
    for each in counts.values():
        each.sort(key=lambda count: -abs(count.weight))
    return counts


def _weight(weight: float, sighting: Sighting, rules: Rules) -> float:
    """A part of a sign may speak for a cause, but not against one: the whole may tell otherwise."""
    if sighting.denied:
        return rules.scale.denied if weight > 0 else 0.0
    return weight * sighting.share if weight > 0 or sighting.share == 1 else 0.0


def _hints_only(counts: Iterable[Count], cause: str, rules: Rules) -> bool:
    """Whether something speaks for a cause, and nothing that would be telling."""
    strongest = max((count.weight for count in counts), default=0.0)
    return cause != UNDETERMINED and 0 < strongest < rules.scale.telltale


def _score(counts: Iterable[Count], cause: str, hints_only: bool, rules: Rules) -> float:
    scale = rules.scale
    added = sum(count.weight for count in counts) + (scale.without if hints_only else 0.0)
    return (0.0 if cause == UNDETERMINED else scale.prior) + min(added, scale.most)
