"""A fix as data: why, what would be asked of AWS, how to see that it worked, how to undo it.

Nothing here talks to AWS. Every request has all its parameters: none waits for an earlier answer,
so that what was confirmed is what is sent.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from batchguide.errors import UserError

SCHEMA = 1
PLAN_FILE = "plan.json"
_KIND = "batchguide plan"


class PlanError(UserError):
    """A fix that can't be planned for this account, or a plan that can't be written or read."""


@dataclass(frozen=True)
class Request:
    """One API call, in botocore's names."""

    service: str
    operation: str
    parameters: dict[str, Any]

    @property
    def action(self) -> str:
        """`batch:UpdateComputeEnvironment`"""
        return f"{self.service}:{self.operation}"


@dataclass(frozen=True)
class Expectation:
    """Something that a read must answer: `path` (JMESPath) into the answer, and its value.

    `read_from` is the place in the capture that the value was read from, for preconditions.
    """

    statement: str
    request: Request
    path: str
    value: Any
    read_from: str | None = None


@dataclass(frozen=True)
class Step:
    """One change. `undo` are the calls that take it back, in order."""

    title: str
    request: Request
    effect_on_jobs: str
    verify: tuple[Expectation, ...]
    undo: tuple[Request, ...]


@dataclass(frozen=True)
class Cause:
    """The finding that the fix is for."""

    check: str
    resource: str
    message: str
    fingerprint: str


@dataclass(frozen=True)
class Forecast:
    """What the forecast says before and after; `changes_verdict` is None where none could be made.

    `assumptions` are what the capture does not say and the forecast needed; `missing` is why there
    is no forecast. The outcomes are those of `batchguide estimate`, without their scenario.
    """

    scenario: dict[str, Any] | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    changes_verdict: bool | None = None
    assumptions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuotaUse:
    """A quota that the fix uses more of; `exceeded` is None where it can't be told."""

    name: str
    code: str | None
    limit: float | None
    needed: float | None
    unit: str
    exceeded: bool | None
    note: str


@dataclass(frozen=True)
class Cost:
    """List prices of us-east-1 a month, for volumes that exist all month; None: no price known."""

    usd_month_per_instance_before: float | None
    usd_month_per_instance_after: float | None
    instances_now: int | None
    instances_at_most: int | None
    note: str


@dataclass(frozen=True)
class Plan:
    """A fix for one thing. `offered` is false where the forecast says that it changes nothing.

    `road` is how the compute environment takes it: `in-place` or `blue-green`. `blockers` are what
    must be settled by a person before any step may run.
    """

    fix: str
    title: str
    target: str
    account: str | None
    region: str | None
    taken_at: str | None
    why: str
    offered: bool
    road: str
    causes: tuple[Cause, ...]
    forecast: Forecast
    preconditions: tuple[Expectation, ...]
    steps: tuple[Step, ...]
    permissions: tuple[str, ...]
    quotas: tuple[QuotaUse, ...]
    cost: Cost
    risks: tuple[str, ...]
    notes: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()
    artefacts: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Changes when anything of the plan does: what a confirmation is bound to."""
        plain = json.dumps(_plain(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(plain.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The document of `plan.json`; the artefacts stand beside it as files."""
        body = _plain(self)
        body["artefacts"] = sorted(self.artefacts)
        return {"kind": _KIND, "schema": SCHEMA, "digest": self.digest, **body}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return json.loads(json.dumps(asdict(value)))
    return value


def write_plan(plan: Plan, out_dir: Path) -> tuple[Path, ...]:
    """Write `plan.json` and the artefacts into a folder, whole or not at all.

    The folder may be new, empty, or an earlier plan, which is replaced. Returns the files.
    """
    target = Path(out_dir)
    _refuse_foreign(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            _write_files(plan, fresh)
            _put_in_place(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise PlanError(f"can't write the plan to {target}: {error.strerror or error}") from error
    return tuple(target / name for name in (PLAN_FILE, *sorted(plan.artefacts)))


def _refuse_foreign(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise PlanError(f"{target} is no folder: give --out a new or empty one")
    if target.is_dir() and any(target.iterdir()) and not _is_plan(target / PLAN_FILE):
        raise PlanError(f"{target} holds other files: give --out a new or empty folder")


def _is_plan(path: Path) -> bool:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("kind") == _KIND


def _write_files(plan: Plan, folder: Path) -> None:
    document = json.dumps(plan.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    for name, text in {**plan.artefacts, PLAN_FILE: f"{document}\n"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o700)


def _put_in_place(fresh: Path, target: Path) -> None:
    """Two renames at most; what stood there is deleted only when the new one stands."""
    old = fresh.with_name(f"{fresh.name}.old")
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_plan(folder: Path) -> Plan:
    """The plan that `write_plan` wrote; refused when the file was changed since."""
    path = Path(folder) / PLAN_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        artefacts = {name: _artefact(folder, name) for name in document["artefacts"]}
        plan = _built(Plan, {**document, "artefacts": artefacts})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlanError(f"{path} is no plan that batchguide wrote: {error}") from error
    if document.get("schema") != SCHEMA:
        raise PlanError(f"{path} has schema {document.get('schema')!r}; this is {SCHEMA}")
    if not isinstance(plan, Plan) or plan.digest != document.get("digest"):
        raise PlanError(f"{path} or a file beside it was changed since it was written: plan again")
    return plan


def _artefact(folder: Path, name: str) -> str:
    if not re.fullmatch(r"[\w.-]+(?:/[\w.-]+)*", name) or ".." in name.split("/"):
        raise ValueError(f"{name!r} is no file name of a plan")
    return (Path(folder) / name).read_text(encoding="utf-8")


def _built(kind: Any, plain: Any) -> Any:
    """A value of `kind` from its JSON form."""
    if isinstance(kind, UnionType):
        inner = [each for each in get_args(kind) if each is not type(None)]
        return None if plain is None else _built(inner[0], plain)
    if get_origin(kind) is tuple:
        return tuple(_built(get_args(kind)[0], each) for each in plain)
    if not is_dataclass(kind):
        return plain
    hints = get_type_hints(kind)
    make: Any = kind
    return make(**{each.name: _built(hints[each.name], plain[each.name]) for each in fields(kind)})


def requests_of(plan: Plan) -> Iterator[Request]:
    """Every call that a plan may make, reads and inverses included."""
    for expectation in plan.preconditions:
        yield expectation.request
    for step in plan.steps:
        yield step.request
        yield from (expectation.request for expectation in step.verify)
        yield from step.undo


def token(*parts: Any) -> str:
    """A client token that is the same for the same change: asked twice, AWS does it once."""
    plain = json.dumps(parts, sort_keys=True, default=str)
    return f"batchguide-{hashlib.sha256(plain.encode()).hexdigest()[:32]}"


def as_json(value: Mapping[str, Any]) -> str:
    """JSON for a file that people read."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
