"""Causes as HTML: how sure, what speaks for and against, and where to look; quotes are inert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from batchguide.facts import runbooks_path
from batchguide.units import show_count
from batchguide.views.markup import Shown, folded, inert, link, page, table
from batchguide.views.theme import ALARM, GOOD

if TYPE_CHECKING:
    from batchguide.triage.failures import Explained, Shared

SIGNS = {"for": ("+", GOOD, "speaks for it"), "against": ("−", ALARM, "speaks against it")}


def causes_card(explained: Explained) -> Shown:
    """The likeliest cause in a sentence, and the others with their confidence."""
    first = explained.causes[0]
    said = f"{first['id']} ({percent(first['confidence'])}): {first['why']}"
    head = (
        f'<div class="bg-card bg-verdict"><b>{inert(explained.subject)}</b><br>{inert(said)}</div>'
    )
    rows = [
        [f"<b>{inert(each['id'])}</b>", percent(each["confidence"]), inert(each["why"])]
        for each in explained.causes
    ]
    html = page(head + table(["cause", "confidence", "why"], rows, frozenset({1})))
    record = {"kind": "causes", "subject": explained.subject} | explained.document
    return Shown(html, f"{explained.subject}: {said}", record)


def evidence_list(explained: Explained) -> Shown:
    """Every piece of evidence of each cause: what it says, the words, and their place."""
    blocks = [
        folded(
            f"<b>{inert(each['id'])}</b> {percent(each['confidence'])}, "
            f"{show_count(len(each['evidence']), 'piece')} of evidence",
            table(["", "evidence", "words", "where"], [_piece(it) for it in each["evidence"]]),
        )
        for each in explained.causes
    ]
    lines = [
        f"{each['id']}: {SIGNS[it['stance']][0]} {it['says']} {it['quote']}".rstrip()
        for each in explained.causes
        for it in each["evidence"]
    ]
    return Shown(page(*blocks), "\n".join(lines))


def looks_list(explained: Explained) -> Shown:
    """What to look at next for each cause, what tells it from the others first."""
    rows = [
        [f"<b>{inert(each['id'])}</b>", "".join(f"<p>{inert(look)}</p>" for look in each["next"])]
        for each in explained.causes
    ]
    lines = [f"{each['id']}: {look}" for each in explained.causes for look in each["next"]]
    return Shown(page(table(["if it is", "look at"], rows)), "\n".join(lines))


def cause_steps(explained: Explained) -> Shown:
    """The pages that the causes lead to, each once."""
    named: dict[str, list[str]] = {}
    for each in explained.causes:
        named.setdefault(each["runbook"], []).append(each["id"])
    items = "".join(
        f"<p>{inert(', '.join(ids))} → {_page_link(runbook)}</p>" for runbook, ids in named.items()
    )
    return Shown(page(items), "; ".join(f"{', '.join(ids)}: {one}" for one, ids in named.items()))


def shared_table(shared: Sequence[Shared], failed: int) -> Shown:
    """How many failed jobs have each likeliest cause, with one of them to look at."""
    counted = sum(len(each.job_ids) for each in shared)
    if not shared:
        return Shown(page("<p>No job of this capture failed.</p>"), "no job of this capture failed")
    rows = [
        [
            f"<b>{inert(each.cause)}</b>",
            show_count(len(each.job_ids)),
            percent(each.confidence),
            f"<code>{inert(each.job_ids[0], 80)}</code>",
        ]
        for each in shared
    ]
    head = ["likeliest cause", "failed jobs", "confidence (median)", "the last of them"]
    rest = f"<p>The {counted} newest of {failed} failed jobs.</p>" if failed > counted else ""
    lines = [f"{each.cause}: {show_count(len(each.job_ids), 'job')}" for each in shared]
    return Shown(page(table(head, rows, frozenset({1, 2})) + rest), "\n".join(lines))


def percent(share: float) -> str:
    """A confidence for people.

    >>> percent(0.974)
    '97 %'
    """
    return f"{100 * share:.0f} %"


def _piece(evidence: Mapping[str, Any]) -> list[str]:
    sign, colour, words = SIGNS[evidence["stance"]]
    said = inert(evidence["says"])
    if evidence["source"]:
        said += f" {link(evidence['source'], 'source')}"
    quoted = f"<code>{inert(evidence['quote'])}</code>" if evidence["quote"] else ""
    return [
        f'<b aria-label="{words}" style="color:{colour}">{sign}</b>',
        said,
        quoted,
        f'<span class="bg-small">{inert(evidence["place"])}</span>',
    ]


def _page_link(runbook: str) -> str:
    file = f"{runbook}.ipynb"
    return link(file, runbook) if (runbooks_path() / file).is_file() else inert(runbook)
