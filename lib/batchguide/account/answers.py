"""What a capture holds of each operation, row by row, and what is missing of it and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from batchguide.account.fields import Fields
from batchguide.capture import Call, Capture

WORDS = {
    "refused": "AWS refused it",
    "throttled": "AWS throttled it until the retries ended",
    "timeout": "it timed out",
    "unreachable": "its endpoint did not answer",
    "garbage": "it was answered with something else",
    "cut": "it was cut short",
    "not-asked": "the capture does not hold it",
    "other": "it failed",
}


class Where(NamedTuple):
    """The place of a row in the capture; its text is made only when evidence needs it."""

    operation: str  # service:Operation
    call: int  # among the calls of this operation
    page: int
    listed: str  # the field that lists the rows
    at: int

    def path(self, field: str = "") -> str:
        """`ec2:DescribeVolumes[0].pages[0].Volumes[3].Size`"""
        row = f"{self.operation}[{self.call}].pages[{self.page}].{self.listed}[{self.at}]"
        return f"{row}.{field}" if field else row


@dataclass(frozen=True, slots=True)
class Gap:
    """Something of an operation that the capture lacks, and what would have given it."""

    operation: str
    kind: str  # one of `batchguide.capture.KINDS`
    permission: str
    detail: str

    @property
    def reason(self) -> str:
        """`AWS refused it (AccessDeniedException)`"""
        words = WORDS.get(self.kind, WORDS["other"])
        return f"{words} ({self.detail})" if self.detail else words


class Answers:
    """The rows of every operation, and the gaps that were met in reading them."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self._gaps: dict[str, dict[Gap, None]] = defaultdict(dict)
        self._whole: dict[str, set[int]] = {}  # calls that were answered and could be read
        for service, operation in capture.operations():
            name = f"{service}:{operation}"
            calls = capture.calls_of(service, operation)
            self._whole[name] = {at for at, call in enumerate(calls) if _is_whole(call)}
            for call in calls:
                self._note_error(name, call)

    def _note_error(self, name: str, call: Call) -> None:
        if call.error is not None:
            permission = call.error.permission or name
            self._gaps[name][Gap(name, call.error.kind, permission, call.error.code)] = None

    def rows(self, service: str, operation: str, listed: str) -> Iterator[tuple[Where, Fields]]:
        """Each row of a list-valued field over calls and pages; what is no row becomes a gap."""
        name = f"{service}:{operation}"
        for call_at, call in enumerate(self.calls(service, operation)):
            for page_at, page in enumerate(call.pages):
                found = page.get(listed)
                if not isinstance(found, list):
                    self.note_garbage(name, f"an answer without a list {listed}", call_at)
                    continue
                for index, row in enumerate(found):
                    if isinstance(row, dict):
                        yield Where(name, call_at, page_at, listed, index), row
                    else:
                        detail = f"{listed} lists something that is no structure"
                        self.note_garbage(name, detail, call_at)

    def calls(self, service: str, operation: str) -> tuple[Call, ...]:
        """The calls of an operation, with what was asked."""
        return self.capture.calls_of(service, operation)

    def answers(self, service: str, operation: str) -> Iterator[tuple[Call, int, Fields]]:
        """Each page with its call and the call's place, for operations that answer one thing."""
        for call_at, call in enumerate(self.calls(service, operation)):
            for page in call.pages:
                yield call, call_at, page

    def names(self, service: str, operation: str, listed: str) -> Iterator[tuple[Call, list[str]]]:
        """Each page's list of names, for operations that list nothing else."""
        name = f"{service}:{operation}"
        for call, call_at, page in self.answers(service, operation):
            found = page.get(listed)
            if isinstance(found, list) and all(isinstance(each, str) for each in found):
                yield call, found
            else:
                self.note_garbage(name, f"an answer without a list {listed} of names", call_at)

    def note_garbage(self, name: str, detail: str, call_at: int | None = None) -> None:
        """Remember that a part of an operation's answer could not be read."""
        self._gaps[name][Gap(name, "garbage", name, detail)] = None
        if call_at is not None:
            self._whole.get(name, set()).discard(call_at)

    def note_odd(self, where: Where, detail: str) -> None:
        """Remember that a row is not what the operation lists."""
        self.note_garbage(where.operation, detail, where.call)

    def gaps(self, name: str) -> tuple[Gap, ...]:
        """Why the answer to an operation is not whole; empty when it is."""
        if name not in self._whole:
            return (Gap(name, "not-asked", name, ""),)
        return tuple(self._gaps.get(name, ()))

    def answered_partly(self, name: str) -> bool:
        """Whether some calls of an operation were answered whole, though not all."""
        return bool(self.gaps(name)) and bool(self._whole.get(name))


def _is_whole(call: Call) -> bool:
    return call.error is None and bool(call.pages)
