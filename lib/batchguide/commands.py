"""What each command of `batchguide` does, once its arguments are read.

Every function takes the parsed arguments and returns the exit code. The libraries that a command
needs are imported when it runs, so that `--help` costs nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchguide.errors import UserError

if TYPE_CHECKING:
    from batchguide.aws.tokens import Tokens
    from batchguide.findings import Finding


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print_json(document: Any) -> None:
    """Whole on any terminal: what is not UTF-8 gets JSON's own escapes."""
    plain = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") != "utf8"
    text = json.dumps(document, indent=1, ensure_ascii=plain, allow_nan=False)
    print(text.encode("utf-8", "backslashreplace").decode())


def _standard_input() -> str:
    """All of it as text; refused when it is closed or is none."""
    if sys.stdin is None:
        raise UserError("- means standard input, which is closed")
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UserError(f"standard input is no text: {error}") from error


def collect(args: argparse.Namespace) -> int:
    """Ask AWS once and write the capture; its path goes to standard output."""
    from batchguide.aws.collect import collect_to_file
    from batchguide.aws.expected import expected_text
    from batchguide.aws.tokens import save_map

    if args.plan:
        print(expected_text(args.budget))
        return 0
    if args.out is None:
        raise UserError("collect needs -o FILE to write the capture to (*.json or *.json.gz)")
    tokens = _tokens(args)
    capture = collect_to_file(
        profile=args.profile,
        region=args.region,
        role=args.role,
        endpoint_url=args.endpoint_url,
        days=args.days,
        out=args.out,
        progress=_say,
        budget=args.budget,
        needs=_needs_of_checks(),
        tokens=tokens,
    )
    if tokens and args.redact_map:
        save_map(tokens, args.redact_map)
    if args.format == "json":
        _print_json({"schema": 1, "capture": str(args.out), "meta": capture.meta})
    else:
        print(args.out)
    return 0


def policy(args: argparse.Namespace) -> int:
    """Print an IAM policy that allows `collect` and nothing else."""
    from batchguide.aws.policy import read_policy

    _print_json(read_policy(args.region, args.account, args.partition))
    return 0


def _tokens(args: argparse.Namespace) -> Tokens | None:
    from batchguide.aws.tokens import tokens_from

    if args.redact is not None:
        return tokens_from(args.redact, args.redact_key)
    if args.redact_key or args.redact_map:
        raise UserError("--redact-key and --redact-map go with --redact accounts,ips")
    return None


def _needs_of_checks() -> dict[str, tuple[str, ...]]:
    import batchguide.checks  # noqa: F401  it fills the registry
    from batchguide.findings import registry

    return {check.id: check.needs for check in registry().values()}


def check(args: argparse.Namespace) -> int:
    """Run the checks on a capture; the exit code is the verdict."""
    from batchguide.account import Account
    from batchguide.capture import load_capture
    from batchguide.checks import run_checks
    from batchguide.findings import check_document, exit_code
    from batchguide.views import terminal

    if args.list:
        print(terminal.checks_text())
        return 0
    if args.capture is None:
        raise UserError("check needs a capture: a path, demo:disk-full, or - for standard input")
    capture = load_capture(args.capture)
    account = Account.from_capture(capture)
    findings = run_checks(
        account,
        ids=_words(args.checks),
        areas=_words(args.area),
        severities=_words(args.severity),
    )
    if args.mute:
        findings = _muted(findings, args.mute, account.scope)
    if args.format == "json":
        _print_json(check_document(capture, findings))
    else:
        print(terminal.findings_text(capture, findings, show_passes=args.all))
    return exit_code(findings, fail_on=args.fail_on, allow_unknown=args.allow_unknown)


def _muted(findings: Sequence[Finding], path: Path, scope: str) -> tuple[Finding, ...]:
    from datetime import UTC, datetime

    from batchguide.checks.mutes import apply_mutes, load_mutes

    today = datetime.now(UTC).date()
    return apply_mutes(findings, load_mutes(_read(path, "file of mutes")), today, scope)


def explain(args: argparse.Namespace) -> int:
    """Rank the causes of an error text, or of a failed job in a capture."""
    from batchguide.triage import explain_job, explain_text
    from batchguide.views import terminal

    if args.text is not None and not args.job:
        text = _standard_input() if args.text == "-" else args.text
        if not text.strip():
            raise UserError("there is no text to explain; give --text, or a CAPTURE and a JOB id")
        document = explain_text(text)
    elif args.text is None and len(args.job) == 2:
        from batchguide.account import Account
        from batchguide.capture import load_capture

        capture, job = args.job
        document = explain_job(Account.from_capture(load_capture(capture)), job)
    else:
        raise UserError("explain takes either --text TEXT or a CAPTURE and a JOB id")
    if args.format == "json":
        _print_json(document)
    else:
        print(terminal.causes_text(document))
    return 0


def estimate(args: argparse.Namespace) -> int:
    """Forecast a scenario; 0 whatever it says, unless asked to fail on failed jobs."""
    from batchguide.disk import advice
    from batchguide.disk.scenario import load_scenario
    from batchguide.views import terminal

    source = _standard_input() + "\n" if args.scenario == "-" else Path(args.scenario)
    document = advice.estimate(
        load_scenario(source),
        replications=args.replications,
        advice=args.advice,
        risk=args.risk,
        timeline=args.timeline,
    )
    if args.format == "json":
        _print_json(document)
    else:
        print(terminal.estimate_text(document))
    return 1 if args.fail_on_failure and document["jobs"]["failed"] else 0


def report(args: argparse.Namespace) -> int:
    """Run pages into files; without `runbook` those that make up an account report."""
    from batchguide.report.run import report_pages

    parameters = dict(_assignment(text) for text in args.parameter)
    live = args.profile or args.region or args.role or args.endpoint_url
    if live and "capture" in parameters:
        raise UserError("give either an account (--profile, --region …) or -p capture=…, not both")
    if live or (os.environ.get("AWS_ENDPOINT_URL") and "capture" not in parameters):
        parameters["capture"] = _collect_beside(args)
    result = report_pages(
        pages=args.runbook or None,
        parameters=parameters,
        out_dir=args.out,
        fail_on=args.fail_on,
        allow_unknown=args.allow_unknown,
        progress=_say,
    )
    if args.format == "json":
        _print_json(result.to_dict())
    else:
        print(result.text())
    return result.exit_code


def _collect_beside(args: argparse.Namespace) -> str:
    """Collect the account that the options name; the capture's path, beside the report's files.

    It bears the report's label, so that accounts and days do not overwrite one another, and it is
    there only when the collection came to its end.
    """
    from tempfile import TemporaryDirectory

    from batchguide.aws.collect import collect_to_file
    from batchguide.capture import save_capture
    from batchguide.report.run import label_of

    _refuse_unwritable(args.out)
    with TemporaryDirectory(prefix="batchguide-") as scratch:
        capture = collect_to_file(
            profile=args.profile,
            region=args.region,
            role=args.role,
            endpoint_url=args.endpoint_url,
            days=args.days,
            out=Path(scratch, "capture.json.gz"),
            progress=_say,
            needs=_needs_of_checks(),
        )
    label = label_of(capture.meta)
    folder = args.out if args.runbook else args.out / label
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"capture-{label}.json.gz"
    save_capture(capture, path)
    return str(path)


def _refuse_unwritable(folder: Path) -> None:
    """Before minutes are spent on collecting: whether `folder` is there or can be made."""
    stands = next(it for it in (folder, *folder.absolute().parents) if it.exists())
    if not stands.is_dir() or not os.access(stands, os.W_OK):
        raise UserError(f"can't write to {folder}; give --out a folder that you may write to")


def plan(args: argparse.Namespace) -> int:
    """Write a fix as a plan and its artefacts; nothing is changed."""
    from batchguide.fixes import plan_fix
    from batchguide.fixes.plan import write_plan
    from batchguide.views import terminal

    plan = plan_fix(args.fix, args.capture, target=args.target, size_gib=args.size_gib)
    paths = write_plan(plan, Path(args.out))
    if args.format == "json":
        _print_json(plan.to_dict())
    else:
        print(terminal.plan_text(plan, paths))
    return 0


def lab(args: argparse.Namespace) -> int:
    """Become JupyterLab, opened on the first page."""
    from batchguide.facts import runbooks_path

    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    command = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.root_dir={runbooks_path()}"]
    command += ["--LabApp.default_url=/lab/tree/00-start-here.ipynb", *args.jupyter]
    os.execv(sys.executable, command)


def _words(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not words:
        raise UserError(f"{text!r} names nothing: give one name or more, with commas between them")
    return words


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"can't read the {what} {path}: {reason}") from error


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UserError(f"a parameter is written NAME=VALUE, not {text!r}")
    return name, value
