"""What a run says while it asks, and at its end."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from batchguide.aws.session import Session
from batchguide.aws.wanted import WANTED, Wanted
from batchguide.capture import Call, CallError, Capture
from batchguide.units import show_count, show_duration

Needs = Mapping[str, Collection[str]]  # a check's id → the operations it needs (batch:ListJobs)


def answered(row: Wanted, calls: list[Call]) -> str:
    """How much of a row was asked and answered, and what went wrong."""
    asked = [
        call for call in calls if call.pages or (call.error and call.error.kind != "not-asked")
    ]
    pages = sum(len(call.pages) for call in calls)
    line = f"{row.service}:{row.operation} ({row.name}): {len(asked)} asked, {pages} pages"
    failed = [call.error for call in calls if call.error]
    if not failed:
        return line
    kinds = ", ".join(dict.fromkeys(f"{error.kind} ({error.code})" for error in failed))
    return f"{line}; {len(failed)} without a whole answer: {kinds}"


def bad_credentials(error: CallError, region: str) -> str:
    """Why nothing more is asked with these credentials."""
    return (
        f"AWS did not take the credentials in {region} ({error.code}: {error.message}); "
        "sign in again or give another --profile, "
        f"and check that {region} is switched on for the account"
    )


def no_answer(error: CallError, session: Session) -> str:
    """Why nothing more is asked at this endpoint."""
    where = session.endpoint_url or f"AWS in {session.region}"
    return (
        f"no answer from {where} ({error.message}); "
        "check the Region's name, AWS_ENDPOINT_URL or --endpoint-url, and the network or proxy"
    )


def refused(row: Wanted, calls: Sequence[Call], needs: Needs) -> Iterator[str]:
    """A line for each permission that a row lacks, with the checks that can't be decided then."""
    errors = [call.error for call in calls if call.error and call.error.kind == "refused"]
    for permission in dict.fromkeys(error.permission or row.permission for error in errors):
        checks = blinded_checks(row, needs)
        unknown = f"UNKNOWN without it: {', '.join(checks)}" if checks else "no check needs it"
        yield f"refused: {permission}; {unknown}"


def blinded_checks(row: Wanted, needs: Needs) -> tuple[str, ...]:
    """The checks that need what a row asks, or what is asked by its answers."""
    lost = {f"{each.service}:{each.operation}" for each in (row, *_followers(row))}
    return tuple(check for check, needed in needs.items() if lost & set(needed))


def _followers(row: Wanted) -> Iterator[Wanted]:
    """Rows whose questions are made of a row's answers, and those that are made of theirs."""
    for other in WANTED:
        if row.name in other.follows:
            yield other
            yield from _followers(other)


def spent(capture: Capture) -> str:
    """What collecting took; and whether its answers are whole."""
    meta = capture.meta
    took = (
        f"spent {show_count(meta['calls_spent'])} calls, {show_count(meta['retries_spent'])} "
        f"retries, {show_duration(meta['seconds_spent'])}"
    )
    partly = dict.fromkeys(f"{it.service}:{it.operation}" for it in capture.calls if it.error)
    if not partly:
        return f"{took}; every question was answered in full"
    return f"{took}; not answered in full: {', '.join(partly)}"
