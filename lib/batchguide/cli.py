"""`batchguide`: a thin door from the shell to the library.

Answers go to standard output, progress and errors to standard error. Exit codes: 0 nothing at or
above the threshold, 1 findings at or above it, 2 something at or above it could not be
determined, 64 wrong usage or input, 70 an error of batchguide's own.
"""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from batchguide import __version__, commands
from batchguide.errors import UserError

EXIT_USAGE = 64
EXIT_INTERNAL = 70
MOST_DAYS = 366
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that a terminal lacks stops no command
            stream.reconfigure(errors="backslashreplace")
    try:
        code = int(args.run(args))
        if sys.stdout is not None:
            sys.stdout.flush()  # here, so that a reader who has gone is met below
        return code
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


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of at least 1")
    return int(text)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 0 < int(text) <= MOST_DAYS):
        message = f"{text[:40]!r} is not a whole number from 1 to {MOST_DAYS}"
        raise argparse.ArgumentTypeError(message)
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
    doors = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for declare in _DECLARATIONS:
        declare(doors)
    return parser


def _command(
    doors: Any, name: str, run: Callable[[argparse.Namespace], int], text: str, example: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = doors.add_parser(
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
    command.add_argument("--days", type=_days, default=7, help="days of jobs to read (7)")


def _verdict_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--fail-on", choices=THRESHOLDS, default="high", help="default: high")
    command.add_argument(
        "--allow-unknown", action="store_true", help="exit 0 though something was not seen"
    )


def _format_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=("text", "json"), default="text")


def _declare_collect(doors: Any) -> None:
    command = _command(
        doors,
        "collect",
        commands.collect,
        "Ask AWS once, read-only, and write what it answered, secrets left out.",
        "batchguide collect --profile prod --region eu-west-1 -o prod.json.gz",
    )
    _account_options(command)
    _format_option(command)
    command.add_argument("-o", "--out", type=Path, help="*.json or *.json.gz")
    command.add_argument("--budget", type=_positive, metavar="N", help="make at most N calls")
    command.add_argument(
        "--redact", metavar="KIND,…", help="put tokens in the place of accounts, ips or both"
    )
    command.add_argument(
        "--redact-key", type=Path, metavar="FILE", help="what tokens are made with: random bytes"
    )
    command.add_argument(
        "--redact-map", type=Path, metavar="FILE", help="write what tokens stand for"
    )
    command.add_argument(
        "--plan", action="store_true", help="say which calls would be made, ask nothing and stop"
    )


def _declare_policy(doors: Any) -> None:
    command = _command(
        doors,
        "policy",
        commands.policy,
        "Print the least that `collect` needs, as an IAM policy.",
        "batchguide policy --region eu-west-1",
    )
    command.add_argument("--region", help="one AWS Region only, as eu-west-1")
    command.add_argument("--account", metavar="ID", help="one account only, by its 12 digits")
    command.add_argument(
        "--partition", choices=("aws", "aws-cn", "aws-us-gov"), default="aws", help="default: aws"
    )


def _declare_check(doors: Any) -> None:
    command = _command(
        doors,
        "check",
        commands.check,
        "Say what is wrong, with evidence, and what could not be seen.",
        "batchguide check demo:disk-full --fail-on critical",
    )
    command.add_argument("capture", nargs="?", metavar="CAPTURE", help=CAPTURE_HELP)
    _format_option(command)
    _verdict_options(command)
    command.add_argument("--checks", metavar="ID,…", help="these checks only")
    command.add_argument("--area", metavar="AREA,…", help="these areas only")
    command.add_argument("--severity", metavar="SEVERITY,…", help="these severities only")
    command.add_argument("--mute", type=Path, metavar="FILE", help="findings somebody answers for")
    command.add_argument("--all", action="store_true", help="show what passed as well")
    command.add_argument("--list", action="store_true", help="list the checks and stop")


def _declare_report(doors: Any) -> None:
    command = _command(
        doors,
        "report",
        commands.report,
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
    _format_option(command)
    _account_options(command)
    _verdict_options(command)


def _declare_estimate(doors: Any) -> None:
    command = _command(
        doors,
        "estimate",
        commands.estimate,
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


def _declare_explain(doors: Any) -> None:
    command = _command(
        doors,
        "explain",
        commands.explain,
        "Rank the causes of an error text, or of a failed job, with the evidence.",
        'batchguide explain --text "CannotPullContainerError: no space left on device"',
    )
    command.add_argument("job", nargs="*", metavar="CAPTURE JOB", help="a capture and a job's id")
    command.add_argument("--text", help="an error text alone, or - for standard input")
    _format_option(command)


def _declare_plan(doors: Any) -> None:
    command = _command(
        doors,
        "plan",
        commands.plan,
        "Write a fix as a plan with its artefacts; nothing is changed.",
        "batchguide plan larger-volume --capture demo:disk-full --out plan",
    )
    command.add_argument("fix", metavar="FIX", help="larger-volume")
    command.add_argument("--capture", required=True, help=CAPTURE_HELP)
    command.add_argument("--target", help="the compute environment; default: the one that needs it")
    command.add_argument("--size-gib", type=_positive, help="default: the smallest that holds")
    command.add_argument("--out", type=Path, required=True, help="an empty or new folder")
    _format_option(command)


def _declare_lab(doors: Any) -> None:
    command = _command(
        doors,
        "lab",
        commands.lab,
        "Open JupyterLab on the runbooks.",
        "batchguide lab -- --no-browser",
    )
    command.add_argument("jupyter", nargs="*", help="more arguments for JupyterLab, after --")


_DECLARATIONS = (
    _declare_collect,
    _declare_policy,
    _declare_check,
    _declare_report,
    _declare_estimate,
    _declare_explain,
    _declare_plan,
    _declare_lab,
)
