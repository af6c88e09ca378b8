"""Ask AWS what `wanted.WANTED` says, once, and keep every answer and every failure.

One call's failure never stops the others. What could not be asked because of it is in the capture
as well, so that an operation is complete there exactly if it was asked and answered in full.
"""

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from botocore import xform_name

from batchguide import __version__
from batchguide.aws import narration
from batchguide.aws.failures import (
    BAD_CREDENTIALS,
    CALL_FAILURES,
    PARSER_STUMBLES,
    GarbageError,
    call_error,
)
from batchguide.aws.known import Known, Omitted, Params
from batchguide.aws.narration import Needs
from batchguide.aws.session import Session, make_session
from batchguide.aws.tokens import Tokens
from batchguide.aws.wanted import WANTED, Wanted
from batchguide.capture import Call, CallError, Capture, CaptureError, save_capture
from batchguide.errors import UserError
from batchguide.redaction import redact

WORKERS = 8
Progress = Callable[[str], None]


def collect_to_file(
    profile: str | None,
    region: str | None,
    role: str | None,
    endpoint_url: str | None,
    days: int,
    out: str | Path,
    progress: Progress | None = None,
    budget: int | None = None,
    needs: Needs = MappingProxyType({}),
    tokens: Tokens | None = None,
) -> Capture:
    """Collect the account that the options name, and write it with what it took.

    `needs` (a check → the operations that it needs) lets refusals be told by what they cost.
    With `tokens`, accounts and addresses are hidden before anything is written.
    """
    folder = Path(out).parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(out).is_dir():
        raise CaptureError(
            f"cannot write the capture {out}; give a file in a directory that exists "
            "and that you may write to"
        )
    progress = progress or _silent
    started_s = time.monotonic()
    session = make_session(profile, region, role, endpoint_url)
    capture = collect(session, days=days, progress=progress, budget=budget, needs=needs)
    took = {"seconds_spent": round(time.monotonic() - started_s, 1)}
    capture = replace(capture, meta={**capture.meta, **took})
    capture = tokens.of(capture) if tokens else capture
    save_capture(capture, out)
    progress(narration.spent(capture))
    return capture


def collect(
    session: Session,
    days: int = 7,
    progress: Progress | None = None,
    budget: int | None = None,
    now: datetime | None = None,
    needs: Needs = MappingProxyType({}),
) -> Capture:
    """Everything that the table asks of one account in one region.

    `budget` bounds the calls; what it cuts is marked. Raises `UserError` only where nothing at all
    can be known: credentials that AWS does not take, an endpoint that does not answer.
    """
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    return _Collector(session, now, days, progress or _silent, budget, needs).run()


def _silent(_: str) -> None:
    return None


class _Collector:
    """The state of one run: clients, what is known so far, what was spent."""

    def __init__(
        self,
        session: Session,
        now: datetime,
        days: int,
        progress: Progress,
        budget: int | None,
        needs: Needs,
    ) -> None:
        self._session = session
        self._now, self._days = now, days
        self._progress = progress
        self._budget, self._needs = budget, needs
        self._clients = {wanted.service: session.client(wanted.service) for wanted in WANTED}
        self._by_row: dict[str, list[Call]] = {}
        self._spent_lock = threading.Lock()
        self._calls_spent = self._retries_spent = 0

    def run(self) -> Capture:
        self._session.check_credentials()
        self._progress(f"reading {self._session.region}, {self._days} days of jobs")
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="collect") as pool:
            for number, wave in enumerate(waves()):
                self._run_wave(wave, pool)
                if number == 0:
                    self._stop_if_hopeless()
                self._say_what_is_refused(wave)
        return Capture(self._meta(), tuple(self._calls()))

    def _run_wave(self, wave: list[Wanted], pool: ThreadPoolExecutor) -> None:
        known = self._known()
        asked = [(row, _questions(row, known)) for row in wave]
        pending = [
            (row, [pool.submit(self._answer, row, question, known) for question in questions])
            for row, questions in asked
        ]
        try:
            for row, futures in pending:
                self._by_row[row.name] = [future.result() for future in futures]
                self._by_row[row.name] += self._not_asked(row)
                self._progress(narration.answered(row, self._by_row[row.name]))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise

    def _say_what_is_refused(self, wave: list[Wanted]) -> None:
        """After each wave, so that what a missing permission costs is known before the long one."""
        for row in wave:
            for line in narration.refused(row, self._by_row[row.name], self._needs):
                self._progress(line)

    def _known(self) -> Known:
        since = self._now - timedelta(days=self._days)
        return Known(self._session.region, self._now, since, list(self._calls()))

    def _calls(self) -> Iterator[Call]:
        """In the table's order, whatever the order of answering."""
        return itertools.chain.from_iterable(self._by_row.get(row.name, []) for row in WANTED)

    def _not_asked(self, row: Wanted) -> list[Call]:
        """What failed answers left unasked, or a mark that there was nothing to ask."""
        failed = [call for name in row.follows for call in self._by_row[name] if call.error]
        if not failed:
            return [] if self._by_row[row.name] else [Call(row.service, row.operation, {}, ())]
        causes = dict.fromkeys(f"{call.service}:{call.operation}" for call in failed)
        message = f"follows from {', '.join(causes)}, not answered in full"
        permission = next(
            (c.error.permission for c in failed if c.error and c.error.permission), None
        )
        error = CallError("NotAsked", message, permission, "not-asked")
        return [Call(row.service, row.operation, {}, (), error)]

    def _answer(self, row: Wanted, question: Params | Omitted, known: Known) -> Call:
        if isinstance(question, Omitted):
            omitted = CallError("NotAsked", question.message, row.permission, question.kind)
            return Call(row.service, row.operation, {}, (), omitted)
        pages: list[dict[str, Any]] = []
        error: CallError | None = None
        keep = row.keep(known) if row.keep else None
        try:
            for answer in self._pages(row, question):
                pages.append(_page(row, answer, keep))
            error = _incomplete(row, question, pages)
        except _CutShort as cut:
            error = _cut(str(cut))
        except CALL_FAILURES as failure:
            self._spend(0, _retries(getattr(failure, "response", None)))
            error = call_error(failure, row.permission)
            narrowed = row.narrowed(question, error.code, error.message) if row.narrowed else None
            if narrowed:
                return self._answer(row, narrowed, known)
        return Call(row.service, row.operation, question, tuple(pages), error)

    def _pages(self, row: Wanted, question: Params) -> Iterator[dict[str, Any]]:
        ask = getattr(self._clients[row.service], xform_name(row.operation))
        token, seen = None, set()
        for number in itertools.count(1):
            self._spend(1, 0)
            answer = ask(**question, **({row.token: token} if row.token and token else {}))
            self._spend(0, _retries(answer))
            yield answer
            token = answer.get(row.token) if row.token else None
            if not token or (number == row.max_pages and not row.whole):
                return
            if number == row.max_pages:
                raise _CutShort(f"more than {row.max_pages} pages")
            if token in seen:
                raise GarbageError("AWS named the same next page twice")
            seen.add(token)

    def _spend(self, calls: int, retries: int) -> None:
        with self._spent_lock:
            if calls and self._budget is not None and self._calls_spent >= self._budget:
                raise _CutShort(f"the budget of {self._budget} calls is spent")
            self._calls_spent += calls
            self._retries_spent += retries

    def _stop_if_hopeless(self) -> None:
        errors = [call.error for call in self._calls()]
        first = next((error for error in errors if error), None)
        if first is None:
            return
        identity = self._by_row["identity"][0].error
        if identity and identity.code in BAD_CREDENTIALS:
            raise UserError(narration.bad_credentials(identity, self._session.region))
        if all(error and error.kind in ("timeout", "unreachable") for error in errors):
            raise UserError(narration.no_answer(first, self._session))

    def _meta(self) -> dict[str, Any]:
        identity = self._by_row["identity"][0]
        page = identity.pages[0] if identity.pages else {}
        client = self._clients["sts"]
        return {
            "account": page.get("Account"),
            "partition": client.meta.partition,
            "region": self._session.region,
            "endpoint": self._session.endpoint_kind(),
            "taken_at": _utc(self._now),
            "days": self._days,
            "tool": f"batchguide {__version__}",
            "calls_spent": self._calls_spent,
            "retries_spent": self._retries_spent,
        }


class _CutShort(Exception):  # noqa: N818  not an error of anybody's: our own bound
    """A bound on pages or calls was reached."""


def waves() -> list[list[Wanted]]:
    """The rows of the table in groups that can be asked at the same time."""
    rows = {row.name: row for row in WANTED}
    depth: dict[str, int] = {}

    def depth_of(name: str) -> int:
        if name not in depth:
            earlier = rows[name].follows + rows[name].after
            depth[name] = 1 + max((depth_of(other) for other in earlier), default=-1)
        return depth[name]

    deepest = max(depth_of(name) for name in rows)
    return [[row for row in WANTED if depth[row.name] == level] for level in range(deepest + 1)]


def _questions(row: Wanted, known: Known) -> list[Params | Omitted]:
    """What a row asks; answers that lack what its questions are made of leave them unasked."""
    try:
        return list(row.questions(known))
    except PARSER_STUMBLES as stumble:
        message = f"not asked: answers that it follows from lack {stumble}"
        return [Omitted(message, "garbage")]


def _page(
    row: Wanted, answer: dict[str, Any], keep: Callable[[dict[str, Any]], bool] | None
) -> dict[str, Any]:
    """An answer as the capture keeps it; raises `GarbageError` when it is none."""
    content = answer.get(row.answer)
    if not isinstance(content, row.answer_type):
        raise GarbageError(f"the answer has no {row.answer}")
    if isinstance(content, list):
        if not all(isinstance(item, dict | str) for item in content):
            raise GarbageError(f"{row.answer} holds something that is not described")
        content = [item for item in content if keep is None or keep(item)]
    left_out = {"ResponseMetadata", row.token}
    fields = {key: value for key, value in answer.items() if key not in left_out}
    page: dict[str, Any] = redact(_plain({**fields, row.answer: content}))
    return page


def _plain(value: Any) -> Any:
    """Python's values as JSON's: instants in UTC, bytes as text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return _utc(value)
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _incomplete(row: Wanted, question: Params, pages: list[dict[str, Any]]) -> CallError | None:
    """Things asked for by name that AWS did not describe, without a word of why."""
    if row.asked is None:
        return None
    counted = row.counted or (lambda page: len(page[row.answer]))
    asked, found = row.asked(question), sum(counted(page) for page in pages)
    if found >= asked:
        return None
    message = f"asked about {asked}, AWS described {found}"
    return CallError("Incomplete", message, row.permission, "other")


def _cut(message: str) -> CallError:
    return CallError("Cut", message, None, "cut")


def _retries(answer: dict[str, Any] | None) -> int:
    return int(((answer or {}).get("ResponseMetadata") or {}).get("RetryAttempts") or 0)
