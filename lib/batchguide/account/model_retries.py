"""How often Batch tries a job, and which endings it gives up on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExitRule:
    """One entry of `evaluateOnExit`: patterns that may end in `*`, and RETRY or EXIT."""

    action: str
    on_status_reason: str | None
    on_reason: str | None
    on_exit_code: str | None

    def matches(self, status_reason: str | None, reason: str | None, exit_code: int | None) -> bool:
        """Whether every pattern that it has matches; `*` also matches where nothing is said."""
        code = None if exit_code is None else str(exit_code)
        return (
            _matches(self.on_status_reason, status_reason or "")
            and _matches(self.on_reason, reason or "")
            and _matches(self.on_exit_code, code)
        )


def _matches(pattern: str | None, said: str | None) -> bool:
    if pattern is None:
        return True
    if said is None:  # no container ended: there is no exit code to match
        return False
    return said.startswith(pattern[:-1]) if pattern.endswith("*") else said == pattern


@dataclass(frozen=True, slots=True)
class RetryStrategy:
    """`attempts` is 1 where nothing is said; `rules` count in their order."""

    attempts: int
    rules: tuple[ExitRule, ...]

    def rule_for(
        self, status_reason: str | None, reason: str | None, exit_code: int | None
    ) -> ExitRule | None:
        """The first rule that matches an ending; None when none does, and Batch then retries."""
        found = (each for each in self.rules if each.matches(status_reason, reason, exit_code))
        return next(found, None)

    def gives_up(
        self, status_reason: str | None, reason: str | None, exit_code: int | None
    ) -> bool:
        """Whether a rule ends the job though attempts are left."""
        rule = self.rule_for(status_reason, reason, exit_code)
        return rule is not None and rule.action == "EXIT"

    def unnamed_exit_code(self) -> int | None:
        """The lowest exit code of a failure that no rule but a catch-all speaks of."""
        named = [each.on_exit_code for each in self.rules if each.on_exit_code not in (None, "*")]
        codes = (code for code in range(1, 256) if not any(_matches(n, str(code)) for n in named))
        return next(codes, None)
