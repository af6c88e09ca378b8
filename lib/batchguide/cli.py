"""`batchguide`: a thin door from the shell to the library.

Answers go to standard output, progress and errors to standard error. Exit codes: 0 nothing at or
above the threshold, 1 findings at or above it, 2 something at or above it could not be
determined, 64 wrong usage or input, 70 an error of batchguide's own.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from batchguide import __version__
from batchguide.errors import UserError

EXIT_USAGE = 64
EXIT_INTERNAL = 70
THRESHOLDS = ("critical", "high", "medium", "low", "never")
CAPTURE_HELP = "a path, demo:NAME for a bundled capture, or - for standard input"


class _Parser(argparse.ArgumentParser):
    """argparse says 2 for wrong usage; here 2 means "could not be determined"."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(EXIT_USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except UserError as error:
        print(f"batchguide: {error}", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("batchguide: stopped", file=sys.stderr)
        return 130
    except Exception as error:  # noqa: BLE001  the outermost door: 1 and 2 mean something else
        return _internal(error)


def _internal(error: Exception) -> int:
    if os.environ.get("BATCHGUIDE_DEBUG"):
        traceback.print_exception(error)
    print(
        f"batchguide: internal error: {type(error).__name__}: {error}"
        " (set BATCHGUIDE_DEBUG=1 for the traceback; please report it)",
        file=sys.stderr,
    )
    return EXIT_INTERNAL


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


# --- commands ---------------------------------------------------------------------------------


def _collect(args: argparse.Namespace) -> int:
    from batchguide.aws.collect import collect_to_file

    collect_to_file(
        profile=args.profile,
        region=args.region,
        role=args.role,
        endpoint_url=args.endpoint_url,
        days=args.days,
        out=args.out,
        progress=_say,
    )
    print(args.out)
    return 0


def _check(args: argparse.Namespace) -> int:
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
    findings = run_checks(
        Account.from_capture(capture),
        ids=_words(args.checks),
        areas=_words(args.area),
        severities=_words(args.severity),
    )
    if args.format == "json":
        _print_json(check_document(capture, findings))
    else:
        print(terminal.findings_text(capture, findings, show_passes=args.all))
    return exit_code(findings, fail_on=args.fail_on, allow_unknown=args.allow_unknown)


def _estimate(args: argparse.Namespace) -> int:
    from batchguide.disk.advice import estimate
    from batchguide.disk.scenario import load_scenario
    from batchguide.views import terminal

    text = sys.stdin.read() if args.scenario == "-" else _read(args.scenario, "scenario")
    document = estimate(
        load_scenario(text),
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


def _report(args: argparse.Namespace) -> int:
    from batchguide.report.run import report_pages

    parameters = dict(_assignment(text) for text in args.parameter)
    live = args.profile or args.region or args.role or args.endpoint_url
    if live and "capture" in parameters:
        raise UserError("give either an account (--profile, --region …) or -p capture=…, not both")
    if live or (os.environ.get("AWS_ENDPOINT_URL") and "capture" not in parameters):
        parameters["capture"] = _collect_beside(args)
    return report_pages(
        pages=args.runbook or None,
        parameters=parameters,
        out_dir=args.out,
        fail_on=args.fail_on,
        allow_unknown=args.allow_unknown,
        progress=_say,
    )


def _collect_beside(args: argparse.Namespace) -> str:
    """Collect the account that the options name into the report's folder; the capture's path."""
    from batchguide.aws.collect import collect_to_file

    path = Path(args.out) / "captures" / "latest.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    collect_to_file(
        profile=args.profile,
        region=args.region,
        role=args.role,
        endpoint_url=args.endpoint_url,
        days=args.days,
        out=path,
        progress=_say,
    )
    return str(path)


def _plan(args: argparse.Namespace) -> int:
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


def _lab(args: argparse.Namespace) -> int:
    from batchguide.facts import runbooks_path

    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    command = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.root_dir={runbooks_path()}"]
    command += ["--LabApp.default_url=/lab/tree/00-start-here.ipynb", *args.jupyter]
    os.execv(sys.executable, command)


# --- arguments --------------------------------------------------------------------------------


def _words(text: str | None) -> tuple[str, ...] | None:
    return tuple(word.strip() for word in text.split(",") if word.strip()) if text else None


def _read(path: str, what: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"can't read the {what} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"the {what} {path} is not text in UTF-8") from error


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UserError(f"a parameter is written NAME=VALUE, not {text!r}")
    return name, value


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a probability between 0 and 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="batchguide", description="A runbook for AWS Batch that you can run.")
    parser.add_argument("--version", action="version", version=f"batchguide {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for declare in (_declare_collect, _declare_check, _declare_report, _declare_estimate):
        declare(commands)
    _declare_plan(commands)
    _declare_lab(commands)
    return parser


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str, example: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def _account_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", help="an AWS profile")
    command.add_argument("--region", help="an AWS Region, as eu-west-1")
    command.add_argument("--role", help="the ARN of a role to assume for reading")
    command.add_argument("--endpoint-url", help="another endpoint than AWS's (AWS_ENDPOINT_URL)")
    command.add_argument("--days", type=_positive, default=7, help="days of jobs to read (7)")


def _verdict_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--fail-on", choices=THRESHOLDS, default="high", help="default: high")
    command.add_argument(
        "--allow-unknown", action="store_true", help="exit 0 though something was not seen"
    )


def _format_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=("text", "json"), default="text")


def _declare_collect(commands: Any) -> None:
    command = _command(
        commands,
        "collect",
        _collect,
        "Ask AWS once, read-only, and write what it answered, secrets left out.",
        "batchguide collect --profile prod --region eu-west-1 -o prod.json.gz",
    )
    _account_options(command)
    command.add_argument("-o", "--out", type=Path, required=True, help="*.json or *.json.gz")


def _declare_check(commands: Any) -> None:
    command = _command(
        commands,
        "check",
        _check,
        "Say what is wrong, with evidence, and what could not be seen.",
        "batchguide check demo:disk-full --fail-on critical",
    )
    command.add_argument("capture", nargs="?", metavar="CAPTURE", help=CAPTURE_HELP)
    _format_option(command)
    _verdict_options(command)
    command.add_argument("--checks", metavar="ID,…", help="these checks only")
    command.add_argument("--area", metavar="AREA,…", help="these areas only")
    command.add_argument("--severity", metavar="SEVERITY,…", help="these severities only")
    command.add_argument("--all", action="store_true", help="show what passed as well")
    command.add_argument("--list", action="store_true", help="list the checks and stop")


def _declare_report(commands: Any) -> None:
    command = _command(
        commands,
        "report",
        _report,
        "Run runbooks into files: notebook, self-contained page and findings.",
        "batchguide report 20-check-account-health -p capture=demo:disk-full --out reports",
    )
    command.add_argument(
        "runbook", nargs="*", metavar="RUNBOOK", help="default: account health, disk forecast"
    )
    command.add_argument(
        "-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="repeatable"
    )
    command.add_argument("--out", type=Path, default=Path("reports"), help="default: reports")
    _account_options(command)
    _verdict_options(command)


def _declare_estimate(commands: Any) -> None:
    command = _command(
        commands,
        "estimate",
        _estimate,
        "Forecast the disk of container instances for a scenario.",
        "batchguide estimate scenario.yaml --advice",
    )
    command.add_argument("scenario", metavar="SCENARIO.yaml", help="a path, or - for stdin")
    _format_option(command)
    command.add_argument("--timeline", action="store_true", help="each instance over time")
    command.add_argument("--replications", type=_positive, metavar="N", help="runs with new draws")
    command.add_argument("--advice", action="store_true", help="what would prevent the failure")
    command.add_argument("--risk", type=_share, default=0.01, help="accepted risk (0.01)")
    command.add_argument(
        "--fail-on-failure", action="store_true", help="exit 1 when the forecast has failed jobs"
    )


def _declare_plan(commands: Any) -> None:
    command = _command(
        commands,
        "plan",
        _plan,
        "Write a fix as a plan with its artefacts; nothing is changed.",
        "batchguide plan larger-volume --capture demo:disk-full --out plan",
    )
    command.add_argument("fix", metavar="FIX", help="larger-volume")
    command.add_argument("--capture", required=True, help=CAPTURE_HELP)
    command.add_argument("--target", help="the compute environment; default: the one that needs it")
    command.add_argument("--size-gib", type=_positive, help="default: the smallest that holds")
    command.add_argument("--out", type=Path, required=True, help="an empty or new folder")
    _format_option(command)


def _declare_lab(commands: Any) -> None:
    command = _command(
        commands, "lab", _lab, "Open JupyterLab on the runbooks.", "batchguide lab -- --no-browser"
    )
    command.add_argument("jupyter", nargs="*", help="more arguments for JupyterLab, after --")
