"""What a check says: a status, how bad it is, one sentence with its numbers, and where they stand.

A check is a generator on an account that yields `Verdict`s, one a resource. Running it
(`batchguide.checks.run_checks`) binds each verdict to its check and makes it a `Finding`.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from batchguide.errors import UserError

if TYPE_CHECKING:
    from batchguide.account import Account
    from batchguide.capture import Capture

LONGEST_QUOTE = 200  # characters of an AWS string that a sentence can carry
DOCUMENT_SCHEMA = 1
ACCOUNT = "account"  # the resource of a finding about no thing in particular
AREAS = (
    *("disk", "scheduling", "compute-environments", "images-and-agents"),
    *("job-definitions", "logging", "cost"),
)


class Status(StrEnum):
    """The answers; UNKNOWN is one of them, and it is never healthy."""

    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    MUTED = "MUTED"
    PASS = "PASS"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class Severity(StrEnum):
    """Worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A value and where the capture has it: `ec2:DescribeVolumes[0].pages[0].Volumes[3].Size`.

    A value that was computed has a path that says so, starting with `=`.
    """

    path: str
    value: Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check yields for one resource; it does not know yet which check it belongs to."""

    status: Status
    resource: str
    message: str
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    severity: Severity | None = None  # None: the check's own
    firm: bool | None = None  # whether it holds whatever else the capture lacks; None: a FAIL does

    @property
    def stands(self) -> bool:
        """Whether a gap in what the check needs leaves it as it is."""
        return self.status is Status.FAIL if self.firm is None else self.firm


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer about one resource."""

    check: str
    status: Status
    severity: Severity
    resource: str
    message: str
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    fingerprint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The finding as `batchguide check --format json` prints it."""
        return {
            "check": self.check,
            "status": str(self.status),
            "severity": str(self.severity),
            "resource": self.resource,
            "message": self.message,
            "evidence": [{"path": one.path, "value": one.value} for one in self.evidence],
            "missing": list(self.missing),
            "fingerprint": self.fingerprint,
        }


def quote(text: object, longest: int = LONGEST_QUOTE) -> str:
    """AWS's words fit for a sentence: one line, no control or direction characters, cut.

    Markup stays as it is, for it is data; whoever shows it escapes it.

    >>> quote("line one\\nline\\x1b[31m two\\u202e")
    'line one line[31m two'
    """
    line = re.sub(r"\s+", " ", str(text)).strip()
    clean = "".join(letter for letter in line if unicodedata.category(letter)[0] != "C")
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def passes(resource: str, message: str, *evidence: Evidence) -> Verdict:
    """The question was answered, and the answer is healthy."""
    return Verdict(Status.PASS, resource, message, evidence)


def fails(
    resource: str,
    message: str,
    *evidence: Evidence,
    severity: Severity | None = None,
    by_absence: bool = False,
) -> Verdict:
    """The problem is there; `severity` when it is milder or worse than the check's own.

    `by_absence` when something was looked for and not found: a gap then makes it UNKNOWN.
    """
    firm = not by_absence
    return Verdict(Status.FAIL, resource, message, evidence, severity=severity, firm=firm)


def unknown(resource: str, message: str, *evidence: Evidence, missing: Iterable[str]) -> Verdict:
    """Can't be told: `missing` names each permission or datum that would tell."""
    names = tuple(dict.fromkeys(missing))
    if not names:
        raise ValueError(f"UNKNOWN for {resource} must name what is missing")
    return Verdict(Status.UNKNOWN, resource, message, evidence, names)


def not_applicable(resource: str, message: str, *evidence: Evidence, firm: bool = False) -> Verdict:
    """The question does not arise here, and the message says why.

    `firm` when the resource itself says so; not when nothing was found that it could be about.
    """
    return Verdict(Status.NOT_APPLICABLE, resource, message, evidence, firm=firm)


@dataclass(frozen=True)
class Check:
    """A question, how it is decided, and what to read and do when the answer is bad.

    `needs` are the operations (`service:Operation`) without which it can't say PASS. Those in
    `keyed` are asked once a resource: when some of their calls failed and others did not, the
    function itself says UNKNOWN for the resources whose answer is missing.
    """

    id: str
    title: str
    severity: Severity
    area: str
    question: str
    why: str
    fix: str
    source: tuple[str, ...]
    needs: tuple[str, ...]
    keyed: tuple[str, ...]
    fixes: tuple[str, ...]
    runbook: str
    function: Callable[[Account], Iterator[Verdict]]


CheckFunction = Callable[["Account"], Iterator[Verdict]]

_REGISTRY: dict[str, Check] = {}
_FORM = re.compile(
    r"\A(?P<question>[^\n]+\?)\n\n"
    r"Why it matters: (?P<why>.+?)\n\n"
    r"How to fix: (?P<fix>.+?)\n\n"
    r"Source: (?P<source>.+)\Z",
    re.DOTALL,
)


def parse_docstring(text: str) -> dict[str, str]:
    """The parts of a check's docstring: question, why, fix, source.

    >>> parse_docstring("Is it full?\\n\\nWhy it matters: jobs\\nfail.\\n\\n"
    ...     "How to fix: enlarge it.\\n\\nSource: https://a.example")["why"]
    'jobs fail.'
    """
    found = _FORM.match(inspect.cleandoc(text))
    if found is None:
        raise ValueError(f"not the form of a check's docstring: {text!r}")
    return {name: " ".join(part.split()) for name, part in found.groupdict().items()}


def check(
    *,
    id: str,
    title: str,
    severity: str,
    area: str,
    needs: Iterable[str],
    runbook: str,
    keyed: Iterable[str] = (),
    fixes: Iterable[str] = (),
) -> Callable[[CheckFunction], CheckFunction]:
    """Register a generator as a check; its docstring holds question, why, fix and source."""

    def register(function: CheckFunction) -> CheckFunction:
        if id in _REGISTRY or area not in AREAS:
            raise ValueError(f"a second check {id}, or one of an area {area} that does not exist")
        parts = parse_docstring(function.__doc__ or "")
        _REGISTRY[id] = Check(
            id=id,
            title=title,
            severity=Severity(severity),
            area=area,
            question=parts["question"],
            why=parts["why"],
            fix=parts["fix"],
            source=tuple(parts["source"].split()),
            needs=tuple(needs),
            keyed=tuple(keyed),
            fixes=tuple(fixes),
            runbook=runbook,
            function=function,
        )
        return function

    return register


def registry() -> Mapping[str, Check]:
    """Checks by id, in the order of the catalogue; filled by importing `batchguide.checks`."""
    order = {area: place for place, area in enumerate(AREAS)}
    return dict(sorted(_REGISTRY.items(), key=lambda item: (order[item[1].area], item[0])))


def fingerprint(scope: str, check_id: str, resource: str) -> str:
    """The same for the same trouble in every run: no number and no sentence goes into it."""
    text = "\n".join((scope, check_id, resource))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """FAIL before UNKNOWN before the rest; the severest first; then as the catalogue has them."""
    statuses = {status: place for place, status in enumerate(Status)}
    places = {id: place for place, id in enumerate(registry())}

    def badness(it: Finding) -> tuple[int, int, int, str, str]:
        place = places.get(it.check, len(places))
        return statuses[it.status], it.severity.rank, place, it.check, it.resource

    return tuple(sorted(findings, key=badness))


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings have each status; every status is there, also with 0."""
    counted = Counter(finding.status for finding in findings)
    return {str(status): counted[status] for status in Status}


def exit_code(
    findings: Iterable[Finding], fail_on: str = "high", allow_unknown: bool = False
) -> int:
    """0 nothing at or above the threshold, 1 a failure, 2 something that can't be told.

    A failure that is known outweighs one that is not: 1 goes before 2. `never` is always 0. An
    account in which there was nothing to judge is not a healthy one: 2.
    """
    allowed = [*Severity, "never"]
    if fail_on not in allowed:
        raise UserError(f"fail-on {fail_on!r} is none of {', '.join(allowed)}")
    if fail_on == "never":
        return 0
    limit = Severity(fail_on).rank
    found = tuple(findings)
    weighty = {finding.status for finding in found if finding.severity.rank <= limit}
    if Status.FAIL in weighty:
        return 1
    untold = Status.UNKNOWN in weighty or nothing_to_judge(found)
    return 2 if untold and not allow_unknown else 0


def nothing_to_judge(findings: Iterable[Finding]) -> bool:
    """Whether every check found that the account has nothing that it is about."""
    found = tuple(findings)
    nothing = (Status.NOT_APPLICABLE, ACCOUNT)
    return bool(found) and all((it.status, it.resource) == nothing for it in found)


def check_document(capture: Capture, findings: Iterable[Finding]) -> dict[str, Any]:
    """What `batchguide check CAPTURE --format json` prints."""
    found = tuple(findings)
    return {
        "schema": DOCUMENT_SCHEMA,
        "capture": dict(capture.meta),
        "summary": summary(found),
        "findings": [finding.to_dict() for finding in found],
    }
