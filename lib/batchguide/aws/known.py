"""What has been answered so far, from which the next questions follow."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from batchguide.capture import Call

Params = dict[str, Any]


@dataclass(frozen=True)
class Omitted:
    """Stands among the questions for those that a bound left out, or that can't be made."""

    message: str
    kind: str = "cut"


@dataclass(frozen=True)
class Known:
    """What has been answered so far, redacted already."""

    region: str
    now: datetime
    since: datetime
    calls: Sequence[Call]

    def calls_of(self, service: str, operation: str) -> list[Call]:
        return [
            call for call in self.calls if (call.service, call.operation) == (service, operation)
        ]

    def items(self, service: str, operation: str, field: str) -> Iterator[dict[str, Any]]:
        for call in self.calls_of(service, operation):
            for page in call.pages:
                yield from (item for item in page[field] if isinstance(item, dict))


Questions = Callable[[Known], Iterable[Params | Omitted]]


def once(**params: Any) -> Questions:
    """The same single question for every account."""
    return lambda _: [params]


def batches(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """Distinct values in first-seen order, `size` at a time."""
    distinct = list(dict.fromkeys(values))
    return (distinct[at : at + size] for at in range(0, len(distinct), size))


def epoch_ms(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
