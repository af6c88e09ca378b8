"""Fixes as plans: what would be changed, why, and how it is undone.

Nothing in here talks to AWS; `aws.apply` is the only writer, and takes a confirmed plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchguide.errors import UserError

if TYPE_CHECKING:
    from batchguide.capture import Capture
    from batchguide.fixes.plan import Plan

FIXES = ("larger-volume",)


def plan_fix(
    name: str,
    capture: Capture | str,
    target: str | None = None,
    size_gib: float | None = None,
) -> Plan:
    """Plan a fix by its name on a capture, or on a path or `demo:NAME` of one."""
    if name not in FIXES:
        raise UserError(f"no fix {name!r}; there is {', '.join(FIXES)}")
    from batchguide.account import Account
    from batchguide.capture import load_capture
    from batchguide.checks import registry, run_checks
    from batchguide.fixes.larger_volume import plan_larger_volume

    if size_gib is not None and not float(size_gib).is_integer():
        raise UserError(f"size {size_gib:g} GiB: EBS volumes have whole GiB")
    account = Account.from_capture(load_capture(capture) if isinstance(capture, str) else capture)
    wanted = [id for id, check in registry().items() if name in check.fixes]
    findings = run_checks(account, ids=wanted)
    return plan_larger_volume(
        account, target, None if size_gib is None else int(size_gib), findings=findings
    )
