"""The house stands as it was drawn: imports go one way, heavy libraries keep to their room."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LIB = Path(__file__).parents[1] / "lib" / "batchguide"
MODULES = sorted(path.relative_to(LIB) for path in LIB.rglob("*.py"))

# A room may use what stands before it. `__init__` holds the version alone.
ROOMS = [
    "__init__",
    "errors",
    "units",
    "files",
    "tables",
    "facts",
    "redaction",
    "capture",
    "account",
    "findings",
    "disk",
    "account_scenario",
    "checks",
    "events",
    "triage",
    "fixes",
    "views",
    "widgets",
    "report",
    "aws",
    "runbook",
    "commands",
    "cli",
    "__main__",
]
# The edge knows nothing of what is made of its answers, and few know the edge.
MAY_AWS_USE = {"__init__", "errors", "units", "files", "tables", "facts", "redaction", "capture"}
MAY_AWS_USE |= {"aws", "fixes"}
MAY_USE_AWS = {"aws", "report", "commands", "cli"}

# Third-party libraries and the only places that may import them.
WALLS = {
    "boto3": ("aws/",),
    "botocore": ("aws/",),
    "altair": ("views/",),
    "ipywidgets": ("widgets/",),
    "anywidget": ("widgets/",),
    "traitlets": ("widgets/",),
    "vl_convert": ("report/", "views/", "widgets/"),
    "papermill": ("report/",),
    "nbclient": ("report/",),
    "nbconvert": ("report/",),
    "nbformat": ("report/",),
    "jinja2": ("report/",),
    "mistune": ("report/",),
    "bleach": ("report/",),
    "numba": ("disk/engine.py", "events/history.py"),
    "numpy": ("disk/", "events/", "views/"),
    "yaml": ("disk/", "checks/mutes.py", "fixes/", "events/"),
    "IPython": ("runbook.py", "views/", "widgets/"),
}

PURE_ROOMS = ("account", "findings", "disk", "account_scenario", "checks", "events", "triage")
IMPURE_MODULES = {"time", "socket", "subprocess", "urllib", "http", "random", "secrets", "tempfile"}
# How the engine is compiled: kept on disk, made in the background. No figure depends on it.
COMPILING = {
    "disk/engine.py": {"environ", "time"},
    "disk/play.py": {"environ", "subprocess", "now"},
}
IMPURE_NAMES = {"now", "utcnow", "today", "environ", "getenv", "getcwd"}
IMPURE_CALLS = {"print", "input", "open"}

HEAVY = {"altair", "anywidget", "boto3", "botocore", "IPython", "ipykernel", "ipywidgets", "jinja2"}
HEAVY |= {"jsonschema", "nbclient", "nbconvert", "nbformat", "numba", "numpy", "papermill"}
HEAVY |= {"traitlets", "vl_convert"}


def room_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def imported(source: str) -> Iterator[str]:
    """Every module that a source names in an import, wherever the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            assert not node.level, "write imports from the top: a relative one hides its room"
            yield from (f"{base}.{name.name}" for name in node.names)


def without_types(source: str) -> str:
    """The source without what is imported for annotations alone: it costs nothing to run."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not _is_for_types(node)]
    return ast.unparse(tree)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def rooms_used(source: str) -> set[str]:
    names = [name.split(".") for name in imported(source) if name.startswith("batchguide.")]
    known = set(ROOMS) | {room_of(module) for module in MODULES}
    return {name[1] if name[1] in known else "__init__" for name in names}


def against_the_direction(module: Path, source: str) -> set[str]:
    """The rooms that a module uses though they do not stand before its own."""
    room, used = room_of(module), rooms_used(source)
    if room == "aws":
        return used - MAY_AWS_USE
    behind = {name for name in used - {room} if ROOMS.index(name) >= ROOMS.index(room)}
    return behind | (used & {"aws"} if room not in MAY_USE_AWS else set())


def through_the_wall(module: Path, source: str) -> set[str]:
    """The third-party libraries that a module imports outside their room."""
    libraries = {name.partition(".")[0] for name in imported(without_types(source))}
    foreign = libraries - sys.stdlib_module_names - {"batchguide"}
    place = module.as_posix()
    return {name for name in foreign if not place.startswith(WALLS.get(name, ()))}


def impure(source: str) -> set[str]:
    """What a source reads of the clock, the network, the environment or chance, or prints."""
    found = {name.partition(".")[0] for name in imported(source)} & IMPURE_MODULES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in IMPURE_NAMES:
            found.add(node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & IMPURE_CALLS
    return found


def at_import_time(tree: ast.AST) -> Iterator[str]:
    """The modules of ours that are imported as a module loads: not in functions, not for types."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if _is_for_types(node):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (it for it in imported(ast.unparse(node)) if it.startswith("batchguide"))
        else:
            yield from at_import_time(node)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_has_a_room_and_uses_only_those_before_it(module):
    assert room_of(module) in ROOMS, "a new room: give it its place in ROOMS"

    assert against_the_direction(module, (LIB / module).read_text()) == set()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_third_party_libraries_keep_to_their_room(module):
    assert through_the_wall(module, (LIB / module).read_text()) == set()


@pytest.mark.parametrize(
    "module", [module for module in MODULES if room_of(module) in PURE_ROOMS], ids=str
)
def test_the_middle_is_pure(module):
    found = impure((LIB / module).read_text())

    assert found - COMPILING.get(module.as_posix(), set()) == set()


def test_no_two_modules_need_each_other_to_load():
    names = {
        ".".join(("batchguide", *module.with_suffix("").parts)).removesuffix(".__init__"): module
        for module in MODULES
    }
    graph = {}
    for name, module in names.items():
        needed = at_import_time(ast.parse((LIB / module).read_text()))
        owners = {it if it in names else it.rpartition(".")[0] for it in needed}
        graph[name] = owners - {name, "batchguide"}

    order = list(graphlib.TopologicalSorter(graph).static_order())

    assert set(names) <= set(order) | {"batchguide"}


@pytest.mark.parametrize(
    "code", ["import batchguide", "import batchguide.cli", "from batchguide.cli import main"]
)
def test_the_command_starts_without_a_heavy_library(code):
    script = f"{code}\nimport sys\nprint(*sorted({HEAVY!r} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""


def test_help_starts_without_a_heavy_library():
    script = (
        "import sys, contextlib, io\nfrom batchguide.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        f"    main(['--help'])\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("module", "source", "rooms"),
    [
        ("checks/disk.py", "from batchguide.views import charts", {"views"}),
        ("checks/disk.py", "def f():\n    import batchguide.fixes.plan", {"fixes"}),
        ("capture.py", "from batchguide import facts, account", {"account"}),
        ("aws/collect.py", "from batchguide.account import Account", {"account"}),
        ("aws/apply.py", "from batchguide.fixes.plan import Plan", set()),
        ("runbook.py", "from batchguide.aws.collect import collect", {"aws"}),
        ("commands.py", "from batchguide.aws.collect import collect", set()),
        ("report/html.py", "from batchguide import __version__", set()),
    ],
)
def test_the_direction_is_really_looked_at(module, source, rooms):
    assert against_the_direction(Path(module), source) == rooms


@pytest.mark.parametrize(
    ("module", "source", "libraries"),
    [
        ("checks/disk.py", "import boto3", {"boto3"}),
        ("views/tables.py", "import numba", {"numba"}),
        ("disk/volume.py", "from numba import njit", {"numba"}),
        ("disk/engine.py", "from numba import njit", set()),
        ("report/html.py", "def f():\n    import altair.vegalite", {"altair"}),
        ("facts.py", "import requests", {"requests"}),
        ("facts.py", "import json, csv", set()),
        ("facts.py", "if TYPE_CHECKING:\n    import altair", set()),
        ("facts.py", "if True:\n    import altair", {"altair"}),
    ],
)
def test_the_walls_are_really_looked_at(module, source, libraries):
    assert through_the_wall(Path(module), source) == libraries


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from datetime import datetime\ndatetime.now()", {"now"}),
        ("import os\nos.environ['HOME']", {"environ"}),
        ("import time", {"time"}),
        ("print('x')", {"print"}),
        ("from datetime import datetime\ndatetime.fromisoformat('2026-11-22')", set()),
    ],
)
def test_purity_is_really_looked_at(source, found):
    assert impure(source) == found
