"""Sentences: verdicts, what a picture shows, and claims that fail when they stop being true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from batchguide import facts
from batchguide.disk.agent_config import AgentSettings
from batchguide.findings import Finding, Severity, Status, worst_first
from batchguide.units import show_count, show_duration
from batchguide.views.markup import Shown, inert, inert_prose, link, page
from batchguide.views.theme import ALARM, GOOD

if TYPE_CHECKING:
    from batchguide.disk.advice import Advice
    from batchguide.disk.outcome import InstanceOutcome, Outcome
    from batchguide.disk.scenario import AgentSpec

SETTING_WORDS = {
    "task_cleanup_wait_s": "a stopped container is kept",
    "task_cleanup_wait_jitter_s": "jitter of that wait",
    "image_cleanup_interval_s": "image cycle every",
    "image_minimum_cleanup_age_s": "images kept at least",
    "images_deleted_per_cycle": "images a cycle",
    "image_cleanup_disabled": "image cleanup is off",
    "pull_behavior": "pull behaviour",
    "reserved_memory_mib": "memory kept back, MiB",
}


class ClaimError(AssertionError):
    """A sentence of a page that is not true any more."""


def claim(text: str, truth: bool) -> Shown:
    """A sentence with a tick; raises when it is not true, so that running a page checks its prose.

    >>> print(claim("two and two are four", 2 + 2 == 4).text)
    ✓ two and two are four
    """
    if not truth:
        raise ClaimError(f"not true any more: {text}")
    said = f'<p><b aria-label="true" style="color:{GOOD}">✓</b> {inert(text)}</p>'
    return Shown(page(said), f"✓ {text}")


def health_verdict(findings: Sequence[Finding]) -> str:
    """How many problems of each severity, the worst in its own words, and what is not known.

    >>> health_verdict([])
    'no check applied, so nothing is known about this account'
    """
    counted = Counter(finding.status for finding in findings)
    unknown, passed = counted[Status.UNKNOWN], counted[Status.PASS]
    untold = f"{show_count(unknown, 'question')} could not be answered" if unknown else ""
    failed = worst_first(it for it in findings if it.status is Status.FAIL)
    if failed:
        return "; ".join(filter(None, [_failed_words(failed), untold]))
    if not unknown and not passed:
        return "no check applied, so nothing is known about this account"
    said = f"no problem found in {show_count(passed, 'question')} answered" if passed else ""
    return ", but ".join(filter(None, [said or "nothing was answered", untold]))


def _failed_words(failed: Sequence[Finding]) -> str:
    many = Counter(finding.severity for finding in failed)
    counts = ", ".join(f"{many[one]} {one}" for one in Severity if many[one])
    noun = "problem" if len(failed) == 1 else "problems"
    worst = failed[0]
    return f"{counts} {noun}; the worst, {worst.check} on {worst.resource}: {worst.message}".rstrip(
        ". "
    )


def verdict_card(outcome: Outcome) -> str:
    """The forecast's verdict, loud."""
    bad = outcome.jobs_failed > 0
    kind, shape = ("bg-bad", "✗") if bad else ("bg-good", "✓")
    colour = ALARM if bad else GOOD
    return page(
        f'<div class="bg-card {kind} bg-verdict" role="status">'
        f'<b style="color:{colour}">{shape}</b> {inert_prose(outcome.verdict)}</div>'
    )


def picture_words(outcome: Outcome, shown: InstanceOutcome | None) -> str:
    """Which instance a picture shows, of how many, and why that one."""
    if shown is None:
        return "No instance ran."
    count = len(outcome.instances)
    if count == 1:
        return f"The only instance, {shown.instance}."
    failure = outcome.first_failure
    first = failure is not None and failure.instance == shown.instance
    why = "where the first job fails" if first else "the fullest"
    return f"Shown: {shown.instance}, {why}, of {show_count(count, 'instance')}."


def agent_words(agent: AgentSpec) -> str:
    """What differs from the profile, and how the profile is known."""
    profile = facts.agent_profile(agent.profile)
    usual = asdict(AgentSettings.from_env(profile.settings))
    changed = [
        f"{SETTING_WORDS.get(name, name)} {setting_words(name, value)}"
        f" (profile: {setting_words(name, usual[name])})"
        for name, value in agent.changes().items()
    ]
    differs = "Differs: " + "; ".join(changed) + ". " if changed else "As the profile. "
    known = f"{profile.evidence}, {link(profile.source, 'source')}"
    return page(f'<span class="bg-small">{inert(differs)} Known as: {known}.</span>')


def setting_words(name: str, value: object) -> str:
    """A setting's value for people: durations as such."""
    if name.endswith("_s") and isinstance(value, int | float):
        return show_duration(value)
    return str(value)


def advice_words(advice: Advice) -> str:
    """An alternative that was forecast: a tick when it is safe, and what it leaves and costs."""
    shape, colour, word = ("✓", GOOD, "safe") if advice.safe else ("✗", ALARM, "not safe")
    mark = f'<b aria-label="{word}" style="color:{colour}">{shape}</b>'
    return page(f"<p>{mark} {inert_prose(advice.sentence)}</p>")
