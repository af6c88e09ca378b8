"""The report in a real browser, network off: everything shows, nothing acts, nothing leaves."""

import json
import re
from pathlib import Path

import pytest

from batchguide.report.run import report_account, run_report

PAGES = Path(__file__).parents[1] / "report" / "pages"
SHOWN_AS_TEXT = "red <script>window.hacked = 1</script>"
READY = "document.body.dataset.ready"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def report_path(tmp_path_factory):
    """A function: the name of a small page → the path of its report's HTML, made once."""
    made: dict[str, Path] = {}

    def path(name: str) -> Path:
        if name not in made:
            source = str(PAGES / f"{name}.ipynb")
            made[name] = run_report(source, {}, tmp_path_factory.mktemp(name)).html
        return made[name]

    return path


@pytest.fixture
def opened(browser):
    """A function that opens a file with the network off; the page keeps what it asked and said."""
    contexts = []

    def go(path: Path, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.asked, page.said = [], []

        def only_this_file(route):
            if route.request.url == path.as_uri():
                return route.continue_()
            page.asked.append(route.request.url)
            return route.abort()

        context.route("**/*", only_this_file)
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_function(READY)
        return page

    yield go
    for context in contexts:
        context.close()


def test_charts_are_drawn_and_nothing_is_asked_or_complained_of(opened, report_path):
    page = opened(report_path("good"))

    assert page.locator(".chart.drawn svg.marks").count() == 1
    assert page.locator(".chart svg.marks path[aria-roledescription='line mark container']")
    assert page.locator(".chart.failed").count() == 0
    assert (page.asked, page.said) == ([], [])


def test_hostile_text_is_shown_and_does_nothing(opened, report_path):
    page = opened(report_path("hostile"))

    assert page.evaluate("window.hacked") is None
    assert (page.asked, page.said) == ([], [])
    assert page.locator("pre.stdout").inner_text().strip() == SHOWN_AS_TEXT
    assert page.locator("iframe, link, script[src], form:not(.vega-bindings)").count() == 0
    bar = page.locator(".chart svg.marks [aria-roledescription='bar']").first
    bar.hover()
    page.locator("#vg-tooltip-element.visible").wait_for()
    assert "<img src=x" in page.locator("#vg-tooltip-element").inner_text()
    assert page.evaluate("window.hacked") is None


def test_a_chart_that_fails_says_so_in_its_place(opened, report_path):
    page = opened(report_path("hostile"))

    failed = page.locator(".chart.failed")
    assert failed.count() == 2
    assert "would load data" in failed.nth(0).inner_text()
    assert "could not be drawn" in failed.nth(1).inner_text()
    assert page.locator(".chart.drawn").count() == 1, "and the others are drawn"


def test_the_browser_itself_refuses_what_would_slip_through(opened, report_path, tmp_path):
    html = report_path("good").read_text()
    evil = "<script>hacked = 1</script><img src=https://a.example onerror='hacked = 1'>"
    evil += "<script src=https://a.example/x.js></script><b onclick='hacked = 1'>press</b>"
    path = tmp_path / "pierced.html"
    path.write_text(html.replace("<main>", "<main>" + evil))

    page = opened(path)
    page.get_by_text("press").click()

    assert page.evaluate("window.hacked") is None
    assert page.asked == []
    assert sum("Content Security Policy" in line for line in page.said) >= 4


@pytest.mark.parametrize("width", [1280, 800, 400])
def test_the_verdict_fits_the_first_screen_and_nothing_is_cut_off(opened, report_path, width):
    page = opened(report_path("good"), viewport={"width": width, "height": 900})

    box = page.locator(".verdict").bounding_box()
    assert box["y"] < 200
    assert box["y"] + box["height"] < 900
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    chart = page.locator(".chart svg.marks").bounding_box()
    assert chart["x"] + chart["width"] <= width


def luminance(rgb):
    parts = [part / 255 for part in rgb]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(page, text, ground):
    """WCAG's contrast ratio of an element's text on another's background."""
    read = "(it, name) => getComputedStyle(it)[name].match(/\\d+/g).slice(0, 3).map(Number)"
    ink = page.locator(text).first.evaluate(f"it => ({read})(it, 'color')")
    paper = page.locator(ground).first.evaluate(f"it => ({read})(it, 'backgroundColor')")
    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_in_dark(opened, report_path, scheme):
    page = opened(report_path("good"), color_scheme=scheme)

    for text in ("main p", "nav a", ".badge.critical", ".badge.unknown-word", ".soft", "main a, a"):
        assert contrast(page, text, "body") >= 4.5, text
    for text in (".verdict h1", ".verdict .word", ".tally .high", ".tally .medium", ".tally .low"):
        assert contrast(page, text, ".verdict") >= 4.5, text


def test_code_is_hidden_until_it_is_asked_for(opened, report_path):
    page = opened(report_path("good"))
    code = page.locator("pre.source")
    assert code.count() > 0
    assert not any(code.nth(at).is_visible() for at in range(code.count()))

    page.get_by_label("show the code of each step").check()

    assert all(code.nth(at).is_visible() for at in range(code.count()))


def test_contents_lead_to_their_place(opened, report_path):
    page = opened(report_path("good"), viewport={"width": 1280, "height": 300})

    page.get_by_role("navigation").get_by_text("Look at the volume").click()

    box = page.get_by_role("heading", name="Look at the volume").bounding_box()
    assert 0 <= box["y"] < 300
    assert re.search(r"#section-\d+$", page.url)


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def test_paper_has_the_charts_and_what_the_reader_opened(opened, report_path):
    page = opened(report_path("good"))
    fold = "<details {0}><summary>{0} fold</summary><p>inside the {0} fold</p></details>"
    page.locator("article").evaluate(
        "(it, folds) => it.insertAdjacentHTML('beforeend', folds)",
        fold.format("open") + fold.format("shut"),
    )

    page.emulate_media(media="print")

    assert page.get_by_text("inside the open fold").is_visible()
    assert not page.get_by_text("shut fold", exact=True).is_visible()
    assert page.locator(".chart svg.marks").is_visible()
    assert not page.get_by_role("navigation").is_visible()
    assert page.locator("body").evaluate("it => getComputedStyle(it).color") == "rgb(0, 0, 0)"
    assert pages_of(page.pdf(format="A4")) <= 4


def test_without_javascript_the_findings_are_there_and_charts_say_what_they_lack(
    opened, report_path
):
    page = opened(report_path("good"), java_script_enabled=False)

    assert page.get_by_text("PROBLEMS FOUND").is_visible()
    assert page.get_by_text("ec2:DescribeImages", exact=True).is_visible()
    assert page.get_by_text("This chart is not drawn: it needs JavaScript.").is_visible()


@pytest.fixture(scope="session")
def account_report(tmp_path_factory):
    """What `make report` makes: the health and the forecast of the bundled account."""
    return report_account(out_dir=tmp_path_factory.mktemp("account"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800])
def test_the_account_report_is_whole(opened, account_report, width, scheme):
    size = {"width": width, "height": 900}
    page = opened(account_report.html, viewport=size, color_scheme=scheme)

    assert page.locator(".problem, .chart.failed, pre.error, pre.stderr").count() == 0
    assert page.locator(".chart.drawn svg.marks").count() >= 2
    assert [line for line in page.said if "WARN" not in line] == []
    assert page.asked == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    verdict = page.locator(".verdict").bounding_box()
    assert verdict["y"] + verdict["height"] < size["height"]
    assert page.get_by_role("heading", name="What could not be seen", exact=True).is_visible()


def test_the_account_report_says_on_its_page_what_its_json_says(opened, account_report):
    page = opened(account_report.html)
    found = json.loads(account_report.json.read_text())

    top = page.locator("header.top").inner_text()
    assert found["capture"]["account"] in top
    assert "SAMPLE" in top
    assert pages_of(page.pdf(format="A4")) <= 20
    assert f"{found['summary']['UNKNOWN']} not answered" in " ".join(top.split())
    jobs = found["outcome"]["jobs"]
    assert (
        f"{jobs['failed']:,} of {jobs['submitted']:,} jobs fail"
        in page.locator("main").inner_text()
    )
    failing = {one["check"] for one in found["findings"] if one["status"] == "FAIL"}
    shown = page.locator("#page-20-check-account-health").inner_text()
    assert failing
    assert [check for check in failing if check not in shown] == []
