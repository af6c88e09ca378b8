"""How an attempt ended, in a word, as far as its record tells."""

from __future__ import annotations

import re

from batchguide.account import Attempt, Job
from batchguide.checks.disk_failures import DISK_FULL, DOCKER_SLOW

HOST_LOST, TIMED_OUT, DOCKER = "instance lost", "timed out", "Docker did not answer"
PULL, NOT_STARTED = "image not pulled", "container not started"
OUT_OF_MEMORY, FULL_DISK = "out of memory", "full disk"
NO_IMAGE, NO_COMMAND = "no such image", "no such command"

# The instance or the registry is at fault; another try may well succeed.
INFRASTRUCTURE = frozenset({HOST_LOST, DOCKER, PULL})
# The next try meets the same; so do exit codes that come again.
PERMANENT = frozenset({OUT_OF_MEMORY, FULL_DISK, NO_IMAGE, NO_COMMAND})

HOST_GONE = re.compile(r"\s*Host EC2\b", re.IGNORECASE)
PAST_TIMEOUT = re.compile(r"attempt duration exceeded timeout", re.IGNORECASE)
ORDINARY_END = re.compile(r"\s*Essential container in task exited", re.IGNORECASE)
SIGKILLED, SIGTERMED = 137, 143  # 128 + the signal's number
NOT_EXECUTABLE = (126, 127)

_IN_REASON = (  # the first that is found
    (DISK_FULL, FULL_DISK),
    (re.compile(r"OutOfMemory", re.I), OUT_OF_MEMORY),
    (
        re.compile(
            r"executable file not found|exec format error|exec: .*(no such file|permission denied)",
            re.I,
        ),
        NO_COMMAND,
    ),
    (
        re.compile(
            r"CannotPull.*(not found|manifest unknown|does not exist|no matching manifest"
            r"|access denied)",
            re.I,
        ),
        NO_IMAGE,
    ),
    (DOCKER_SLOW, DOCKER),
    (re.compile(r"CannotPull|toomanyrequests", re.I), PULL),
    (re.compile(r"Cannot(Create|Start)|ResourceInitialization", re.I), NOT_STARTED),
)


def ending_of(job: Job, attempt: Attempt) -> str | None:
    """What ended an attempt; None when nothing failed, or nothing is said of it.

    A job's own words count where its only attempt has none.
    """
    said = attempt.status_reason or (job.status_reason if len(job.attempts) == 1 else None) or ""
    if HOST_GONE.match(said):
        return HOST_LOST
    if PAST_TIMEOUT.search(said):
        return TIMED_OUT
    for pattern, ending in _IN_REASON:
        if attempt.reason and pattern.search(attempt.reason):
            return ending
    return _of_exit_code(attempt, said)


def _of_exit_code(attempt: Attempt, said: str) -> str | None:
    code = attempt.exit_code
    if code == SIGKILLED and ORDINARY_END.match(said):
        return OUT_OF_MEMORY  # nobody but the kernel is known to have killed it
    if code in NOT_EXECUTABLE:
        return NO_COMMAND
    if code:
        return f"exit code {code}"
    return NOT_STARTED if said.startswith("Task failed to start") else None


def is_permanent(ending: str) -> bool:
    """Whether the next attempt can be expected to end the same way."""
    return ending in PERMANENT or ending.startswith("exit code")
