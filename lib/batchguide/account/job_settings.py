"""What a job definition, or a job that overrides it, says of retries, timeouts and resources."""

from __future__ import annotations

from collections.abc import Iterator

from batchguide.account.answers import Answers, Where
from batchguide.account.fields import Fields, inner, number, rows, text, whole
from batchguide.account.model_retries import ExitRule, RetryStrategy

OLD_FIELDS = {"vcpus": "VCPU", "memory": "MEMORY"}  # and what took their place


def retry_strategy(row: Fields) -> RetryStrategy:
    """As it is in force: one attempt where none is asked for."""
    said = inner(row, "retryStrategy")
    rules = tuple(
        ExitRule(
            action=(text(each, "action") or "").upper(),  # AWS: case does not matter
            on_status_reason=text(each, "onStatusReason"),
            on_reason=text(each, "onReason"),
            on_exit_code=text(each, "onExitCode"),
        )
        for each in rows(said, "evaluateOnExit")
    )
    return RetryStrategy(whole(said, "attempts") or 1, rules)


def timeout_s(row: Fields) -> int | None:
    """Seconds that one attempt may take; None without a timeout."""
    return whole(inner(row, "timeout"), "attemptDurationSeconds") or None


def note_odd_settings(answers: Answers, where: Where, row: Fields) -> None:
    """What stands where a setting belongs and can't be read is a gap, not an absence."""
    strategy, timeout = row.get("retryStrategy"), row.get("timeout")
    if strategy is not None and not _readable_strategy(strategy):
        answers.note_odd(where, "a retryStrategy that can't be read")
    if timeout is not None and (
        not isinstance(timeout, dict) or _odd_number(timeout, "attemptDurationSeconds")
    ):
        answers.note_odd(where, "a timeout that can't be read")


def _readable_strategy(said: object) -> bool:
    if not isinstance(said, dict) or _odd_number(said, "attempts"):
        return False
    listed = said.get("evaluateOnExit")
    return listed is None or (isinstance(listed, list) and all(map(_readable_rule, listed)))


def _readable_rule(rule: object) -> bool:
    if not isinstance(rule, dict):
        return False
    patterns = (rule.get(name) for name in ("onStatusReason", "onReason", "onExitCode"))
    known = str(rule.get("action")).upper() in ("RETRY", "EXIT")
    return known and all(each is None or isinstance(each, str) for each in patterns)


def _odd_number(fields: Fields, name: str) -> bool:
    return fields.get(name) is not None and whole(fields, name) is None


def old_fields(row: Fields) -> Iterator[tuple[str, float]]:
    """`vcpus` and `memory` that still decide, by path: no resource requirement stands beside."""
    for path, container in _old_containers(row):
        asked = {each.get("type") for each in rows(container, "resourceRequirements")}
        for name, kind in OLD_FIELDS.items():
            value = number(container, name)
            if value and kind not in asked:
                yield f"{path}.{name}", value


def _old_containers(row: Fields) -> Iterator[tuple[str, Fields]]:
    yield "containerProperties", inner(row, "containerProperties")
    ranges = rows(inner(row, "nodeProperties"), "nodeRangeProperties")
    for at, each in enumerate(ranges):
        yield f"nodeProperties.nodeRangeProperties[{at}].container", inner(each, "container")
