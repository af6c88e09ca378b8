"""The failed jobs of a capture: the one to explain, and which causes they share."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from batchguide.findings import quote
from batchguide.triage.explain import explain_job, explain_text

if TYPE_CHECKING:
    from batchguide.account import Account
    from batchguide.account.model import Job

MOST_EXPLAINED = 300
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Explained:
    """What was explained, in words, and the document of `explain_job` or `explain_text`."""

    subject: str
    document: dict[str, Any]

    @property
    def causes(self) -> list[dict[str, Any]]:
        """The likeliest first."""
        return list(self.document["causes"])


@dataclass(frozen=True, slots=True)
class Shared:
    """Failed jobs with the same likeliest cause, the newest first; `confidence` is the median's."""

    cause: str
    runbook: str
    confidence: float
    job_ids: tuple[str, ...]


def explain(account: Account, job: str = "", text: str = "") -> Explained:
    """A text when there is one, else the job of that id, else the job that failed last."""
    if text:
        return Explained("the error text", explain_text(text))
    chosen = job or next((each.id for each in failed_jobs(account)), "")
    if not chosen:
        return Explained("no job: none of this capture failed", explain_text(""))
    document = explain_job(account, chosen)
    found = account.job_by_id.get(chosen) or account.job_by_id[chosen.rpartition("/")[2]]
    which = "" if job else ", the last that failed"
    name = quote(found.name or "without a name", 80)
    return Explained(f"job {quote(found.id, 80)} ({name}, {found.status}){which}", document)


def failed_jobs(account: Account) -> tuple[Job, ...]:
    """The newest first; an array's parent stands behind its children, which know more."""
    failed = (job for job in account.jobs if job.status == "FAILED")
    return tuple(sorted(failed, key=_newest_child_first))


def _newest_child_first(job: Job) -> tuple[bool, float, str]:
    stopped = job.stopped_at or job.created_at or _LONG_AGO
    return job.array_size is not None, -stopped.timestamp(), job.id


def shared_causes(account: Account, most: int = MOST_EXPLAINED) -> tuple[Shared, ...]:
    """The likeliest causes of the `most` newest failed jobs, the most frequent first."""
    found: dict[str, list[tuple[float, str, str]]] = defaultdict(list)
    for job in failed_jobs(account)[:most]:
        first = explain_job(account, job.id)["causes"][0]
        found[first["id"]].append((first["confidence"], job.id, first["runbook"]))
    shared = (_shared(cause, jobs) for cause, jobs in found.items())
    return tuple(sorted(shared, key=lambda each: (-len(each.job_ids), each.cause)))


def _shared(cause: str, jobs: list[tuple[float, str, str]]) -> Shared:
    confidences = sorted(confidence for confidence, _, _ in jobs)
    middle = confidences[len(confidences) // 2]
    return Shared(cause, jobs[0][2], middle, tuple(id for _, id, _ in jobs))
