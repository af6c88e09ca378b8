"""Mutes: findings that somebody answers for, with a reason and a day on which it ends.

A file of mutes is a YAML list::

    - check: DISK-019              # * and ? stand for anything
      resource: compute-environment/render-*
      owner: pat@example.com
      reason: jobs of this queue write nothing
      expires: 2027-01-31          # the last day
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from batchguide.errors import UserError
from batchguide.findings import (
    Evidence,
    Finding,
    Severity,
    Status,
    fingerprint,
    quote,
    worst_first,
)

EXPIRED = "MUTE-001"  # the check id of a finding about a mute that has ended
LARGEST_FILE = 1_000_000  # characters


class MuteError(UserError):
    """A file of mutes that says something else than a mute."""


@dataclass(frozen=True, slots=True)
class Mute:
    """Patterns of findings, who answers for hiding them, why, and until which day."""

    check: str
    resource: str
    owner: str
    reason: str
    expires: date

    def covers(self, finding: Finding) -> bool:
        """Whether the finding's check and resource both match."""
        same_check = fnmatchcase(finding.check, self.check)
        return same_check and fnmatchcase(finding.resource, self.resource)


def load_mutes(text: str) -> tuple[Mute, ...]:
    """Read a file of mutes; whatever is wrong is refused by its place and name."""
    import yaml

    if len(text) > LARGEST_FILE:
        raise MuteError(f"the mutes are longer than {LARGEST_FILE:,} characters")
    try:
        listed = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MuteError(f"the mutes are not YAML: {' '.join(str(error).split())}") from error
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise MuteError(f"the mutes are a list of mutes, not {type(listed).__name__}")
    return tuple(_mute(at, each) for at, each in enumerate(listed, start=1))


def _mute(at: int, given: Any) -> Mute:
    names = [each.name for each in fields(Mute)]
    if not isinstance(given, dict):
        raise MuteError(f"mute {at} is {given!r}: it must have {', '.join(names)}")
    for name in sorted(set(names) ^ {str(key) for key in given}):
        what = f"has no {name}" if name in names else f"has {name!r}, which no mute has"
        raise MuteError(f"mute {at} {what}: it must have {', '.join(names)} and nothing else")
    for name in names[:-1]:
        if not isinstance(given[name], str) or not given[name].strip():
            raise MuteError(f"mute {at}: {name} is {given[name]!r}; it must be a text")
    return Mute(**{**given, "expires": _day(at, given["expires"])})


def _day(at: int, value: Any) -> date:
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise MuteError(f"mute {at}: expires is {value!r}; it must be a day, 2027-01-31") from error


def apply_mutes(
    findings: Iterable[Finding], mutes: Iterable[Mute], today: date, scope: str = ""
) -> tuple[Finding, ...]:
    """The findings with the muted ones marked so, and a finding for each mute that has ended.

    Only what fails or can't be told is muted. What a mute hides stays in the list, so that it is
    counted; the message says who answers for it. `scope` is the account's, for fingerprints.
    """
    every = tuple(mutes)
    living = tuple(mute for mute in every if mute.expires >= today)
    muted = (_muted(finding, living) for finding in findings)
    return worst_first((*muted, *_expired(every, living, scope)))


def _muted(finding: Finding, living: tuple[Mute, ...]) -> Finding:
    if finding.status not in (Status.FAIL, Status.UNKNOWN):
        return finding
    mute = next((each for each in living if each.covers(finding)), None)
    if mute is None:
        return finding
    words = f"muted until {mute.expires} by {quote(mute.owner, 60)} ({quote(mute.reason)})"
    return replace(finding, status=Status.MUTED, message=f"{words}: {finding.message}")


def _expired(every: tuple[Mute, ...], living: tuple[Mute, ...], scope: str) -> Iterator[Finding]:
    for mute in dict.fromkeys(every):
        if mute in living:
            continue
        resource = quote(f"mute/{mute.check}/{mute.resource}")
        yield Finding(
            check=EXPIRED,
            status=Status.FAIL,
            severity=Severity.MEDIUM,
            resource=resource,
            message=f"ended on {mute.expires}; {quote(mute.owner, 60)} had: {quote(mute.reason)}",
            evidence=(Evidence("=expires", mute.expires.isoformat()),),
            fingerprint=fingerprint(scope, EXPIRED, f"{resource} {mute.expires}"),
        )
