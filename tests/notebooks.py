"""The house rules for pages as functions: a notebook in, what is wrong with it out."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
LEADS = ("**Use it when**", "**You need**", "**It changes**", "**It takes**")
LOGIC = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.If,
    ast.IfExp,
    ast.Try,
    ast.With,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Match,
    ast.Raise,
    ast.Delete,
)
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
MOST_LINES = 10
PARAMETER_TYPES = {"str", "int", "float", "bool"}


def source(cell: dict[str, Any]) -> str:
    """A cell's text."""
    return "".join(cell["source"])


def code_cells(notebook: Notebook) -> list[dict[str, Any]]:
    """Cells that run."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def opening_faults(notebook: Notebook) -> list[str]:
    """Title and four leads, then parameters, then the cell that opens."""
    first = source(notebook["cells"][0])
    faults = [] if re.match(r"# \S", first) else ["the first cell has no title"]
    places = [first.find(lead) for lead in LEADS]
    if -1 in places or places != sorted(places):
        faults.append(f"the first cell needs, in this order, {', '.join(LEADS)}")
    ids = [cell["id"] for cell in code_cells(notebook)]
    if ids[:2] != ["parameters", "open"]:
        faults.append(f"the code begins with {ids[:2]}, not with parameters and open")
    return faults


def parameter_faults(notebook: Notebook) -> list[str]:
    """One parameters cell: typed, commented literals, `capture` first."""
    tagged = [it for it in code_cells(notebook) if "parameters" in it["metadata"].get("tags", ())]
    if len(tagged) != 1:
        return [f"{len(tagged)} cells are tagged parameters"]
    text = source(tagged[0])
    lines = ast.parse(text).body
    commented = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    faults = [fault for line in lines if (fault := _parameter_fault(line, commented))]
    if not text.startswith('capture: str = "demo:disk-full"'):
        faults.append('the first parameter is not capture: str = "demo:disk-full"')
    return faults


def _parameter_fault(line: ast.stmt, commented: set[int]) -> str:
    said = ast.unparse(line)
    if not isinstance(line, ast.AnnAssign) or ast.unparse(line.annotation) not in PARAMETER_TYPES:
        return f"{said!r} is not typed as {sorted(PARAMETER_TYPES)}"
    if not isinstance(line.value, ast.Constant):
        return f"{said!r} is not a literal"
    return "" if line.lineno in commented else f"{said!r} has no comment"


def logic_faults(notebook: Notebook) -> list[str]:
    """Cells hold calls and claims: no statements that decide or repeat, no magics, few lines."""
    faults = []
    for cell in code_cells(notebook):
        text = source(cell)
        if len(text.splitlines()) > MOST_LINES:
            faults.append(f"{cell['id']}: more than {MOST_LINES} lines")
        if re.search(r"^\s*[%!]", text, re.MULTILINE):
            faults.append(f"{cell['id']}: a magic or a shell command")
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, LOGIC):
                faults.append(f"{cell['id']}: {type(node).__name__}")
            faults += [f"{cell['id']}: imports {name}" for name in _foreign(node)]
    return faults


def _foreign(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        starred = any(alias.name == "*" for alias in node.names)
        return [] if node.module == "batchguide" and not starred else [str(node.module)]
    return []


def storage_faults(notebook: Notebook) -> list[str]:
    """Stored without outputs, counts or foreign metadata; every cell has a name of its own."""
    faults = []
    if notebook["metadata"] != {"kernelspec": KERNEL}:
        faults.append("metadata is more or less than the kernelspec")
    for cell in notebook["cells"]:
        if set(cell["metadata"]) - {"tags"}:
            faults.append(f"{cell['id']}: metadata {sorted(cell['metadata'])}")
        if cell.get("outputs") or cell.get("execution_count") is not None:
            faults.append(f"{cell['id']}: stored with outputs")
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", cell["id"]):
            faults.append(f"{cell['id']}: not a name")
    ids = [cell["id"] for cell in notebook["cells"]]
    return faults + [f"{one}: twice" for one in set(ids) if ids.count(one) > 1]


def prose_faults(notebook: Notebook) -> list[str]:
    """A step is announced before its code, and the last heading is where to go next."""
    cells = notebook["cells"]
    texts = [source(cell) for cell in cells if cell["cell_type"] == "markdown"]
    headings = [line for text in texts for line in re.findall(r"^## .+", text, re.MULTILINE)]
    faults = [] if headings and headings[-1] == "## Next steps" else ["the page ends elsewhere"]
    led = False
    for cell in cells[2:]:
        led = led or (cell["cell_type"] == "markdown" and source(cell).startswith("## "))
        if cell["cell_type"] == "code" and not led:
            faults.append(f"{cell['id']}: no step announces it")
    return faults


def link_faults(notebook: Notebook, directory: Path) -> list[str]:
    """Links lead to pages that exist beside this one, or to the web over TLS."""
    texts = "\n".join(source(it) for it in notebook["cells"] if it["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)]+)\)", texts)
    return [
        f"{link}: no such page"
        for link in links
        if not link.startswith("https://") and not (directory / link).is_file()
    ]
