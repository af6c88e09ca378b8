"""A document as text: valid for the tool that reads it, inert for the person who does."""

import json

import pytest
from test_harvest import document, finding, findings_value

from batchguide.errors import UserError
from batchguide.report.formats import FORMATS, render, to_json, to_markdown

HOSTILE = "| [x](javascript:y) <img src=x> `code`\n# title\u2028 * ~"


@pytest.fixture
def found():
    hostile = finding(resource=HOSTILE)
    untold = finding("UNKNOWN", check="AMI-001", missing=["ec2:DescribeImages"])
    return document(findings_value(hostile, untold, finding("PASS", check="CE-001")))


def test_json_gives_the_document_back(found):
    assert json.loads(to_json(found)) == found


def test_a_number_that_json_does_not_have_is_refused_not_written(found):
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(found | {"outcome": {"peak_used_gib": float("nan")}})


def test_markdown_has_the_verdict_the_problems_and_the_unseen_only(found):
    text = to_markdown(found)

    assert text.startswith("# Report\n\n**1 high problem; the worst, DISK\\-002")
    assert "missing ec2:DescribeImages" in text
    assert "CE" not in text


def test_markdown_keeps_hostile_text_in_its_cell(found):
    import mistune

    html = mistune.create_markdown(escape=False, plugins=["table"])(to_markdown(found))

    assert html.count("<tr>") == 4, "two heads and two findings"
    assert "<img" not in html
    assert "<a " not in html
    assert html.count("<h1>") == 1


def test_every_format_is_chosen_by_its_name(found):
    assert {name: bool(render(found, name)) for name in FORMATS} == dict.fromkeys(FORMATS, True)

    with pytest.raises(UserError, match="no report format 'pdf'; there are json, markdown"):
        render(found, "pdf")
