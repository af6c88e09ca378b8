"""Causes as a document: what speaks for and against each, and what to look at next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from batchguide.errors import UserError
from batchguide.triage.jobs import job_sightings
from batchguide.triage.reading import Sighting, sightings
from batchguide.triage.scoring import Count, Ranked, rank
from batchguide.triage.table import UNDETERMINED, Rules, rules

if TYPE_CHECKING:
    from batchguide.account import Account

SCHEMA = 1
MOST_CAUSES = 6
MOST_LOOKS = 5


def explain_text(text: str) -> dict[str, Any]:
    """The likeliest causes of an error text, a status reason or the end of a log.

    >>> explain_text("write /var/lib/docker/x: no space left on device")["causes"][0]["id"]
    'disk-full'
    """
    return _document(sightings(text, rules()), rules())


def explain_job(account: Account, job_id: str) -> dict[str, Any]:
    """The likeliest causes of what became of a job of the capture.

    Reasons, exit codes and their order over the attempts count together, and what the capture
    knows of the instance and the compute environments.
    """
    job = account.job_by_id.get(job_id) or account.job_by_id.get(job_id.rpartition("/")[2])
    if job is None:
        raise UserError(
            f"no job {job_id!r} in the capture; it holds {len(account.jobs)} jobs of the days that "
            "were collected. Collect again with more --days, or explain its error text"
        )
    return _document(job_sightings(account, job, rules()), rules())


def _document(seen: Iterable[Sighting], table: Rules) -> dict[str, Any]:
    ranked = rank(seen, table)
    shown = [each for each in ranked if _worth_showing(each, table)][:MOST_CAUSES]
    if not shown:
        shown = [each for each in ranked if each.cause == UNDETERMINED]
    hinted = [each.cause for each in ranked if each.spoken_for and each.cause != UNDETERMINED]
    return {"schema": SCHEMA, "causes": [_cause(each, shown, hinted, table) for each in shown]}


def _worth_showing(ranked: Ranked, table: Rules) -> bool:
    likely = ranked.confidence >= table.scale.least_confidence
    return likely and (ranked.spoken_for or ranked.cause == UNDETERMINED)


def _cause(
    ranked: Ranked, shown: Sequence[Ranked], hinted: Sequence[str], table: Rules
) -> dict[str, Any]:
    cause, named = table.causes[ranked.cause], [each.cause for each in shown]
    return {
        "id": cause.id,
        "confidence": round(min(ranked.confidence, 0.99), 2),
        "why": _why(ranked, table),
        "evidence": _evidence(ranked, hinted, table),
        "next": [*_apart(ranked.cause, named, table), *cause.next][:MOST_LOOKS],
        "runbook": cause.runbook,
    }


def _why(ranked: Ranked, table: Rules) -> str:
    """What the cause is, and what speaks most for it."""
    means = table.causes[ranked.cause].means
    strongest = next((each for each in ranked.counts if each.weight > 0), None)
    return means if strongest is None else f"{means} {strongest.sighting.signal.says}"


def _evidence(ranked: Ranked, hinted: Sequence[str], table: Rules) -> list[dict[str, Any]]:
    found = [_counted(count) for count in ranked.counts]
    if ranked.hints_only:
        without = table.causes[ranked.cause].without
        found.append(_object("against", "nothing-telling", without, table.scale.without))
    if ranked.cause == UNDETERMINED and hinted:
        says = f"What is there is no proof, only a sign of {', '.join(hinted[:MOST_CAUSES])}."
        found.append(_object("against", "only-hints", says, 0.0))
    if not found:
        found.append(_object("for", "nothing-known", "No known sign of any cause is in it.", 0.0))
    return found


def _counted(count: Count) -> dict[str, Any]:
    seen = count.sighting
    says = f"The text denies it: {seen.signal.says}" if seen.denied else seen.signal.says
    return _object("for" if count.weight > 0 else "against", seen.signal.id, says, count.weight) | {
        "quote": seen.quote,
        "place": seen.place,
        "source": seen.signal.source,
    }


def _object(stance: str, signal: str, says: str, weight: float) -> dict[str, Any]:
    shown = round(weight, 2)
    return {
        "stance": stance,
        "signal": signal,
        "says": says,
        "weight": shown,
        "quote": "",
        "place": "",
        "source": "",
    }


def _apart(cause: str, named: Sequence[str], table: Rules) -> list[str]:
    """What tells this cause from the others that are shown."""
    return [
        look
        for pair, look in table.looks
        if cause in pair and pair <= set(named) and len(named) > 1
    ]
