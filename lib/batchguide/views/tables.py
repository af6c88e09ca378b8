"""Findings, captures and comparisons as HTML; foreign text in them is inert (`markup.inert`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from batchguide.facts import runbooks_path
from batchguide.findings import Finding, Severity, Status, worst_first
from batchguide.units import show_count, show_duration, show_size
from batchguide.views.markup import folded, inert, inert_prose, link, page, table
from batchguide.views.theme import ALARM, GOOD, STATUS_COLOURS

if TYPE_CHECKING:
    from batchguide.account_scenario import Observed
    from batchguide.disk.outcome import Outcome
    from batchguide.findings import Check

SHAPES = {
    "critical": "◆",
    "high": "▲",
    "medium": "■",
    "low": "●",
    "UNKNOWN": "?",
    "PASS": "✓",
    "NOT_APPLICABLE": "–",
    "MUTED": "∅",
}
WORDS = {"NOT_APPLICABLE": "not applicable", "PASS": "pass", "UNKNOWN": "unknown", "MUTED": "muted"}
MOST_ROWS = 200
_DARK_CHIPS = {"critical", "UNKNOWN", "PASS"}


def kind_of(finding: Finding) -> str:
    """What a finding is shown as: its severity when it fails, else its status."""
    return str(finding.severity if finding.status is Status.FAIL else finding.status)


def badge(kind: str) -> str:
    """A status as shape, word and colour, so that it reads without the colour."""
    ink = "#ffffff" if kind in _DARK_CHIPS else "#111111"
    style = f"background:{STATUS_COLOURS[kind]};color:{ink}"
    word = WORDS.get(kind, kind)
    return f'<span class="bg-badge" style="{style}">{SHAPES[kind]} {word}</span>'


def capture_card(source: str, meta: Mapping[str, Any]) -> str:
    """Which account this is, where, and when it was asked; a bundled capture says SAMPLE loudly."""
    account, region, taken_at = (_known(meta, name) for name in ("account", "region", "taken_at"))
    facts = f"<b>Account {account}</b> in <b>{region}</b>, as captured <b>{taken_at}</b>"
    if not source.startswith("demo:"):
        return page(f'<div class="bg-card">{facts}, from <code>{inert(source)}</code></div>')
    sample = (
        f"<p><b>SAMPLE</b>: {facts}. This account is made up; it is not yours.</p>"
        '<p class="bg-dim">Yours: run <code>batchguide collect --profile P --region R '
        '-o mine.json.gz</code>, then set <code>capture = "mine.json.gz"</code> above.</p>'
    )
    return page(f'<div class="bg-card bg-sample">{sample}</div>')


def _known(meta: Mapping[str, Any], name: str) -> str:
    value = meta.get(name)
    return inert(value, 60) if value else "unknown"


def summary_strip(findings: Iterable[Finding]) -> str:
    """How many of each kind; kinds that failed, and UNKNOWN, are there also with 0."""
    counted: dict[str, int] = dict.fromkeys([*Severity, "UNKNOWN", "PASS"], 0)
    for finding in findings:
        kind = kind_of(finding)
        counted[kind] = counted.get(kind, 0) + 1
    tiles = "".join(
        f'<div class="bg-tile"><b>{count}</b>{badge(kind)}</div>' for kind, count in counted.items()
    )
    return page(f'<div class="bg-strip">{tiles}</div>')


def unseen_list(findings: Iterable[Finding]) -> str:
    """What the capture lacks, each with the questions that it leaves open."""
    open_questions: dict[str, set[str]] = defaultdict(set)
    for finding in findings:
        if finding.status is Status.UNKNOWN:
            for name in finding.missing:
                open_questions[name].add(finding.check)
    if not open_questions:
        said = "✓ Everything that the checks ask for is in this capture."
        return page(f'<div class="bg-card bg-good">{said}</div>')
    most_first = sorted(open_questions.items(), key=lambda it: (-len(it[1]), it[0]))
    rows = [
        [f"<code>{inert(name)}</code>", show_count(len(ids)), inert(", ".join(sorted(ids)))]
        for name, ids in most_first[:MOST_ROWS]
    ]
    return page(table(["missing", "open", "questions"], rows, frozenset({1})))


def findings_table(findings: Iterable[Finding], checks: Mapping[str, Check]) -> str:
    """What fails and what is unknown, worst first, evidence folded; what is well in one fold."""
    ordered = worst_first(findings)
    loud = [it for it in ordered if it.status in (Status.FAIL, Status.UNKNOWN)]
    calm = [it for it in ordered if it.status not in (Status.FAIL, Status.UNKNOWN)]
    parts = [_rows(loud, checks) if loud else "<p>✓ Nothing failed, and nothing is unknown.</p>"]
    if calm:
        parts.append(folded(f"{_calm_words(calm)}", _rows(calm, checks)))
    return page(*parts)


def _calm_words(calm: Sequence[Finding]) -> str:
    counted: dict[str, int] = defaultdict(int)
    for finding in calm:
        counted[WORDS[str(finding.status)]] += 1
    return ", ".join(f"{count} {word}" for word, count in counted.items())


def _rows(findings: Sequence[Finding], checks: Mapping[str, Check]) -> str:
    rows = [
        [badge(kind_of(it)), _named(it, checks), inert(it.resource, 120), _told(it, checks)]
        for it in findings[:MOST_ROWS]
    ]
    rest = len(findings) - len(rows)
    more = f"<p>… and {show_count(rest)} more, in the report's JSON.</p>" if rest > 0 else ""
    return table(["", "check", "resource", "what was found"], rows) + more


def _named(finding: Finding, checks: Mapping[str, Check]) -> str:
    check = checks.get(finding.check)
    title = f"<br>{inert(check.title)}" if check else ""
    return f"<b style='white-space:nowrap'>{inert(finding.check)}</b>{title}"


def _told(finding: Finding, checks: Mapping[str, Check]) -> str:
    parts = [inert_prose(finding.message)]
    if finding.missing:
        names = ", ".join(f"<code>{inert(name)}</code>" for name in finding.missing)
        parts.append(f"<br><span class='bg-dim'>missing: {names}</span>")
    detail = _evidence(finding) + _advice(checks.get(finding.check))
    if detail:
        parts.append(folded("<span class='bg-dim'>evidence and fix</span>", detail))
    return "".join(parts)


def _evidence(finding: Finding) -> str:
    lines = [
        f"<li><code>{inert(it.path)}</code> = <code>{inert(it.value, 300)}</code></li>"
        for it in finding.evidence[:20]
    ]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _advice(check: Check | None) -> str:
    if check is None:
        return ""
    sources = " · ".join(link(url, "source") for url in check.source)
    more = page_link(check.runbook, "Read more: ")
    return (
        f"<p><b>Why it matters.</b> {inert(check.why)}</p>"
        f"<p><b>How to fix.</b> {inert(check.fix)} {more}</p><p class='bg-dim'>{sources}</p>"
    )


def page_link(runbook: str, before: str = "") -> str:
    """A link to a runbook beside this one; nothing when that page is not written yet."""
    if not runbook or not (runbooks_path() / f"{runbook}.ipynb").is_file():
        return ""
    return before + link(f"{runbook}.ipynb", runbook)


def next_steps_list(findings: Iterable[Finding], checks: Mapping[str, Check]) -> str:
    """The runbooks that failing findings name, the one most named first; real pages only."""
    counted: dict[str, int] = defaultdict(int)
    for finding in findings:
        check = checks.get(finding.check)
        if finding.status is Status.FAIL and check and page_link(check.runbook):
            counted[check.runbook] += 1
    lines = [
        f"<li>{page_link(name)}: {show_count(count, 'finding leads', 'findings lead')} there</li>"
        for name, count in sorted(counted.items(), key=lambda it: (-it[1], it[0]))
    ]
    return page(f"<ul>{''.join(lines)}</ul>" if lines else "<p>No finding leads further.</p>")


def outcomes_table(outcomes: Mapping[str, Outcome]) -> str:
    """What became of the jobs under each name, when and why the first failed, and the peak."""
    rows = [_outcome_row(name, outcome) for name, outcome in outcomes.items()]
    head = ["", "", "jobs that succeed", "most kept on one", "peak", "first failure"]
    return page(table(head, rows, frozenset({2, 3, 4})))


def own_scenarios_table(observed: Mapping[str, Observed], outcomes: Mapping[str, Outcome]) -> str:
    """What each environment's busiest hour comes to; what was assumed, or is missing, beside it."""
    rows = [
        [f"<code>{inert(name)}</code>", _told_of(each, outcomes.get(name))]
        for name, each in observed.items()
    ]
    return page(table(["scenario", "its forecast"], rows) if rows else "<p>None.</p>")


def _told_of(observed: Observed, outcome: Outcome | None) -> str:
    if outcome is None:
        missing = ", ".join(f"<code>{inert(name)}</code>" for name in observed.missing)
        return f"{badge('UNKNOWN')} the capture lacks {missing}"
    shape, colour = ("✗", ALARM) if outcome.jobs_failed else ("✓", GOOD)
    assumed = ", ".join(f"<code>{inert(name)}</code>" for name in observed.assumed)
    note = f"<br><span class='bg-dim'>assumed: {assumed}</span>" if assumed else ""
    return f'<b style="color:{colour}">{shape}</b> {inert_prose(outcome.verdict)}{note}'


def _outcome_row(name: str, outcome: Outcome) -> list[str]:
    succeeded = f"{show_count(outcome.jobs_succeeded)} of {show_count(outcome.jobs_submitted)}"
    kept = max((one.containers_peak for one in outcome.instances), default=0)
    shape, colour = ("✗", ALARM) if outcome.jobs_failed else ("✓", GOOD)
    mark = f'<b style="color:{colour}">{shape}</b>'
    peak = show_size(outcome.peak_used_gib)
    return [mark, inert(name), succeeded, show_count(kept), peak, _first_failure(outcome)]


def _first_failure(outcome: Outcome) -> str:
    failure = outcome.first_failure
    if failure is None:
        return ""
    when = f"job {show_count(failure.job)} after {show_duration(failure.at_s)}"
    return f"{when}: <code>{inert(failure.error, 120)}</code>"
