"""House rules that no linter knows: of every tracked file, every module and every test."""

import ast
import io
import re
import subprocess
import tokenize
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIB = ROOT / "lib" / "batchguide"
TESTS = ROOT / "tests"
MODULES = sorted(path.relative_to(LIB) for path in LIB.rglob("*.py"))

MAX_LINES = 300  # of code: blank lines, comments and docstrings are free
# Longer ones, each with what it is and how long it may be at most; the figure only ever sinks.
LONGER = {
    "disk/advice.py": 410,
    "disk/engine.py": 1350,  # one compiled event loop, and its calls are not free
    "disk/scenario.py": 370,  # a field a line, with its limits and its words
}
MAX_FUNCTION_LINES = 45
LONGER_FUNCTIONS = {("disk/engine.py", "_run")}
PLAIN_LINES = 5
NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}

# What no file of the project may hold. Written so that this file does not match itself.
FOREIGN = {
    "a path of somebody's machine": r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/",
    "a package index": r"--(?:extra-)?index-url|--fin[d]-links|/sim[p]le/\w|artifact[o]ry|dev[p]i",
    "a private address": r"https?://(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d",
    "a private host": r"https?://[\w.-]+\.(?:internal|local|corp|lan|intranet)\b",
    "a secret key": r"(?<![A-Z0-9])AKIA[A-Z0-9]{16}(?![A-Z0-9])",
}
# AWS's documentation writes its examples with such keys, and ours say what they are.
PUBLIC = re.compile(r"AKIA(?:[A-Z0-9]*EXAMPLE|(?:FAKE)+)")
RECORDINGS = TESTS / "cases"
"""Measured elsewhere and kept byte for byte."""

# Tests about no module of lib/, each for a reason.
ABOUT_THE_WHOLE = {
    "test_architecture": "imports between modules",
    "test_house": "this file",
    "test_data": "every row of data/",
    "test_runbooks": "the notebooks",
    "test_readme": "the first page people read",
}
ABOUT_THE_WHOLE_FOLDERS = {"browser", "bench", "accounts"}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str | None:
    data = path.read_bytes()
    return None if b"\0" in data[:8000] else data.decode("utf-8")


def form_faults(name: str, text: str) -> list[str]:
    """What is wrong with a text file as such."""
    tabs_are_syntax = name.endswith("Makefile")
    faults = {
        "has a tab": "\t" in text and not tabs_are_syntax,
        "has a carriage return": "\r" in text,
        "does not end with a newline": bool(text) and not text.endswith("\n"),
        "ends with empty lines": text.endswith("\n\n"),
        "has trailing blanks": bool(re.search(r"[ \t]+$", text, re.MULTILINE)),
        "has a conflict": bool(re.search(r"^(?:<{7}|>{7}) ", text, re.MULTILINE)),
    }
    return [fault for fault, there in faults.items() if there]


def foreign_faults(text: str) -> list[str]:
    """What a text holds that belongs to somebody's machine or purse."""
    text = PUBLIC.sub("", text)
    return [
        f"{what}: {found[0]}" for what, form in FOREIGN.items() if (found := re.search(form, text))
    ]


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [it for it in ast.walk(tree) if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)]


def code_lines(source: str) -> int:
    """Lines that hold code: without the blank ones, comments and docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def undocumented(source: str) -> list[str]:
    """The module, and what is public at its top, that says nothing of itself.

    A function of a few lines may let its name say it all.
    """
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["the module"]
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        speaks = ast.get_docstring(node) or node.name.startswith("_")
        plain = not isinstance(node, ast.ClassDef) and body_lines(node) <= PLAIN_LINES
        found += [] if speaks or plain else [node.name]
    return found


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function below its signature, without the docstring."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def long_functions(source: str) -> list[str]:
    """Functions whose body, without the docstring, does not fit on a screen."""
    lengths = {node.name: body_lines(node) for node in functions(ast.parse(source))}
    return [f"{name}: {lines}" for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES]


def mirrored(test: Path) -> bool:
    """Whether a test file, relative to tests/, stands for a module or in a package's room."""
    place = LIB / test.stem.removeprefix("test_")
    if test.parent != Path():
        return LIB.joinpath(test.parent).is_dir()
    return place.with_suffix(".py").is_file() or place.is_dir()


@pytest.mark.parametrize("path", tracked(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_tracked_file_is_clean_text_and_names_nobodys_machine(path):
    text = text_of(path)
    if text is None:
        assert path.suffix in {".gz", ".png"}, "the only binary files here"
        return

    if not path.is_relative_to(RECORDINGS):
        assert form_faults(path.name, text) == []
    assert foreign_faults(text) == []


def test_requirements_are_pinned_and_name_no_place():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]

    assert wanted[-1] == "-e ."
    pin = re.compile(r"[\w.-]+(\[[\w,-]+\])?==[\w.!+-]+( ; .+)?")
    assert [line for line in wanted[:-1] if not pin.fullmatch(line)] == []


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_is_small(module):
    lines = code_lines((LIB / module).read_text())

    assert lines <= LONGER.get(module.as_posix(), MAX_LINES)


def test_no_module_is_allowed_more_than_it_uses():
    slack = {name: code_lines((LIB / name).read_text()) for name in LONGER}

    assert {name: used for name, used in slack.items() if used < 0.9 * LONGER[name]} == {}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_what_is_public_says_what_it_is(module):
    assert undocumented((LIB / module).read_text()) == []


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_function_fits_on_a_screen(module):
    long = long_functions((LIB / module).read_text())

    known = {name for place, name in LONGER_FUNCTIONS if place == module.as_posix()}
    assert [said for said in long if said.partition(":")[0] not in known] == []


def test_every_test_mirrors_a_module():
    tests = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    lost = [
        str(test)
        for test in tests
        if not mirrored(test)
        and test.stem not in ABOUT_THE_WHOLE
        and test.parts[0] not in ABOUT_THE_WHOLE_FOLDERS
    ]

    assert lost == []


def test_test_files_have_names_of_their_own():
    """pytest imports them by their bare name."""
    counted = Counter(path.name for path in TESTS.rglob("test_*.py"))

    assert [name for name, count in counted.items() if count > 1] == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.py", "x = 1\t\n", "has a tab"),
        ("a.py", "x = 1", "does not end with a newline"),
        ("a.py", "x = 1\r\n", "has a carriage return"),
        ("a.py", "x = 1 \n", "has trailing blanks"),
        ("a.py", "x = 1\n\n", "ends with empty lines"),
        ("a.py", "<<<<<<< HEAD\n", "has a conflict"),
    ],
)
def test_a_fault_of_form_is_found(name, text, fault):
    assert fault in form_faults(name, text)
    assert form_faults("Makefile", "all:\n\ttrue\n") == []


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("see " + "/wo" + "rk/main/lib", False),
        ("in " + "/ro" + "ot/.aws", False),
        ("pip install --index" + "-url x", False),
        ("http://" + "10.0.0.7/x", False),
        ("https://index." + "internal/x", False),
        ("AKIA" + "A1B2C3D4E5F6G7H8", False),
        ("AKIAIOSFODNN7EXAMPLE", True),
        ("lib/work/main, https://docs.aws.amazon.com/batch/ and http://127.0.0.1:5000", True),
        ("/var/lib/docker on the root volume, /etc/ecs/ecs.config", True),
    ],
)
def test_what_is_foreign_is_found(text, clean):
    assert (foreign_faults(text) == []) is clean


def test_what_says_nothing_of_itself_and_what_is_long_is_found():
    long = "def run():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES + 1)

    assert code_lines('"""Says."""\n\n# why\nx = [\n    1,\n]\n') == 3
    assert undocumented(long) == ["the module", "run"]
    assert undocumented('"""A module."""\ndef _inner(): pass\ndef plain(): return 1') == []
    assert undocumented('"""A module."""\nclass Bare: pass') == ["Bare"]
    assert long_functions(long) == [f"run: {MAX_FUNCTION_LINES + 1}"]


def test_a_test_that_mirrors_nothing_is_found():
    assert mirrored(Path("report/test_html.py"))
    assert mirrored(Path("test_checks.py"))
    assert not mirrored(Path("test_html.py"))
    assert not mirrored(Path("nowhere/test_html.py"))
