"""Tables: the worst first, nothing by colour alone, and foreign text that does nothing."""

from html.parser import HTMLParser
from types import SimpleNamespace

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchguide.disk.outcome import simulate
from batchguide.disk.scenario import Burst, Scenario
from batchguide.findings import Evidence, Finding, Severity, Status
from batchguide.views import tables
from batchguide.views.markup import REPORT_MIME, Shown, inert, inert_markdown, link

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "\x1b[2J\x1b[31mred",
    "\u202etxt.exe\u2066",
    "</style></table></details><b>out",
    "[click](javascript:alert(1))",
    "&lt;script&gt;",
    "a\x00b\r\nc",
]


class Seen(HTMLParser):
    """What a browser would make of it: elements, attributes, text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        if self.elements[-1:] != ["style"]:
            self.text += data


def assert_inert(html):
    seen = Seen(html)
    assert set(seen.elements) <= {
        *("style", "div", "p", "span", "b", "br", "code", "a", "ul", "li", "details", "summary"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    links = [value for name, value in seen.attributes if name == "href"]
    assert all(url.startswith("https://") or url.endswith(".ipynb") for url in links)
    assert not [letter for letter in seen.text if ord(letter) < 32 and letter not in "\n\t"]
    assert not set(seen.text) & set("\u202e\u2066\u200f\x1b")
    return seen


def check(**parts):
    usual = {"area": "disk", "title": "t", "why": "w", "fix": "f", "runbook": "", "source": ()}
    return SimpleNamespace(**{**usual, **parts})


def finding(status=Status.FAIL, severity=Severity.HIGH, check="D-1", **parts):
    usual = {"resource": "env", "message": "said", "evidence": (), "missing": ()}
    return Finding(check, status, severity, **{**usual, **parts})


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_place_of_a_finding_does_nothing(text):
    evil = finding(
        check=text, resource=text, message=text, evidence=(Evidence(text, text),), missing=(text,)
    )
    unknown = finding(Status.UNKNOWN, check=text, missing=(text,))
    checks = {text: check(title=text, why=text, fix=text, source=(text,), runbook=text)}

    for html in (
        tables.findings_table([evil, unknown], checks),
        tables.unseen_list([unknown]),
        tables.next_steps_list([evil], checks),
        tables.summary_strip([evil]),
    ):
        assert_inert(html)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_a_capture_or_an_outcome_does_nothing(text):
    meta = {"account": text, "region": text, "taken_at": text}
    failed = SimpleNamespace(job=1, at_s=1.0, error=text)
    outcome = SimpleNamespace(
        first_failure=failed, jobs_failed=1, jobs_submitted=1, jobs_succeeded=0,
        peak_used_gib=1.0, instances=(),
    )  # fmt: skip
    observed = SimpleNamespace(missing=(text,), assumed=(text,), scenario=None)

    for html in (
        tables.capture_card(text, meta),
        tables.outcomes_table({text: outcome}),
        tables.own_scenarios_table({text: observed}, {}),
    ):
        assert_inert(html)


def test_markup_in_a_message_is_shown_as_it_reads():
    seen = assert_inert(tables.findings_table([finding(message='a <b> & "c"')], {}))

    assert 'a <b> & "c"' in seen.text


@given(st.text(max_size=300))
def test_any_text_is_inert(text):
    assert_inert(f"<p>{inert(text)}</p>")


@given(st.one_of(st.text(max_size=200), st.sampled_from(HOSTILE)))
def test_any_text_is_inert_in_markdown(text):
    html = mistune.html(f"before {inert_markdown(text)} after")

    assert set(Seen(html).elements) <= {"p"}


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "http://plain.example", "//x.example", "../secret.ipynb", "data:,"],
)
def test_a_link_leads_to_the_web_over_tls_or_to_a_page_beside_this_one(url):
    assert "<a " not in link(url, "x")
    assert "<a " in link("https://docs.aws.amazon.com/x", "x")
    assert "<a " in link("12-understand-disk.ipynb", "x")


def test_the_worst_comes_first_and_what_is_well_is_folded():
    found = [
        finding(Status.PASS, message="well"),
        finding(severity=Severity.LOW, message="low"),
        finding(Status.UNKNOWN, severity=Severity.CRITICAL, message="dark", missing=("x:Y",)),
        finding(severity=Severity.CRITICAL, message="worst"),
        finding(Status.NOT_APPLICABLE, message="not here"),
    ]

    html = tables.findings_table(found, {})

    text = Seen(html).text
    assert text.index("worst") < text.index("low") < text.index("dark") < text.index("well")
    assert (
        html.index("dark")
        < html.index("<details><summary>1 pass, 1 not applicable")
        < (html.index("well"))
    )


@pytest.mark.parametrize("kind", tables.SHAPES)
def test_every_kind_has_a_shape_and_a_word_beside_its_colour(kind):
    text = Seen(tables.badge(kind)).text

    assert text.startswith(f"{tables.SHAPES[kind]} ")
    assert text[2:] == tables.WORDS.get(kind, kind)
    assert len(set(tables.SHAPES.values())) == len(tables.SHAPES)


def test_more_rows_than_a_page_can_hold_are_counted():
    found = [finding(resource=f"r-{at}") for at in range(tables.MOST_ROWS + 3)]

    assert "and 3 more" in tables.findings_table(found, {})


def test_what_is_missing_is_listed_with_the_questions_that_it_leaves_open():
    found = [
        finding(Status.UNKNOWN, check="D-1", missing=("ec2:A", "ec2:B")),
        finding(Status.UNKNOWN, check="D-2", missing=("ec2:A",)),
        finding(Status.FAIL, check="D-3", missing=("ec2:C",)),  # it was told all the same
    ]

    text = Seen(tables.unseen_list(found)).text

    assert text.index("ec2:A") < text.index("ec2:B")
    assert "D-1, D-2" in text
    assert "ec2:C" not in text
    assert "Everything that the checks ask for" in tables.unseen_list(found[2:])


def test_the_strip_counts_each_kind_and_shows_unknown_also_at_nought():
    text = Seen(tables.summary_strip([finding(), finding(), finding(Status.PASS)])).text

    assert "2▲ high" in text
    assert "0? unknown" in text
    assert "1✓ pass" in text


@pytest.mark.parametrize(
    ("source", "loud"), [("demo:disk-full", True), ("mine.json.gz", False), ("-", False)]
)
def test_a_bundled_capture_says_that_it_is_a_sample(source, loud):
    meta = {"account": "123456789012", "region": "eu-west-1", "taken_at": "2026-11-22T03:00:00Z"}

    html = tables.capture_card(source, meta)

    assert ("SAMPLE" in html) is loud
    assert all(value in html for value in meta.values())


def test_a_capture_that_does_not_say_whose_it_is_is_unknown():
    assert Seen(tables.capture_card("x.json", {})).text.count("unknown") == 3


def test_next_steps_lead_to_pages_that_exist_most_named_first():
    checks = {
        "D-1": check(runbook="12-understand-disk"),
        "D-2": check(runbook="30-estimate-disk"),
        "D-3": check(runbook="99-not-written"),
    }
    found = [finding(check=name) for name in ("D-1", "D-2", "D-2", "D-3")]

    html = tables.next_steps_list([*found, finding(Status.PASS, check="D-1")], checks)

    assert html.index("30-estimate-disk.ipynb") < html.index("12-understand-disk.ipynb")
    assert "99-not-written" not in html
    assert "1 finding leads" in html
    assert "No finding leads further" in tables.next_steps_list([], checks)


def test_a_comparison_has_a_row_for_each_outcome():
    tight = Scenario((Burst(0, 200),)).changed({"volume": {"size_gib": 8, "used_gib": 5}})
    tight = tight.changed({"job": {"writes_mib": 500}})
    roomy = tight.changed({"volume": {"size_gib": 500}})

    text = Seen(tables.outcomes_table({"8 GiB": simulate(tight), "500 GiB": simulate(roomy)})).text

    assert "✗8 GiB" in text
    assert "✓500 GiB200 of 200" in text


def test_what_a_cell_shows_has_three_faces():
    bundle = Shown("<b>x</b>", "x", {"kind": "verdict", "verdict": "x"})._repr_mimebundle_()

    assert bundle == {
        "text/html": "<b>x</b>",
        "text/plain": "x",
        REPORT_MIME: {"kind": "verdict", "verdict": "x"},
    }
    assert REPORT_MIME not in Shown("<b>x</b>", "x")._repr_mimebundle_()
