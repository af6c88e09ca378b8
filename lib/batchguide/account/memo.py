"""Answers about one compute environment are worked out once, however many checks ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from batchguide.account.joined import Account
from batchguide.account.model import ComputeEnvironment

Answer = TypeVar("Answer")
Question = Callable[[Account, ComputeEnvironment], Answer]


def once_an_environment(question: Question[Answer]) -> Question[Answer]:
    """Keep a pure function's answer in the account that it is about."""
    name = f"{question.__module__}.{question.__qualname__}"

    @wraps(question)
    def answer(account: Account, env: ComputeEnvironment) -> Answer:
        key = (name, env.arn)
        if key not in account.memo:
            account.memo[key] = question(account, env)
        found: Answer = account.memo[key]
        return found

    return answer
