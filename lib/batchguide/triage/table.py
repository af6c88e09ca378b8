"""The rules of data/causes.json as values, compiled once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from batchguide.tables import data_path

UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause as `data/causes.json` names it.

    `means` says what it is, `without` what speaks against it when only hints speak for it, `next`
    what to look at, `runbook` where to read on.
    """

    id: str
    means: str
    without: str
    next: tuple[str, ...]
    runbook: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that a text or a job can show, and how much it says for each cause.

    Found by one of its `phrases` (lower case), where `pattern`, when there is one, agrees nearby;
    a phrase of `near` must be, and none of `apart` may be, on the same line within reach. Or by an
    exit code, or by a `fact` that is known of the job.
    """

    id: str
    weights: Mapping[str, float]
    says: str
    source: str
    phrases: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    near: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = ()
    fact: str | None = None
    family: str | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """The constants of the sum: all but the last three are log-odds.

    `telltale` is the weight from which a signal is more than a hint, `denied` what a text that
    says «no such thing» takes away, `most` the ceiling of a sum. `earlier_attempt` is the share
    that counts of what only an earlier attempt showed. Causes below `least_confidence` are left
    out.
    """

    prior: float
    telltale: float
    without: float
    denied: float
    most: float
    earlier_attempt: float
    least_confidence: float


@dataclass(frozen=True, slots=True)
class Rules:
    """The whole table; `looks` are what tells two causes apart."""

    causes: Mapping[str, Cause]
    signals: tuple[Signal, ...]
    looks: tuple[tuple[frozenset[str], str], ...]
    scale: Scale

    def for_exit_code(self, code: int) -> Signal:
        """The row of that code, or the row for every code that has none."""
        rows = [signal for signal in self.signals if code in signal.exit_codes]
        return rows[0] if rows else next(each for each in self.signals if each.id == "exit-error")

    def for_fact(self, name: str) -> Signal:
        """The row of something that is known of a job."""
        return next(signal for signal in self.signals if signal.fact == name)


@cache
def rules() -> Rules:
    """The table, read at the first call and kept."""
    return read_rules(json.loads(data_path("causes.json").read_text("utf-8")))


def read_rules(document: Mapping[str, Any]) -> Rules:
    """A table as values; a context may name another by `@name`."""
    contexts = {name: _context(document["contexts"], name) for name in document["contexts"]}
    causes = (
        Cause(row["id"], row["means"], row["without"], tuple(row["next"]), row["runbook"])
        for row in document["causes"]
    )
    return Rules(
        causes={cause.id: cause for cause in causes},
        signals=tuple(_signal(row, contexts) for row in document["signals"]),
        looks=tuple((frozenset(row["causes"]), row["look"]) for row in document["apart"]),
        scale=Scale(**document["scale"]),
    )


def _context(table: Mapping[str, list[str]], name: str) -> tuple[str, ...]:
    phrases: list[str] = []
    for phrase in table[name]:
        phrases += _context(table, phrase[1:]) if phrase.startswith("@") else [phrase]
    return tuple(phrases)


def _signal(row: Mapping[str, Any], contexts: Mapping[str, tuple[str, ...]]) -> Signal:
    return Signal(
        id=row["id"],
        weights=row["weights"],
        says=row["says"],
        source=row["source"],
        phrases=tuple(row.get("phrases", ())),
        pattern=re.compile(row["pattern"]) if "pattern" in row else None,
        near=contexts[row["near"]] if "near" in row else (),
        apart=contexts[row["apart"]] if "apart" in row else (),
        exit_codes=tuple(row.get("exit_codes", ())),
        fact=row.get("fact"),
        family=row.get("family"),
    )
