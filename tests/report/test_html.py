"""The page says what the document says, and holds nothing that runs, loads or pretends."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import nbformat
import pytest
from test_harvest import (
    FULL_OUTCOME,
    HEALTHY_OUTCOME,
    executed,
    finding,
    findings_value,
)

from batchguide import checks
from batchguide.report import harvest
from batchguide.report.execute import Executed, Problem
from batchguide.report.forecast import Basis
from batchguide.report.html import SHOWN, build, not_seen, tone_of
from batchguide.report.render import Rendering, clean, markdown

LOST = Basis(missing=("batch:ListJobs",), why="no forecast, for the capture is short")
MAX_BYTES = 1_300_000
SPEC = {"data": {"values": [{"n": 1}]}, "mark": "bar", "encoding": {"x": {"field": "n"}}}
VEGALITE = "application/vnd.vegalite.v5+json"


class Tags(HTMLParser):
    """Every element of a page with its attributes, and the text of scripts."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.scripts = [], []
        self.script = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.script = "" if tag == "script" else None

    def handle_data(self, data):
        if self.script is not None:
            self.script += data

    def handle_endtag(self, tag):
        if tag == "script":
            self.scripts.append((self.elements[-1][1], self.script))
            self.script = None


def sha256(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def output_html(data):
    return Rendering().output({"output_type": "display_data", "data": data})


def page_of(*values, charts=0, **options):
    page = executed(*values, **options)
    output = nbformat.v4.new_output("display_data", {VEGALITE: SPEC})
    chart_cell = nbformat.v4.new_code_cell("chart", outputs=[output])
    page.notebook.cells += [chart_cell] * charts
    return build([page], harvest.document([page], None))


@pytest.mark.parametrize("charts", [0, 1, 3])
def test_the_page_loads_nothing_and_carries_the_chart_library_at_most_once(charts):
    html = page_of(findings_value(finding()), charts=charts)

    elements = Tags(html).elements
    assert not [tag for tag, _ in elements if tag in ("link", "iframe", "object", "embed", "base")]
    assert not [attrs for _, attrs in elements if "src" in attrs]
    assert html.count("vegaEmbed=") == (1 if charts else 0)
    assert sum("data-for" in attrs for _, attrs in elements) == charts
    assert len(html.encode()) < MAX_BYTES


def test_the_policy_allows_our_scripts_by_hash_and_nothing_else():
    tags = Tags(page_of(charts=1))

    policies = [it["content"] for tag, it in tags.elements if it.get("http-equiv")]
    assert len(policies) == 1
    allowed = dict(part.split(" ", 1) for part in policies[0].split("; "))
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data:"
    hashes = set(re.findall(r"'sha256-([^']+)'", allowed["script-src"]))
    ours = [text for attrs, text in tags.scripts if "type" not in attrs]
    assert {
        base64.b64encode(hashlib.sha256(it.encode()).digest()).decode() for it in ours
    } == hashes
    assert "unsafe-inline" not in allowed["script-src"]


def test_the_verdict_and_its_word_stand_before_everything_else():
    html = page_of(findings_value(finding(severity="critical")))

    assert html.index("PROBLEMS FOUND") < html.index("<main>")
    assert html.index("DISK-002 says FAIL") < html.index("<main>")
    assert "<title>Problems found: A title</title>" in html


def test_what_could_not_be_seen_is_listed_before_the_pages():
    untold = finding("UNKNOWN", check="AMI-001", missing=["ec2:DescribeImages"])

    html = page_of(findings_value(untold))

    assert html.index("What could not be seen") < html.index("ec2:DescribeImages")
    assert html.index("ec2:DescribeImages") < html.index("<article")


def test_only_the_worst_kinds_stand_on_the_first_screen_and_the_rest_is_counted():
    many = [finding(check=f"DISK-{at}") for at in range(SHOWN + 3)]

    html = page_of(findings_value(*many))

    assert html.count('class="resource"') == SHOWN
    assert "and 3 more kinds of problem, below" in html


def test_one_problem_of_many_resources_is_told_once_and_by_its_title():
    many = [finding(check="DISK-001", resource=f"queue-{at}") for at in range(3)]

    html = page_of(findings_value(*many))

    assert html.count('class="resource"') == 1
    assert "queue-0</span> and 2 more: " in html
    assert f"<b>{checks.registry()['DISK-001'].title}</b>" in html


@pytest.mark.parametrize(
    ("values", "tone"),
    [
        ([findings_value(finding("PASS"))], "good"),
        ([findings_value(finding("PASS"), finding("UNKNOWN"))], "unknown"),
        ([findings_value(finding("UNKNOWN"))], "unknown"),
        ([findings_value(finding("NOT_APPLICABLE"))], "unknown"),
        ([findings_value(finding("MUTED"))], "unknown"),
        ([findings_value()], "unknown"),
        ([], "unknown"),
        ([findings_value(finding("PASS"), finding("FAIL", severity="low"))], "bad"),
        ([{"kind": "outcome", "outcome": HEALTHY_OUTCOME}], "good"),
        ([{"kind": "outcome", "outcome": FULL_OUTCOME}], "bad"),
        (
            [findings_value(finding("UNKNOWN")), {"kind": "outcome", "outcome": HEALTHY_OUTCOME}],
            "unknown",
        ),
    ],
)
def test_nothing_is_green_that_was_not_seen(values, tone):
    assert tone_of(harvest.document([executed(*values)], None)) == tone


def test_a_stopped_page_is_never_green():
    problem = Problem("page", "Open", "3", "E", "why", refused=True)
    page = executed(findings_value(finding("PASS")), problem=problem)

    found = harvest.document([page], None)

    assert tone_of(found) == "stopped"
    assert "This report is not whole." in build([page], found)


def test_missing_permissions_are_grouped_with_the_questions_they_leave_open():
    both = [
        finding("UNKNOWN", check="AMI-001", missing=["ec2:DescribeImages"]),
        finding("UNKNOWN", check="CE-001", missing=["ec2:DescribeImages", "a size"]),
        finding("UNKNOWN", check="CE-001", resource="z", missing=["a size"]),
        finding("FAIL"),
    ]

    found = harvest.document([executed(findings_value(*both))], None, LOST)

    assert not_seen(found) == [
        ("ec2:DescribeImages", ["CE-001", "AMI-001"]),
        ("a size", ["CE-001"]),
        ("batch:ListJobs", ["the forecast"]),
    ]


def test_a_forecast_that_could_not_be_made_says_why_and_takes_the_green_away():
    page = executed(findings_value(finding("PASS")))
    lost = harvest.document([page], None, LOST)
    idle = harvest.document([page], None, Basis(why="no forecast, for no job ran"))

    assert (tone_of(lost), tone_of(idle)) == ("unknown", "good")
    assert "No forecast, for the capture is short." in build([page], lost)
    assert "No forecast, for no job ran." in build([page], idle)


def test_a_forecast_of_an_account_says_whose_hour_it_is_and_what_is_assumed():
    page = executed({"kind": "outcome", "outcome": FULL_OUTCOME})
    basis = Basis(environment="env-a", assumed=("job.writes_mib",))

    html = build([page], harvest.document([page], None, basis))

    assert "The busiest hour of <b>env-a</b>" in html
    assert "assumed, for AWS does not tell: job.writes_mib" in html
    assert "<b>2</b> of <b>5</b> jobs fail" in html


def test_a_sample_is_loudly_a_sample():
    page = executed(findings_value(finding()))
    sample = Executed(page.name, page.notebook, {"capture": "demo:disk-full"}, None, 0.1)

    assert "SAMPLE" not in build([page], harvest.document([page], None))
    assert "SAMPLE" in build([sample], harvest.document([sample], None))


HOSTILE = [
    "<script>hacked()</script>",
    "<ScRiPt src=//a.example></sCrIpT >",
    "<img src=x onerror=hacked()>",
    "<img src=https://a.example/pixel.png>",
    "<svg><script>hacked()</script></svg>",
    "<svg onload=hacked()>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=hacked()>",
    "<a href='javascript:hacked()'>x</a>",
    "<a href=' java\nscript:hacked()'>x</a>",
    "<a href='data:text/html,<script>hacked()</script>'>x</a>",
    "<iframe srcdoc='<script>hacked()</script>'></iframe>",
    "<meta http-equiv=refresh content='0;url=https://a.example'>",
    "<base href=https://a.example/>",
    "<form action=https://a.example><input name=p></form>",
    "<style>body{display:none}</style>",
    "<style>@import url(https://a.example/x.css)",
    "<link rel=stylesheet href=https://a.example/x.css>",
    "<p style='position:fixed;inset:0;z-index:9'>over</p>",
    "<p style='background:url(https://a.example/x)'>x</p>",
    "<p style='background:u\\72l(https://a.example/x)'>x</p>",
    "<p style='background:image-set(\"https://a.example/x\" 1x)'>x</p>",
    "<details ontoggle=hacked() open>x</details>",
    "<object data=https://a.example></object><embed src=https://a.example>",
    "<!--><img src=x onerror=hacked()>-->",
    "<h1 id=top>PROBLEM-FREE</h1>",
]


@pytest.mark.parametrize("how", [clean, markdown], ids=["html", "markdown"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_markup_is_cut_down_to_what_only_shows(how, hostile):
    tags = Tags(how(f"<b>before</b> {hostile} <b>after</b>"))

    forbidden = {"script", "iframe", "meta", "base", "form", "input", "style", "link", "object"}
    assert not {tag for tag, _ in tags.elements} & (forbidden | {"embed", "svg", "math"})
    for _, attrs in tags.elements:
        assert not [name for name in attrs if name.startswith("on") or name == "id"]
        style = attrs.get("style") or ""
        assert "position" not in style
        assert "a.example" not in style
        assert (attrs.get("href") or "https:").startswith(("http:", "https:"))
        assert (attrs.get("src") or "data:image/").startswith("data:image/")
    assert "after" in how(f"{hostile}\n\n<b>after</b>") or hostile.startswith("<style>@import")


def test_harmless_markup_stays_as_views_write_it():
    html = (
        '<details open><summary>3 more</summary><table class="bg-t"><tbody><tr>'
        '<td style="color: red;" colspan="2">a &lt;b&gt; <code>x</code></td></tr></tbody></table>'
        '</details><a href="https://docs.aws.amazon.com/batch/">source</a>'
    )

    assert clean(html) == html


def test_a_chart_is_data_until_our_script_draws_it():
    spec = SPEC | {"title": "</script><script>hacked()</script>"}

    html = output_html({VEGALITE: spec, "text/plain": "<chart>"})

    tags = Tags(html)
    assert [tag for tag, _ in tags.elements] == ["div", "script"]
    assert "<script>" not in html
    assert "&lt;chart" not in html


@pytest.mark.parametrize(
    "spec",
    [
        {"data": {"url": "https://a.example/x.json"}, "mark": "bar"},
        {"layer": [{"data": {"url": "x.csv"}, "mark": "bar"}]},
        {"transform": [{"lookup": "n", "from": {"data": {"url": "x"}, "key": "n"}}]},
    ],
)
def test_a_chart_that_would_load_data_says_so(spec):
    assert "This chart would load data." in output_html({VEGALITE: spec})


def test_values_that_look_like_addresses_are_only_values():
    spec = SPEC | {"data": {"values": [{"data": {"url": "https://a.example"}}]}}

    assert "would load" not in output_html({VEGALITE: spec})


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({"text/plain": "1 < 2"}, "<pre"),
        ({"text/html": "<b>x</b>", "text/plain": "x"}, "<b>x</b>"),
        ({"text/markdown": "**x**", "text/plain": "x"}, "<strong>x</strong>"),
        ({"image/svg+xml": "<svg onload='x()'/>"}, 'src="data:image/svg+xml;base64,'),
        ({"image/png": "iVBOR\n"}, 'src="data:image/png;base64,iVBOR"'),
    ],
)
def test_an_output_shows_in_its_richest_form(data, part):
    html = output_html(data)

    assert part in html
    assert "onload" not in html


@pytest.mark.parametrize(
    "data",
    [
        {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "IntSlider(value=3)"},
        {"application/vnd.batchguide+json": {"kind": "verdict"}, "text/plain": "verdict"},
        {"application/unheard-of": 1},
    ],
)
def test_a_dead_widget_and_a_value_for_the_report_show_nothing(data):
    assert output_html(data) == ""


def test_terminal_colours_are_gone_from_streams_and_errors():
    stream = {"output_type": "stream", "name": "stderr", "text": "\x1b[31mred\x1b[0m <b>"}
    error = {"output_type": "error", "traceback": ["\x1b[0;31mSizeError\x1b[0m: <b>"]}

    shown = [Rendering().output(one) for one in (stream, error)]

    assert shown == [
        '<pre class="stream stderr">red &lt;b&gt;</pre>',
        '<pre class="error">SizeError: &lt;b&gt;</pre>',
    ]


def test_a_link_to_a_runbook_leads_within_the_report_or_is_a_name():
    text = "[here](30-estimate-disk.ipynb) [there](40-enlarge-the-volume.ipynb)"
    cell = nbformat.v4.new_markdown_cell(text)

    body = Rendering(frozenset({"30-estimate-disk"})).cell(cell)["body"]

    assert '<a href="#page-30-estimate-disk">here</a>' in body
    assert "there</span>" in body
    assert ".ipynb" not in body


def test_contents_lead_to_each_heading():
    page = executed()
    page.notebook.cells += [nbformat.v4.new_markdown_cell("## Look at `df` & more\n\n### Deeper")]

    html = build([page], harvest.document([page], None))

    links = re.findall(r'<a href="#(section-\d+)">(.*?)</a>', html)
    assert [text for _, text in links] == ["A title", "Look at df &amp; more"]
    assert all(f'id="{name}"' in html for name, _ in links)


def test_parameters_are_told_in_words_and_their_cells_left_out():
    page = executed()
    cell = nbformat.v4.new_code_cell("capture = 'mine'", metadata={"tags": ["parameters"]})
    page.notebook.cells.append(cell)
    told = Executed("page", page.notebook, {"capture": "<mine>", "limit": None}, None, 0.1)

    html = build([told], harvest.document([told], None))

    assert "<code>capture=&lt;mine&gt;</code>" in html
    assert "limit" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert "capture = " not in html
