"""Answers as plain lines for a terminal.

Whatever came from AWS passes `findings.quote`, so no job name can move the cursor or fake a line.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from batchguide.capture import Capture
from batchguide.findings import (
    Check,
    Finding,
    Status,
    nothing_to_judge,
    quote,
    registry,
    summary,
    worst_first,
)
from batchguide.fixes.plan import Cost, Plan
from batchguide.units import show_count, show_duration, show_size, show_usd

_LONGEST = 600  # characters of one sentence; a terminal wraps, a log line should not run away


def findings_text(capture: Capture, findings: Sequence[Finding], show_passes: bool = False) -> str:
    """What could not be seen first, then what fails, then a line that counts everything."""
    hidden = set() if show_passes else {Status.PASS, Status.NOT_APPLICABLE, Status.MUTED}
    shown = [finding for finding in worst_first(findings) if finding.status not in hidden]
    lines = [*_unseen(shown), *map(_finding_line, shown)]
    if nothing_to_judge(findings):
        lines = ["nothing to judge: AWS answered that there is no AWS Batch in this Region"]
    return "\n".join([_heading(capture), "", *lines, _counts(findings)])


def _heading(capture: Capture) -> str:
    meta = capture.meta
    known = [meta.get(name) for name in ("account", "region", "taken_at")]
    account, region, taken_at = (quote(it) if it else "unknown" for it in known)
    return f"account {account} in {region}, as captured {taken_at}"


def _unseen(findings: Iterable[Finding]) -> list[str]:
    missing = dict.fromkeys(name for finding in findings for name in finding.missing)
    if not missing:
        return []
    return ["could not be seen:", *(f"  {quote(name)}" for name in missing), ""]


def _finding_line(finding: Finding) -> str:
    label = f"{finding.status:<8}{finding.severity:<9}{finding.check}"
    return f"{label}  {quote(finding.resource)}\n    {quote(finding.message, _LONGEST)}"


def _counts(findings: Iterable[Finding]) -> str:
    counted = summary(findings)
    return "\n" + ", ".join(f"{number} {status}" for status, number in counted.items())


def checks_text() -> str:
    """Every check in a line, with the question it asks."""
    return "\n".join(map(_check_line, registry().values()))


def _check_line(check: Check) -> str:
    return f"{check.id:<10}{check.severity:<9}{check.area:<22}{check.question}"


def estimate_text(document: dict[str, Any]) -> str:
    """A forecast, from the JSON that `batchguide estimate` prints: the verdict, then figures."""
    jobs = document["jobs"]
    lines = [
        quote(document["verdict"], _LONGEST),
        "",
        f"jobs      {show_count(jobs['submitted'])} submitted, "
        f"{show_count(jobs['succeeded'])} succeed, {show_count(jobs['failed'])} fail",
        f"peak      {show_size(document['peak_used_gib'])} used",
    ]
    failure = document["first_failure"]
    if failure:
        lines.append(
            f"first     job {failure['job']} on {failure['instance']} after "
            f"{show_duration(failure['at_s'])}: {quote(failure['error'], _LONGEST)}"
        )
    return "\n".join([*lines, *_instances(document["instances"]), *_certainty(document)])


def _instances(instances: Sequence[dict[str, Any]], most: int = 8) -> list[str]:
    lines = [
        f"{one['instance']:<10}{show_size(one['peak_used_gib'])} of "
        f"{show_size(one['capacity_gib'])}, {one['containers_peak']} containers at most"
        for one in instances[:most]
    ]
    return lines + ([f"… and {len(instances) - most} more"] if len(instances) > most else [])


def _certainty(document: dict[str, Any]) -> list[str]:
    lines = []
    if "probability_full" in document:
        peak = document["uncertainty"]["peak_used_gib"]
        lines.append(
            f"risk      {document['probability_full']:.1%} that the volume fills; peak "
            f"{show_size(peak['p50'])} (half of the runs), {show_size(peak['p99'])} (99 of 100)"
        )
    for advice in document.get("advice", ()):
        lines.append(f"advice    {quote(advice['sentence'], _LONGEST)}")
    return lines


def causes_text(document: dict[str, Any]) -> str:
    """Causes, the likeliest first: why, what speaks against it, and the next looks."""
    lines = []
    for cause in document["causes"]:
        lines.append(f"{cause['confidence']:>4.0%}  {cause['id']}: {quote(cause['why'], _LONGEST)}")
        against = [it for it in cause["evidence"] if it["stance"] == "against"]
        lines += [f"      against: {quote(it['says'], _LONGEST)}" for it in against]
        lines += [f"      next: {quote(look, _LONGEST)}" for look in cause["next"]]
    return "\n".join(lines)


def plan_text(plan: Plan, paths: Iterable[Path]) -> str:
    """A plan in short: why, what stands in its way, the steps, and where it was written."""
    offer = [] if plan.offered else ["not offered as a fix: the forecast says it changes nothing"]
    lines = [quote(plan.title), quote(plan.why, _LONGEST), *offer, ""]
    for number, step in enumerate(plan.steps, 1):
        lines.append(f"{number}. {quote(step.title)}")
        lines.append(f"   running jobs: {quote(step.effect_on_jobs, _LONGEST)}")
    lines += ["", _cost_line(plan.cost)]
    for heading in ("blockers", "risks", "notes"):
        lines += [f"{heading[:-1]:<10}{quote(it, _LONGEST)}" for it in getattr(plan, heading)]
    return "\n".join([*lines, "", "nothing was changed; written:", *(f"  {it}" for it in paths)])


def _cost_line(cost: Cost) -> str:
    before, after = cost.usd_month_per_instance_before, cost.usd_month_per_instance_after
    return f"cost      {show_usd(before)} a month and instance today, {show_usd(after)} after"
