"""What executed pages found, gathered into one document: the `.json` of a report.

A cell hands a value to the report by displaying it under `REPORT_MIME`, beside whatever
it shows to people:

    {"kind": "capture", "capture": {…the capture's meta…}}
    {"kind": "findings", "findings": [{…Finding.to_dict()…}]}
    {"kind": "outcome", "outcome": {…Outcome.to_dict()…}}      the first is what was asked, the
                                                               others are compared with it
    {"kind": "verdict", "verdict": "one sentence"}             when the page knows better

Any other kind is kept, in order, under `also`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from batchguide.findings import Evidence, Finding, Severity, Status, exit_code, summary, worst_first
from batchguide.views.markup import REPORT_MIME
from batchguide.views.prose import health_verdict

if TYPE_CHECKING:
    from batchguide.report.execute import Executed
    from batchguide.report.forecast import Basis

SCHEMA = 1
EXIT_FOUND, EXIT_UNTOLD, EXIT_REFUSED, EXIT_INTERNAL = 1, 2, 64, 70

Values = Sequence[dict[str, Any]]


def document(
    pages: Sequence[Executed], capture_meta: dict[str, Any] | None, basis: Basis | None = None
) -> dict[str, Any]:
    """All that the pages found; a value that no page displayed is None or empty, never made up.

    `basis` tells what the forecast of an account stands on, or why there is none.
    """
    values = [value for page in pages for value in displayed(page.notebook)]
    findings = _findings(values)
    outcomes = _named(values, "outcome")
    captures = _named(values, "capture")
    known = {"capture", "findings", "outcome", "verdict"}
    problem = next((page.problem for page in pages if page.problem), None)
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "pages": [{"runbook": page.name, "parameters": page.parameters} for page in pages],
        "capture": capture_meta or (captures[0] if captures else None),
        "summary": None if findings is None else summary(findings),
        "findings": [finding.to_dict() for finding in findings or ()],
        "outcome": outcomes[0] if outcomes else None,
        "comparisons": outcomes[1:],
        "basis": basis.to_dict() if basis else None,
        "also": [value for value in values if value["kind"] not in known],
        "problem": problem.to_dict() if problem else None,
    }
    verdicts = _verdicts(found, findings, _named(values, "verdict"))
    return found | {"verdict": "; ".join(verdicts) + ".", "verdicts": verdicts}


def displayed(notebook: Any) -> Iterator[dict[str, Any]]:
    """The values that the cells of an executed notebook handed over, in order."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            value = output.get("data", {}).get(REPORT_MIME)
            if isinstance(value, dict) and isinstance(value.get("kind"), str):
                yield dict(value)


def _verdicts(found: dict[str, Any], findings: Sequence[Finding] | None, said: Values) -> list[str]:
    """What stopped a page, what is wrong, and what is forecast."""
    parts = [str(one) for one in said]
    if findings is not None and not parts:
        parts.append(health_verdict(findings))
    if found["outcome"]:
        told = str(found["outcome"].get("verdict") or "no verdict")
        parts.append(f"forecast: {_first_sentence(told)}")
    elif found["basis"]:
        parts.append(found["basis"]["why"])
    if found["problem"]:
        parts.insert(0, found["problem"]["sentence"])
    return [_part(part) for part in parts if part] or ["no page said anything about the account"]


def exit_code_of(found: dict[str, Any], fail_on: str, allow_unknown: bool) -> int:
    """The process's answer: findings by the threshold; a forecast with failed jobs is a 1.

    A forecast has no severity. That the jobs one asked about will fail is what one wanted to be
    stopped by, so that only the threshold `never` silences it. Nor has a forecast that could not
    be made: it is a 2.
    """
    if found["problem"]:
        return int(found["problem"]["exit_code"])
    code = exit_code([finding_from(one) for one in found["findings"]], fail_on, allow_unknown)
    jobs = (found["outcome"] or {}).get("jobs") or {}
    if fail_on != "never" and jobs.get("failed"):
        return EXIT_FOUND
    untold = found["basis"] and found["basis"]["missing"] and fail_on != "never"
    return EXIT_UNTOLD if code == 0 and untold and not allow_unknown else code


def finding_from(data: dict[str, Any]) -> Finding:
    """The finding that `Finding.to_dict` wrote."""
    return Finding(
        check=data["check"],
        status=Status(data["status"]),
        severity=Severity(data["severity"]),
        resource=data["resource"],
        message=data["message"],
        evidence=tuple(Evidence(one["path"], one["value"]) for one in data["evidence"]),
        missing=tuple(data["missing"]),
        fingerprint=data["fingerprint"],
    )


def _findings(values: Values) -> tuple[Finding, ...] | None:
    """None when no page ran checks; a finding that two pages show counts once."""
    import batchguide.checks  # noqa: F401  their order decides ties, here as in the page

    shown: list[Iterable[dict[str, Any]]] = _named(values, "findings")
    if not shown:
        return None
    every = [finding_from(one) for group in shown for one in group]
    once = {(one.check, one.resource, one.status): one for one in every}
    return worst_first(once.values())


def _named(values: Values, kind: str) -> list[Any]:
    return [value[kind] for value in values if value["kind"] == kind and kind in value]


def _first_sentence(text: str) -> str:
    first = re.split(r"(?<=\.) (?=[A-Z])", text, maxsplit=1)[0]
    return re.sub(r"^(The|No|All|Every) ", lambda found: found[0].lower(), first)


def _part(text: str) -> str:
    return " ".join(text.split()).rstrip(". ")
