"""A text of unknown origin as lines fit to search, and which signals it holds.

Time is linear in the text whatever it is: phrases are found by plain search, and regular
expressions see only a bounded window around one, for a bounded number of places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from batchguide.findings import quote
from batchguide.triage.table import Rules, Signal

PLACES = 8  # of one phrase, from each end of the text
LINE_REACH = 320  # characters on either side of a phrase that a pattern sees
CONTEXT_REACH = 400
QUOTE_REACH = 80
LONGEST_QUOTE = 220
STUMP_SHARE = 0.7  # how much of its weight a sign keeps of which the end is cut off
EXIT_REACH = 44
LONGEST_TEXT = 32_000_000  # characters; of a longer text its two ends are read
SHORTEST_CUT = 100  # characters; nobody cuts a shorter text
SHORTEST_STUMP = 14  # characters of a phrase that a cut at the end must leave

_UNSEEN = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u2060\ufeff]")
_SAME = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "İ": "I"})
_WRAPPED = re.compile(r"\n(?=[a-z(])")
_DENIED_BEFORE = re.compile(
    r"(?:\bno|\bwithout(?: any)?|\bnever (?:saw|had|got|hit)|\bnot (?:an?|the|due to|because of"
    r"|caused by|related to)|(?:^|[^\d.])0|\bzero|\b(?:is|was|were|did|does|do)(?:n't| not)"
    r"(?: (?:an?|the|see|have|find|hit))?|\brul(?:ed|es|ing)? out(?: an?| the)?|\bfree of"
    r"|\bnot)[ \"'`]+(?:[\w-]+ ){0,2}[\"'`]?$"
)
_ONLY_IF_BEFORE = re.compile(
    r"(?:\bif(?: there is| we see| you see)?|\bin case of|\bwhen there is|\bretry(?: \w+)? on"
    r"|\bon_?(?:status_?)?reason\W{0,5}|\bchecking for|\btests? for)[ \"'`]*(?:an? |any )?$"
)
_DENIED_AFTER = re.compile(
    r"^s?[\"']?(?: ?[:=] ?[\"']?(?:false\b|(?:0|none|null|no)(?=[\"',;}\]\n]|$))|(?: errors?)?"
    r"(?: is| was| were| has been)? (?:not (?:seen|found|present|the)|resolved\b|fixed\b"
    r"|ruled out))"
)
_EXIT = re.compile(
    r"\bexit(?:ed|s|ing)?[ _-]?(?:with )?(?:an? )?(?:non-?zero )?(?:error )?(?:code|status|value)?"
    r"[\"']?(?: of| is| was)?[ :=(#\"']{0,4}(-?\d{1,3})\b(?!\.?\d)"
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A signal where it was seen; `denied` when the words around it say that it is not so.

    `share` is how much of its weight counts.
    """

    signal: Signal
    quote: str
    place: str
    denied: bool = False
    share: float = 1.0


class _Spot(NamedTuple):
    """Where a signal stands in the lines."""

    start: int
    end: int
    denied: bool = False
    share: float = 1.0


def readable(text: str) -> str:
    """Lines without control characters, wrapped ones joined, JSON's escapes undone.

    Lower-case, they are as long: the one letter that would grow is replaced.
    """
    if len(text) > LONGEST_TEXT:
        half = LONGEST_TEXT // 2
        text = text[:half] + "\n" + text[-half:]
    if "\\" in text:
        text = text.replace('\\"', '"').replace("\\n", "\n").replace("\\u2013", "-")
    text = _UNSEEN.sub("", text.replace("\r", "\n")).translate(_SAME)
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return _WRAPPED.sub(" ", "\n".join(line for line in lines if line))


def sightings(text: str, rules: Rules, place: str = "text") -> Iterator[Sighting]:
    """Every signal that the text holds, each once; one that is affirmed somewhere is not denied."""
    shown = readable(text)
    lines = shown.lower()
    for signal in rules.signals:
        found = _best(_seen(lines, signal))
        if found is not None:
            quoted = quote(_around(shown, found.start, found.end, QUOTE_REACH), LONGEST_QUOTE)
            yield Sighting(signal, quoted, place, found.denied, found.share)
    for code, start, end in _exit_codes(lines):
        yield Sighting(rules.for_exit_code(code), quote(shown[start:end]), place)


def _best(found: Iterator[_Spot]) -> _Spot | None:
    denied = None
    for spot in found:
        if not spot.denied:
            return spot
        denied = spot
    return denied


def _seen(lines: str, signal: Signal) -> Iterator[_Spot]:
    for phrase in signal.phrases:
        for start in _places(lines, phrase):
            end = start + len(phrase)
            if _agrees(lines, signal, start, end):
                denied = _denied(lines, *_told(lines, signal, start, end))
                yield _Spot(start, end, denied)
        whole = signal.pattern or len(lines) < SHORTEST_CUT
        cut = None if whole else _stump(lines, phrase)
        if cut is not None and _agrees(lines, signal, cut, len(lines)):
            yield _Spot(cut, len(lines), share=STUMP_SHARE)


def _places(lines: str, phrase: str) -> list[int]:
    """Where a phrase stands: the first places and the last ones."""
    first: list[int] = []
    at = lines.find(phrase)
    while at >= 0 and len(first) < PLACES:
        first.append(at)
        at = lines.find(phrase, at + len(phrase))
    last: list[int] = []
    at = lines.rfind(phrase) if len(first) == PLACES else -1
    while first and at > first[-1] and len(last) < PLACES:
        last.append(at)
        at = lines.rfind(phrase, 0, at)
    return first + last


def _stump(lines: str, phrase: str) -> int | None:
    """Where the text, cut short as Batch cuts a reason, breaks off within a phrase."""
    for length in range(len(phrase) - 1, max(SHORTEST_STUMP, len(phrase) * 2 // 3) - 1, -1):
        if phrase[length - 1] == lines[-1:] and lines.endswith(phrase[:length]):
            return len(lines) - length
    return None


def _agrees(lines: str, signal: Signal, start: int, end: int) -> bool:
    if signal.pattern and not signal.pattern.search(_around(lines, start, end, LINE_REACH)):
        return False
    if not signal.near and not signal.apart:
        return True
    context = _around(lines, start, end, CONTEXT_REACH)
    if signal.near and not any(phrase in context for phrase in signal.near):
        return False
    return not any(phrase in context for phrase in signal.apart)


def _told(lines: str, signal: Signal, start: int, end: int) -> tuple[int, int]:
    """From where to where the sign is told: a pattern may take in a «no» before the phrase."""
    left, right = _line(lines, start, end, LINE_REACH)
    found = signal.pattern.search(lines, left, right) if signal.pattern else None
    if found is None:
        return start, end
    return min(start, found.start()), max(end, found.end())


def _around(lines: str, start: int, end: int, reach: int) -> str:
    """The line around a place, at most `reach` characters to either side."""
    left, right = _line(lines, start, end, reach)
    return lines[left:right]


def _line(lines: str, start: int, end: int, reach: int) -> tuple[int, int]:
    left = max(lines.rfind("\n", max(0, start - reach), start) + 1, start - reach, 0)
    right = lines.find("\n", end, end + reach)
    return left, right if right >= 0 else end + reach


def _denied(lines: str, start: int, end: int) -> bool:
    """Whether the words around a phrase say that it did not happen, or only that it might."""
    clause = re.split(r"[.;:!?,(]\s|\n", lines[max(0, start - 48) : start])[-1]
    if _DENIED_BEFORE.search(clause) or _ONLY_IF_BEFORE.search(lines[max(0, start - 32) : start]):
        return True
    return _DENIED_AFTER.search(lines[end : end + 40]) is not None


def _exit_codes(lines: str) -> Iterator[tuple[int, int, int]]:
    """The exit codes that a text names, each once, and from where to where."""
    named: set[int] = set()
    for start in _places(lines, "exit"):
        window = lines[start : start + EXIT_REACH].replace("\n", " ")
        for found in _EXIT.finditer(window):
            code = int(found[1])
            if code not in named:
                named.add(code)
                yield code, start + found.start(), start + found.end()
