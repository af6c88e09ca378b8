"""Logs and events: what is still known of a job when AWS has forgotten it."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Any

from batchguide import facts
from batchguide.account import Account, Rule
from batchguide.findings import Evidence, Severity, Verdict, check, fails, passes, quote, unknown

AREA = "logging"
RULES, TARGETS = "events:ListRules", "events:ListTargetsByRule"
DURABLE = ("logs", "firehose", "sqs", "kinesis")  # services that keep what they are sent
RESOURCE = "event-bus/default"
JOB_EVENT = {"source": "aws.batch", "detail-type": "Batch Job State Change"}


@check(
    id="LOG-003",
    title="Batch job events are not kept",
    severity="high",
    area=AREA,
    needs=["batch:DescribeJobQueues", RULES, TARGETS],
    keyed=[TARGETS],
    runbook="20-check-account-health",
)
def job_events_not_kept(account: Account) -> Iterator[Verdict]:
    """Does no EventBridge rule put Batch's job state changes where they are kept?

    Why it matters: Batch forgets a job about a week after it ends, ECS a task after an hour; then
    nobody can tell any more which jobs ran together on which instance, and a forecast has no past
    to learn from.

    How to fix: make a rule on the default bus for source aws.batch and detail type Batch Job State
    Change, with CloudWatch Logs, Firehose, SQS or Kinesis as its target.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html
    https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
    """
    if not account.job_queues:
        return
    rules = [(rule, matches_job_events(rule)) for rule in account.rules if rule.enabled]
    keeping = [rule for rule, matches in rules if matches and _durable(rule)]
    whole = [rule for rule in keeping if not _narrowed(rule)]
    unsure = [rule for rule, matches in rules if _unsure(rule, matches)]
    if whole:
        yield passes(RESOURCE, f"rule {quote(whole[0].name, 60)} keeps them", *_shown(whole[0]))
    elif unsure:
        yield unknown(
            RESOURCE,
            f"whether rule {quote(unsure[0].name, 60)} keeps them can't be told",
            *_shown(unsure[0]),
            missing=_missing(account, unsure[0]),
        )
    elif keeping:
        message = f"rule {quote(keeping[0].name, 60)} keeps some of them: its pattern asks for more"
        mild = Severity.MEDIUM
        yield fails(RESOURCE, message, *_shown(keeping[0]), severity=mild, by_absence=True)
    else:
        yield _nothing_keeps(account, [rule for rule, matches in rules if matches])


def _nothing_keeps(account: Account, matching: list[Rule]) -> Verdict:
    days = facts.quotas()["batch", "job_record_retention_days"].value
    if matching:
        message = (
            f"rule {quote(matching[0].name, 60)} matches them but sends them nowhere that keeps"
            f" them: they are gone after {days:g} days"
        )
        return fails(RESOURCE, message, *_shown(matching[0]), by_absence=True)
    message = f"no enabled rule matches Batch job events: they are gone after {days:g} days"
    rules = Evidence(RULES, [rule.name for rule in account.rules])
    return fails(RESOURCE, message, rules, by_absence=True)


def _shown(rule: Rule) -> tuple[Evidence, ...]:
    return (
        Evidence(rule.where.path("EventPattern"), rule.pattern),
        Evidence(TARGETS, list(rule.target_arns) if rule.target_arns is not None else None),
    )


def _service(arn: str) -> str:
    parts = arn.split(":", 3)
    return parts[2] if len(parts) > 3 else ""


def _durable(rule: Rule) -> bool:
    return any(_service(arn) in DURABLE for arn in rule.target_arns or ())


def _unsure(rule: Rule, matches: bool | None) -> bool:
    """A rule that may keep them: of another's pattern language, targets, or bus."""
    if matches is False or _narrowed(rule):
        return False
    elsewhere = any(_service(arn) == "events" for arn in rule.target_arns or ())
    return matches is None or rule.target_arns is None or elsewhere


def _missing(account: Account, rule: Rule) -> tuple[str, ...]:
    if rule.target_arns is None:
        return account.lacks(*TARGETS.split(":")) or (TARGETS,)
    buses = [arn for arn in rule.target_arns if _service(arn) == "events"]
    return tuple(f"rules of {quote(arn)}" for arn in buses) or (f"meaning of rule {rule.name}",)


def _narrowed(rule: Rule) -> bool:
    """Whether a pattern asks for more than the kind of event, as for failed jobs alone."""
    return bool(set(rule.pattern or ()) - JOB_EVENT.keys() - {"account", "region"})


def matches_job_events(rule: Rule) -> bool | None:
    """Whether a rule's pattern takes Batch job events; None when it can't be told."""
    if rule.pattern is None or not set(rule.pattern) & JOB_EVENT.keys():
        return False  # a schedule, or a pattern about something else
    answers = [
        _takes(rule.pattern[field], value)
        for field, value in JOB_EVENT.items()
        if field in rule.pattern
    ]
    if False in answers:
        return False
    return None if None in answers else True


def _takes(matchers: Any, value: str) -> bool | None:
    if not isinstance(matchers, list):
        return None
    answers = [_matches(matcher, value) for matcher in matchers]
    if True in answers:
        return True
    return None if None in answers else False


def _matches(matcher: Any, value: str) -> bool | None:
    if not isinstance(matcher, dict) or len(matcher) != 1:
        return bool(matcher == value)
    ((kind, wanted),) = matcher.items()
    if kind == "anything-but":
        unwanted = wanted if isinstance(wanted, list) else [wanted]
        return None if isinstance(wanted, dict) else value not in unwanted
    if not isinstance(wanted, str):
        return None
    known = {
        "prefix": value.startswith(wanted),
        "suffix": value.endswith(wanted),
        "equals-ignore-case": value.lower() == wanted.lower(),
        "wildcard": fnmatch.fnmatchcase(value, wanted.replace("[", "[[]").replace("?", "[?]")),
    }
    return known.get(kind)
