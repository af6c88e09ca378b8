"""The first page people read keeps its word: commands run as written, links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fakeaws import FakeAws, user_environment
from readme_blocks import block, index

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROFILES = """\
[profile prod]
region = eu-west-1
aws_access_key_id = AKIAFAKEFAKEFAKEFAKE
aws_secret_access_key = fake
"""
ANSWERS = {0, 1, 2}  # a verdict; 64 is wrong usage, 70 an error of our own


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands(program: str) -> list[str]:
    """Every command line of a program in the shell blocks, as written, without its remark."""
    lines = (
        line.partition(" #")[0].strip() for block in blocks("sh") for line in block.split("\n")
    )
    return [line for line in lines if line.split(" ")[0] == program]


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A function that runs a line as a reader would: in an empty folder, the command installed."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "scenario.yaml").write_text(blocks("yaml")[0])
    (folder / "config").write_text(PROFILES)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with FakeAws() as fake:
        reader = {**os.environ, **user_environment(fake.url), "PATH": path}
        reader |= {"AWS_CONFIG_FILE": str(folder / "config")}

        def run(line: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["bash", "-c", line],
                cwd=folder,
                env=reader,
                capture_output=True,
                text=True,
                timeout=300,
            )

        yield run


def test_there_are_commands_to_run():
    assert [line.split()[1] for line in commands("make")] == ["report", "test"]
    assert {line.split()[1] for line in commands("batchguide")} >= {
        "collect",
        "check",
        "estimate",
        "plan",
        "report",
    }


@pytest.mark.parametrize("line", commands("batchguide"))
def test_a_command_runs_as_written(shell, line):
    done = shell(line)

    assert done.returncode in ANSWERS, done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`?make ([a-z]+)\b", README))))
def test_a_target_of_make_exists(target):
    makefile = (ROOT / "Makefile").read_text()

    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", README))))
def test_a_link_leads_to_a_file(link):
    assert (ROOT / link).exists()


def test_every_exit_code_that_the_page_promises_is_the_commands_own():
    from batchguide import cli

    promised = " ".join(README.split())

    assert f"; {cli.EXIT_USAGE} wrong usage or input;" in promised
    assert f"; {cli.EXIT_INTERNAL} an error of batchguide's own." in promised


def test_the_index_is_what_the_pages_say_of_themselves():
    assert block("index") == index(), "write it anew: make gallery"
