"""Every number in data/ says where it is from and of which day."""

import csv
import json
import re
from collections.abc import Iterator

import pytest

import make_data
from batchguide import facts

DATA = facts.data_path()
ROOT = DATA.parent
TABLES = sorted(path.name for path in DATA.glob("*.csv"))
EVIDENCE = {
    "documented",
    "source",
    "measured",
    "reported",
    "observed",
    "fitted",
    "assumption",
}
DAY = re.compile(r"20\d\d(-[01]\d(-[0-3]\d)?)?")
LICENSED = ("instance-types.csv", "instance-prices.csv", "memory-overhead.csv", "memory-model.csv")


def rows_with_source(text: str) -> Iterator[dict[str, str]]:
    """A table's rows, each with the source and the day that the table's head gives to all."""
    lines = text.splitlines(keepends=True)
    head = dict(re.findall(r"^# (source|as_of): (.+)$", text, re.MULTILINE))
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        yield head | row


def faults(row: dict[str, str]) -> list[str]:
    """What is wrong with where a row says it is from."""
    found = []
    if not is_public(row.get("source") or ""):
        found.append(f"source {row.get('source')!r}")
    if not DAY.fullmatch(row.get("as_of") or ""):
        found.append(f"as_of {row.get('as_of')!r}")
    if row.get("evidence", "source") not in EVIDENCE:
        found.append(f"evidence {row['evidence']!r}")
    if None in row or None in row.values():
        found.append("more or fewer cells than columns")
    return found


def is_public(source: str) -> bool:
    """An address anybody can open, a file of this repository, or a section of SOURCES.md."""
    if source.startswith("https://"):
        return re.fullmatch(r"https://[a-z0-9-]+(\.[a-z0-9-]+)+/\S+", source) is not None
    path, _, section = source.partition("#")
    if not path or not (ROOT / path).is_file():
        return False
    return not section or f"## {section}\n" in (ROOT / path).read_text("utf-8").lower()


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_a_source_and_a_day(table):
    rows = list(rows_with_source((DATA / table).read_text("utf-8")))

    assert rows
    assert {index: faults(row) for index, row in enumerate(rows, 1) if faults(row)} == {}


@pytest.mark.parametrize(
    "text",
    [
        "name,value\na,1\n",
        "name,value,source,as_of\na,1,,2026-11-22\n",
        "name,value,source,as_of\na,1,https://docs.aws.amazon.com/x.html,\n",
        "name,value,source,as_of\na,1,https://docs.aws.amazon.com/x.html,yesterday\n",
        "name,value,source,as_of\na,1,somebody said so,2026-11-22\n",
        "name,value,source,as_of\na,1,tests/cases/no-such-file.csv,2026-11-22\n",
        "name,value,source,as_of\na,1,data/SOURCES.md#no-such-section,2026-11-22\n",
        "name,value,evidence,source,as_of\na,1,hope,https://example.org/x,2026-11-22\n",
        "name,value,source,as_of\na,1,https://example.org/x\n",
        "# source: https://example.org/x\nname,value\na,1\n",
    ],
)
def test_a_row_without_source_or_day_is_found(text):
    assert all(faults(row) for row in rows_with_source(text))


def test_a_row_with_both_passes():
    text = "name,value,source,as_of\na,1,https://docs.aws.amazon.com/x.html,2026-11-22\n"

    assert [faults(row) for row in rows_with_source(text)] == [[]]


def test_every_agent_setting_of_a_profile_has_a_source():
    profiles = json.loads((DATA / "agent-profiles.json").read_text("utf-8"))["profiles"]

    for profile in profiles:
        for setting in profile["settings"]:
            assert faults(profile | setting) == [], (profile["name"], setting)


def test_every_table_is_explained():
    explained = (DATA / "SOURCES.md").read_text("utf-8")

    unexplained = [
        path.name
        for path in DATA.iterdir()
        if path.suffix in (".csv", ".json") and path.name not in explained
    ]
    assert unexplained == []


@pytest.mark.parametrize("table", TABLES)
def test_names_are_not_repeated(table):
    rows = list(facts.rows(table))
    kept = [
        tuple(row.get(key) for key in ("service", "name", "filesystem", "item"))
        for row in rows
        if "name" in row
    ]

    assert len(kept) == len(set(kept))


def test_copied_tables_name_their_licence():
    explained = (DATA / "SOURCES.md").read_text("utf-8")

    for table in LICENSED:
        assert table in explained
    assert explained.count("Apache-2.0") >= 3


def test_instance_types_are_what_the_installed_moto_has(tmp_path, monkeypatch):
    monkeypatch.setattr(make_data, "DATA", tmp_path)

    make_data.instance_types()

    made = (tmp_path / "instance-types.csv").read_text("utf-8")
    assert made == (DATA / "instance-types.csv").read_text("utf-8")


def test_the_memory_model_is_what_the_measurements_give(tmp_path, monkeypatch):
    for table in ("instance-types.csv", "memory-overhead.csv"):
        (tmp_path / table).write_bytes((DATA / table).read_bytes())
    monkeypatch.setattr(make_data, "DATA", tmp_path)

    make_data.memory_model()

    made = (tmp_path / "memory-model.csv").read_text("utf-8")
    assert made == (DATA / "memory-model.csv").read_text("utf-8")


def test_prices_and_measurements_are_of_types_that_exist():
    """Karpenter's tables also have types that EC2 has retired; most must be ours all the same."""
    known = set(facts.instance_types())

    for table in ("instance-prices.csv", "memory-overhead.csv"):
        names = {row["name"] for row in facts.rows(table)}
        assert len(names & known) > 0.95 * len(names)
    assert {row["name"] for row in facts.rows("registered-memory.csv")} <= known
    assert {row["name"] for row in facts.rows("volume-prices.csv")} <= set(facts.volume_types())


def test_no_table_names_a_place_on_a_machine():
    for path in DATA.iterdir():
        if path.is_file() and path.suffix in (".csv", ".json", ".md"):
            assert not re.search(r"/(work|tmp|home|root)/", path.read_text("utf-8")), path.name
