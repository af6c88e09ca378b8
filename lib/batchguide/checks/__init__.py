"""The checks, one module an area; importing this package fills the registry.

`run_checks` runs them and holds every verdict to one rule: nobody says PASS while an operation
that the check needs was refused, cut or answered with garbage. A problem that was seen stays a
FAIL whatever else is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from batchguide.account import Account, Gap
from batchguide.checks import (  # noqa: F401  each import registers its checks
    compute_environments,
    compute_environments_manual,
    compute_environments_shape,
    compute_environments_update,
    cost,
    disk_agent,
    disk_churn,
    disk_custom_ami,
    disk_density,
    disk_drift,
    disk_failures,
    disk_images,
    disk_io,
    disk_volume,
    images_and_agents,
    job_definitions,
    job_definitions_form,
    job_definitions_history,
    job_definitions_rhythm,
    logging,
    logging_streams,
    scheduling,
    scheduling_architecture,
    scheduling_capacity,
    scheduling_fit,
    scheduling_queues,
    scheduling_waits,
)
from batchguide.errors import UserError
from batchguide.findings import (
    ACCOUNT,
    Check,
    Evidence,
    Finding,
    Severity,
    Status,
    Verdict,
    fingerprint,
    not_applicable,
    quote,
    registry,
    unknown,
    worst_first,
)

__all__ = ["areas", "registry", "run_checks"]

LONGEST_LIST = 20  # values of a list that evidence shows


def areas() -> tuple[str, ...]:
    """The areas that have checks, in the order of the catalogue."""
    return tuple(dict.fromkeys(check.area for check in registry().values()))


def run_checks(
    account: Account,
    ids: Iterable[str] | None = None,
    areas: Iterable[str] | None = None,
    severities: Iterable[str] | None = None,
) -> tuple[Finding, ...]:
    """Run all checks, or those of these ids, areas and severities; worst findings first."""
    chosen = _chosen(ids, areas, severities)
    return worst_first(finding for check in chosen for finding in run_check(account, check))


def _chosen(
    ids: Iterable[str] | None, wanted: Iterable[str] | None, severities: Iterable[str] | None
) -> list[Check]:
    known = registry()
    by_id = _allowed("check", ids, known)
    by_area = _allowed("area", wanted, areas())
    by_severity = _allowed("severity", severities, [str(each) for each in Severity])
    return [
        check
        for check in known.values()
        if check.id in by_id and check.area in by_area and check.severity in by_severity
    ]


def _allowed(what: str, wanted: Iterable[str] | None, known: Iterable[str]) -> set[str]:
    allowed = list(known)
    if wanted is None:
        return set(allowed)
    chosen = set(wanted)
    for name in sorted(chosen.difference(allowed)):
        raise UserError(f"there is no {what} {name!r}; there are {', '.join(allowed)}")
    return chosen


def run_check(account: Account, check: Check) -> Iterator[Finding]:
    """One check's findings; at least one, for silence could be taken for health."""
    gaps = blocking_gaps(account, check)
    verdicts = list(check.function(account)) or [
        not_applicable(ACCOUNT, "the account has nothing that this is about")
    ]
    for verdict in verdicts:
        yield _bound(account, check, _doubted(verdict, gaps) if gaps else verdict)


def blocking_gaps(account: Account, check: Check) -> tuple[Gap, ...]:
    """What keeps a check from saying PASS.

    An operation that is asked once a resource, and was answered for some, blocks nobody here: the
    check itself misses what was not answered.
    """
    return tuple(
        gap
        for name in check.needs
        if not (name in check.keyed and account.answers.answered_partly(name))
        for gap in account.gaps(name)
    )


def _doubted(verdict: Verdict, gaps: tuple[Gap, ...]) -> Verdict:
    """A verdict in the light of what is missing: a failure that was seen stands."""
    if verdict.stands:
        return verdict
    permissions = tuple(gap.permission for gap in gaps)
    if verdict.status is Status.UNKNOWN:
        return replace(verdict, missing=tuple(dict.fromkeys((*permissions, *verdict.missing))))
    return unknown(
        verdict.resource,
        f"can't be told: {_listed(gaps)}; what was seen: {verdict.message}",
        *verdict.evidence,
        missing=permissions,
    )


def _listed(gaps: tuple[Gap, ...]) -> str:
    first = "; ".join(f"{gap.operation}: {gap.reason}" for gap in gaps[:2])
    return first + (f" (and {len(gaps) - 2} more)" if len(gaps) > 2 else "")


def _bound(account: Account, check: Check, verdict: Verdict) -> Finding:
    return Finding(
        check=check.id,
        status=verdict.status,
        severity=verdict.severity or check.severity,
        resource=verdict.resource,
        message=verdict.message,
        evidence=tuple(Evidence(each.path, _shown(each.value)) for each in verdict.evidence),
        missing=verdict.missing,
        fingerprint=fingerprint(account.scope, check.id, verdict.resource),
    )


def _shown(value: object) -> object:
    """A value as evidence: texts of AWS on one line and cut, lists of them likewise."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value[:LONGEST_LIST]]
    if isinstance(value, dict):
        return {quote(key, 60): _shown(each) for key, each in list(value.items())[:LONGEST_LIST]}
    return value
