"""What AWS answered, in a file: the only thing that the rest of batchguide knows of an account.

A capture is one JSON document (gzip when its name ends in `.gz`)::

    {"schema": 1, "meta": {...},
     "calls": [{"service", "operation", "params", "pages": [...], "error": null | {...}}]}

in AWS's own names and values. Dates are ISO-8601 strings in UTC; Batch's epoch milliseconds stay
numbers. Three shapes of a call must be told apart:

- an answer: `pages` as they came, `error` null. A listing of nothing is a page with an empty list;
- nothing to ask: no `pages` and no `error`, because the answers it follows from named nothing;
- a failure: `error` says why, and `pages` holds what came before it (a listing cut in the middle).
"""

import gzip
import json
import math
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from batchguide import facts
from batchguide.errors import UserError
from batchguide.files import write_whole

SCHEMA = 1
DEMO_PREFIX = "demo:"
KINDS = frozenset(
    {
        "refused",  # AWS said that the caller may not
        "throttled",  # AWS kept saying "slower" until the retries ended
        "timeout",
        "unreachable",
        "garbage",  # an answer that is not what the operation answers
        "cut",  # batchguide's own bound on calls or pages was reached
        "not-asked",  # an answer that this one follows from is missing
        "other",
    }
)
_GZIP_MAGIC = b"\x1f\x8b"
_COLLECT_AGAIN = "collect it again with `batchguide collect`"


class CaptureError(UserError):
    """A capture that can't be read or written."""


@dataclass(frozen=True)
class CallError:
    """Why a call has no answer, or not a whole one.

    `permission` is the IAM action that would have allowed it (`batch:DescribeJobs`).
    """

    code: str
    message: str
    permission: str | None
    kind: str


@dataclass(frozen=True)
class Call:
    """One question to AWS with all pages of its answer."""

    service: str
    operation: str
    params: dict[str, Any]
    pages: tuple[dict[str, Any], ...]
    error: CallError | None = None


@dataclass(frozen=True)
class Capture:
    """All questions that were put to one account in one region, and the answers."""

    meta: dict[str, Any]
    calls: tuple[Call, ...]

    @cached_property
    def _by_operation(self) -> dict[tuple[str, str], tuple[Call, ...]]:
        found: dict[tuple[str, str], list[Call]] = {}
        for call in self.calls:
            found.setdefault((call.service, call.operation), []).append(call)
        return {key: tuple(calls) for key, calls in found.items()}

    def operations(self) -> tuple[tuple[str, str], ...]:
        """(service, operation) of everything asked, in the order of asking."""
        return tuple(self._by_operation)

    def calls_of(self, service: str, operation: str) -> tuple[Call, ...]:
        """Every call of an operation; empty when the capture does not know the operation."""
        return self._by_operation.get((service, operation), ())

    def items(self, service: str, operation: str, key: str) -> Iterator[Any]:
        """What a list-valued field holds, over all calls and pages of an operation.

        It leaves out what failed: ask `complete` before concluding anything from absence.
        """
        for call in self.calls_of(service, operation):
            for page in call.pages:
                found = page.get(key)
                if isinstance(found, list):
                    yield from found

    def errors_of(self, service: str, operation: str) -> tuple[CallError, ...]:
        """The failures of an operation, or the one of never having been asked."""
        calls = self.calls_of(service, operation)
        if not calls:
            message = f"the capture does not hold {service}:{operation}"
            return (CallError("NotAsked", message, None, "not-asked"),)
        return tuple(call.error for call in calls if call.error)

    def complete(self, service: str, operation: str) -> bool:
        """Whether every question of this operation was put and answered in full."""
        return not self.errors_of(service, operation)


def load_capture(source: str) -> Capture:
    """Read a capture from a path, `demo:NAME` (a bundled one) or `-` (standard input)."""
    name = "standard input" if source == "-" else source
    return _capture_from(_parse(_unpack(_read(source), name), name), name)


def demo_names() -> tuple[str, ...]:
    """The bundled captures."""
    found = facts.data_path("captures").glob("*.json.gz")
    return tuple(sorted(path.name.removesuffix(".json.gz") for path in found))


def save_capture(capture: Capture, path: str | Path) -> None:
    """Write a capture whole or not at all; the same capture always gives the same bytes.

    The file is readable by its owner alone: it describes an account.
    """
    target = Path(path)
    text = json.dumps(to_dict(capture), ensure_ascii=False, separators=(",", ":")) + "\n"
    data = text.encode("utf-8", errors="surrogatepass")
    if target.suffix == ".gz":
        data = gzip.compress(data, compresslevel=9, mtime=0)
    try:
        write_whole(target, data)
    except OSError as error:
        raise CaptureError(
            f"cannot write the capture {target}: {_reason(error)}; "
            "give -o a file in a directory that exists and that you may write to"
        ) from error


def to_dict(capture: Capture) -> dict[str, Any]:
    """The document that `save_capture` writes."""
    return {
        "schema": SCHEMA,
        "meta": capture.meta,
        "calls": [_call_to_dict(call) for call in capture.calls],
    }


def _call_to_dict(call: Call) -> dict[str, Any]:
    return {
        "service": call.service,
        "operation": call.operation,
        "params": call.params,
        "pages": list(call.pages),
        "error": None if call.error is None else vars(call.error).copy(),
    }


def _read(source: str) -> bytes:
    if source == "-":
        if sys.stdin is None:
            raise CaptureError("- means standard input, which is closed")
        return sys.stdin.buffer.read()
    path = _demo_path(source) if source.startswith(DEMO_PREFIX) else Path(source)
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise CaptureError(
            f"cannot read the capture {source!r}: {_reason(error)}; "
            f"give a file that `batchguide collect` wrote, - for standard input, "
            f"or one of {_demos()}"
        ) from error


def _demo_path(source: str) -> Path:
    name = source.removeprefix(DEMO_PREFIX)
    if name not in demo_names():
        raise CaptureError(f"there is no bundled capture {source!r}; there are {_demos()}")
    return facts.data_path("captures", f"{name}.json.gz")


def _demos() -> str:
    return ", ".join(DEMO_PREFIX + name for name in demo_names())


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _unpack(data: bytes, name: str) -> bytes:
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise CaptureError(
            f"the capture {name} is truncated or damaged ({error}); {_COLLECT_AGAIN}"
        ) from error


def _parse(data: bytes, name: str) -> dict[str, Any]:
    if not data.strip():
        raise CaptureError(f"the capture {name} is empty; {_COLLECT_AGAIN}")
    try:
        document = json.loads(data, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        if data.lstrip().startswith(b"{"):
            problem = f"is truncated or damaged ({error})"
        else:
            problem = "is not a capture (it is not JSON)"
        raise CaptureError(f"the capture {name} {problem}; {_COLLECT_AGAIN}") from error
    if not isinstance(document, dict) or not isinstance(document.get("schema"), int):
        raise CaptureError(
            f"{name} is JSON, but not a capture (it has no whole-number `schema`); {_COLLECT_AGAIN}"
        )
    return document


def _capture_from(document: dict[str, Any], name: str) -> Capture:
    schema = document["schema"]
    if isinstance(schema, bool) or schema < 1:
        raise CaptureError(f"{name} has schema {schema!r}; this batchguide knows {SCHEMA}")
    if schema > SCHEMA:
        return _not_understood(document)
    meta, calls = document.get("meta"), document.get("calls")
    if not isinstance(meta, dict) or not isinstance(calls, list):
        missing = "`meta`" if not isinstance(meta, dict) else "`calls`"
        raise CaptureError(f"{name} is JSON, but not a capture (no {missing}); {_COLLECT_AGAIN}")
    return Capture(meta, tuple(_call_from(call, at, name) for at, call in enumerate(calls)))


def _call_from(call: Any, at: int, name: str) -> Call:
    try:
        error = call.get("error")
        read = Call(
            service=_typed(call["service"], str),
            operation=_typed(call["operation"], str),
            params=_typed(call.get("params", {}), dict),
            pages=tuple(_typed(page, dict) for page in _typed(call.get("pages", []), list)),
            error=None if error is None else _error_from(error),
        )
    except (AttributeError, KeyError, TypeError) as problem:
        raise CaptureError(
            f"the capture {name} is damaged: calls[{at}] is not a call ({problem}); "
            f"{_COLLECT_AGAIN}"
        ) from problem
    return read


def _error_from(error: dict[str, Any]) -> CallError:
    permission = error.get("permission")
    kind = _typed(error["kind"], str)
    return CallError(
        code=_typed(error["code"], str),
        message=_typed(error["message"], str),
        permission=None if permission is None else _typed(permission, str),
        kind=kind if kind in KINDS else "other",
    )


def _finite(text: str) -> float:
    """A number of JSON; what has no finite value (NaN, 1e999) is none."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is no finite number")
    return value


def _typed(value: Any, wanted: type) -> Any:
    if not isinstance(value, wanted):
        raise TypeError(f"{type(value).__name__} where {wanted.__name__} is needed")
    return value


def _not_understood(document: dict[str, Any]) -> Capture:
    """A capture of a later schema: what was asked is known, no answer is trusted.

    Its fields may mean something else by then, so that reading them could turn a problem into a
    PASS. Every call becomes a failure, and every check that needs it answers UNKNOWN.
    """
    schema = document["schema"]
    message = f"the capture has schema {schema}, this batchguide reads {SCHEMA}: upgrade batchguide"
    error = CallError("NewerSchema", message, None, "other")
    meta, calls = document.get("meta"), document.get("calls")
    named = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return Capture(
        {**(meta if isinstance(meta, dict) else {}), "schema": schema, "schema_newer": True},
        tuple(
            Call(str(call.get("service")), str(call.get("operation")), {}, (), error)
            for call in named
        ),
    )
