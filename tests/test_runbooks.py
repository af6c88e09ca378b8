"""Every page keeps the house rules, and runs top to bottom on the bundled captures."""

import json
import re
from copy import deepcopy

import nbclient
import nbformat
import pytest

import notebooks
from batchguide.facts import runbooks_path
from batchguide.views.charts import MIME_TYPE
from batchguide.views.lessons import page_entries
from batchguide.views.markup import REPORT_MIME

PAGES = sorted(path.stem for path in runbooks_path().glob("*.ipynb"))
CELL_TIMEOUT_S = 120


def load(name):
    return json.loads((runbooks_path() / f"{name}.ipynb").read_text("utf-8"))


def all_faults(notebook):
    return [
        *notebooks.opening_faults(notebook),
        *notebooks.parameter_faults(notebook),
        *notebooks.logic_faults(notebook),
        *notebooks.storage_faults(notebook),
        *notebooks.prose_faults(notebook),
        *notebooks.link_faults(notebook, runbooks_path()),
    ]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_the_house_rules(name):
    assert all_faults(load(name)) == []


def test_a_number_belongs_to_one_page_by_tens_of_purpose():
    numbers = [name[:2] for name in PAGES]

    assert all(re.fullmatch(r"\d\d-[a-z]+(-[a-z]+)*", name) for name in PAGES)
    assert len(set(numbers)) == len(numbers)
    assert PAGES[0] == "00-start-here"


@pytest.mark.parametrize(
    ("cell", "change", "fault"),
    [
        ("title", {"source": ["No title, **Use it when** x"]}, "no title"),
        ("title", {"source": ["# T\n**You need** a **Use it when** b"]}, "in this order"),
        ("parameters", {"source": ["capture = 'x'  # c"]}, "is not typed"),
        ("parameters", {"source": ['capture: str = "demo:disk-full"']}, "has no comment"),
        ("parameters", {"source": ["capture: str = str(1)  # c"]}, "is not a literal"),
        ("parameters", {"source": ["n: int = 1  # c"]}, "first parameter is not capture"),
        ("parameters", {"metadata": {}}, "0 cells are tagged"),
        ("open", {"id": "begin"}, "not with parameters and open"),
        ("open", {"id": "a1b2c3d4"}, "not a name"),
        ("open", {"source": ["if x:\n    y()"]}, "open: If"),
        ("open", {"source": ["[a for a in b]"]}, "open: ListComp"),
        ("open", {"source": ["import boto3"]}, "imports boto3"),
        ("open", {"source": ["from batchguide import *"]}, "imports batchguide"),
        ("open", {"source": ["%time x()"]}, "a magic"),
        ("open", {"source": ["a()\n"] * 11}, "more than 10 lines"),
        ("open", {"outputs": [{"output_type": "stream"}]}, "stored with outputs"),
        ("open", {"execution_count": 3}, "stored with outputs"),
        ("open", {"metadata": {"trusted": True}}, "metadata"),
        ("open-lead", {"source": ["no step"]}, "no step announces it"),
        ("next", {"source": ["## Farewell"]}, "ends elsewhere"),
        ("next", {"source": ["## Next steps\n[x](98-nowhere.ipynb)"]}, "no such page"),
        ("next", {"source": ["## Next steps\n[x](http://plain.example)"]}, "no such page"),
    ],
)
def test_a_broken_rule_is_found(cell, change, fault):
    page = deepcopy(load("30-estimate-disk"))
    next(it for it in page["cells"] if it["id"] == cell).update(change)

    assert any(fault in said for said in all_faults(page))


def test_foreign_metadata_is_found():
    page = load("30-estimate-disk")
    page["metadata"]["widgets"] = {}

    assert notebooks.storage_faults(page) == ["metadata is more or less than the kernelspec"]


def test_the_index_has_every_page_with_its_own_words():
    entries = {entry.name: entry for entry in page_entries()}

    assert sorted(entries) == PAGES
    for name, entry in entries.items():
        first = notebooks.source(load(name)["cells"][0])
        assert first.startswith(f"# {entry.title}\n")
        assert f"**Use it when** {entry.use_it_when}" in first


# --- run ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run():
    """A function: page and parameters → the executed notebook; each run once."""
    done = {}

    def executed(name, **parameters):
        key = (name, *sorted(parameters.items()))
        if key not in done:
            done[key] = _execute(name, parameters)
        return done[key]

    return executed


def _execute(name, parameters):
    page = nbformat.read(runbooks_path() / f"{name}.ipynb", as_version=4)
    cell = next(it for it in page.cells if it["id"] == "parameters")
    cell.source += "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
    client = nbclient.NotebookClient(page, timeout=CELL_TIMEOUT_S, kernel_name="python3")
    return client.execute()


def outputs(page, kind):
    return [
        output["data"][kind]
        for cell in page.cells
        for output in cell.get("outputs", ())
        if kind in output.get("data", {})
    ]


def streams(page):
    return [
        output["text"]
        for cell in page.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream"
    ]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_and_every_cell_after_the_opening_shows_something(run, name):
    page = run(name)

    silent = [
        cell["id"]
        for cell in page.cells
        if cell.cell_type == "code" and cell["id"] != "parameters" and not cell.outputs
    ]
    assert silent == []
    assert streams(page) == []


@pytest.mark.parametrize("capture", ["demo:disk-full", "demo:healthy"])
def test_the_health_page_hands_capture_and_findings_to_the_report(run, capture):
    page = run("20-check-account-health", capture=capture)

    kinds = {value["kind"]: value for value in outputs(page, REPORT_MIME)}
    findings = kinds["findings"]["findings"]
    assert kinds["capture"]["capture"]["account"]
    assert {it["status"] for it in findings if it["check"].startswith("DISK")} >= (
        {"FAIL"} if capture == "demo:disk-full" else {"PASS"}
    )
    assert len(outputs(page, MIME_TYPE)) == 1


def test_the_healthy_account_fails_nothing_on_its_page(run):
    page = run("20-check-account-health", capture="demo:healthy")

    (value,) = [it for it in outputs(page, REPORT_MIME) if it["kind"] == "findings"]
    assert [it for it in value["findings"] if it["status"] == "FAIL"] == []


def test_the_forecast_page_hands_over_what_was_asked_and_draws_it(run):
    page = run("30-estimate-disk")

    (asked,) = [it for it in outputs(page, REPORT_MIME) if it["kind"] == "outcome"]
    (chart,) = outputs(page, MIME_TYPE)
    assert asked["outcome"]["jobs"]["submitted"] == 1000
    assert chart["datasets"]["capacity"][0]["gib"] == pytest.approx(
        asked["outcome"]["instances"][0]["capacity_gib"]
    )


def test_the_forecast_page_takes_another_scenario(run):
    text = "name: small\njob: {vcpus: 1}\nbursts: [{at_s: 0, jobs: 7}]"

    page = run("30-estimate-disk", scenario=text)

    (asked,) = [it for it in outputs(page, REPORT_MIME) if it["kind"] == "outcome"]
    assert asked["outcome"]["jobs"]["submitted"] == 7


def test_the_disk_page_ticks_every_claim_and_replays_every_rule(run):
    page = run("12-understand-disk")

    claims = [cell for cell in page.cells if "runbook.claim(" in cell.source]
    assert len(claims) >= 8
    assert all(cell.outputs[0]["data"]["text/plain"].startswith("✓") for cell in claims)
    replayed = [it for it in outputs(page, REPORT_MIME) if it["kind"] == "comparison"][-1]
    assert len(replayed["outcomes"]) == 12


@pytest.mark.parametrize(
    ("parameters", "first"),
    [
        ({}, {"disk-full", "io-starved"}),
        ({"capture": "demo:healthy"}, {"undetermined"}),
        ({"text": "toomanyrequests: <b>You have reached your pull rate limit</b>"},
         {"registry-throttled"}),
    ],
)  # fmt: skip
def test_the_page_of_a_failed_job_hands_its_causes_to_the_report(run, parameters, first):
    page = run("21-explain-a-failed-job", **parameters)

    (value,) = [it for it in outputs(page, REPORT_MIME) if it["kind"] == "causes"]
    assert value["causes"][0]["id"] in first
    assert not any("<b>You" in html for html in outputs(page, "text/html"))


def test_the_page_of_a_failed_job_stops_on_a_job_that_is_not_there():
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="no job 'nowhere'"):
        _execute("21-explain-a-failed-job", {"job": "nowhere"})


def test_a_page_stops_on_a_claim_that_is_not_true():
    page = nbformat.read(runbooks_path() / "12-understand-disk.ipynb", as_version=4)
    page.cells = [it for it in page.cells if it["id"] in ("parameters", "open")]
    page.cells.append(nbformat.v4.new_code_cell('runbook.claim("pigs fly", 1 > 2)'))

    with pytest.raises(nbclient.exceptions.CellExecutionError, match="pigs fly"):
        nbclient.NotebookClient(page, timeout=CELL_TIMEOUT_S, kernel_name="python3").execute()


def test_a_page_stops_on_a_scenario_that_can_not_be_read():
    text = "volume: {size_gib: -8}\nbursts: [{at_s: 0, jobs: 7}]"

    with pytest.raises(nbclient.exceptions.CellExecutionError, match=r"volume\.size_gib is -8"):
        _execute("30-estimate-disk", {"scenario": text})
