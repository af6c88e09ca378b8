"""Causes as pages show them: every quote is inert, every cause and piece of evidence is there."""

import re

import pytest

import builders
from batchguide.facts import runbooks_path
from batchguide.triage import explain_text
from batchguide.triage.failures import Explained, Shared, explain, shared_causes
from batchguide.views import causes

HOSTILE = (
    "<script>alert(1)</script>\x1b[31m<img src=x onerror=y> "
    "CannotPullContainerError: pull access denied for <b>app</b>"
)


@pytest.fixture
def explained():
    return Explained("the <i>error</i> text", explain_text(HOSTILE))


@pytest.mark.parametrize(
    "view", [causes.causes_card, causes.evidence_list, causes.looks_list, causes.cause_steps]
)
def test_foreign_text_is_inert_in_every_view(view, explained):
    shown = view(explained)

    assert not re.search(r"<(script|img|i)\b|<b>app", shown.html)
    assert "\x1b" not in shown.html + shown.text


def test_the_card_has_every_cause_in_order_with_its_confidence(explained):
    shown = causes.causes_card(explained)

    places = [shown.html.index(f"<b>{each['id']}</b>") for each in explained.causes]
    assert len(places) >= 2
    assert places == sorted(places)
    for each in explained.causes:
        assert causes.percent(each["confidence"]) in shown.html
    assert shown.text.startswith("the <i>error</i> text: registry-auth")


def test_the_card_hands_its_document_to_the_report(explained):
    record = causes.causes_card(explained).record

    assert record["kind"] == "causes"
    assert record["causes"] == explained.causes
    assert record["subject"] == explained.subject


def test_evidence_for_and_against_is_told_apart_without_colour():
    shown = causes.evidence_list(Explained("x", explain_text("exit code 137")))

    assert 'aria-label="speaks for it"' in shown.html
    assert 'aria-label="speaks against it"' in shown.html
    assert "out-of-memory: + 137 is SIGKILL" in shown.text
    assert "out-of-memory: − Nothing says that memory ran out" in shown.text


def test_every_look_is_shown_under_its_cause(explained):
    shown = causes.looks_list(explained)

    for each in explained.causes:
        for look in each["next"]:
            assert f"{each['id']}: {look}" in shown.text


def test_each_page_is_linked_once_and_only_when_it_is_there():
    document = explain_text("no space left on device")
    document["causes"].append(document["causes"][0] | {"id": "thin-pool-full"})
    document["causes"].append(document["causes"][0] | {"id": "other", "runbook": "99-not-there"})

    shown = causes.cause_steps(Explained("x", document)).html

    assert (runbooks_path() / "12-understand-disk.ipynb").is_file()
    assert shown.count('href="12-understand-disk.ipynb"') == 1
    assert "disk-full, thin-pool-full → " in shown
    assert 'href="99' not in shown and "99-not-there" in shown


def test_failures_are_counted_and_what_was_left_out_is_said():
    shared = (Shared("disk-full", "12-understand-disk", 0.98, ("job-<1>", "job-2")),)

    all_of_them, some = causes.shared_table(shared, 2), causes.shared_table(shared, 9)

    assert "job-&lt;1&gt;" in all_of_them.html and "98 %" in all_of_them.html
    assert "newest of" not in all_of_them.html
    assert "The 2 newest of 9 failed jobs." in some.html
    assert all_of_them.text == "disk-full: 2 jobs"


def test_an_account_without_failures_says_so():
    account = builders.make_account()

    assert "No job of this capture failed" in causes.shared_table(shared_causes(account), 0).html
    assert "none of this capture failed" in causes.causes_card(explain(account)).text
