"""The pages in a real JupyterLab: charts drawn, moves answered, nothing beyond loopback."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CHART = ".batchguide-live-chart"
VERDICT = ".jupyter-widgets .bg-verdict"
DRAWN = "n => Number(document.querySelector('.batchguide-live-chart').dataset.drawn) > n"
INK = """() => {
  const canvas = document.querySelector('.batchguide-live-chart canvas');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let inked = 0;
  for (let at = 3; at < pixels.length; at += 4) inked += pixels[at] > 0;
  return inked / (pixels.length / 4);
}"""
ERRORS = (
    '.jp-RenderedText[data-mime-type="application/vnd.jupyter.stderr"],'
    '.jp-RenderedText[data-mime-type="application/vnd.jupyter.error"]'
)


def assert_clean(page):
    assert page.external == []
    assert page.errors == []
    assert page.locator(ERRORS).count() == 0


def control(page, label):
    return page.locator(".widget-hslider", has=page.get_by_text(label, exact=True))


def press(page, key):
    """Press a key, and wait until the chart has drawn the answer."""
    number = int(page.locator(CHART).get_attribute("data-drawn"))
    page.keyboard.press(key)
    page.wait_for_function(DRAWN, arg=number, timeout=20_000)


def test_a_slider_moved_by_keyboard_changes_chart_and_verdict(ran, page, shoot):
    ran("30-estimate-disk")
    chart, verdict = page.locator(CHART), page.locator(VERDICT).first
    expect(verdict).to_contain_text("721 of 1,000 jobs fail")
    page.wait_for_function(DRAWN, arg=0)
    before, said = chart.screenshot(), chart.get_attribute("aria-label")
    assert page.evaluate(INK) > 0.3
    verdict.scroll_into_view_if_needed()
    shoot("estimator-1280")

    control(page, "size, GiB").locator(".noUi-handle").focus()
    for _ in range(4):
        press(page, "ArrowRight")

    expect(verdict).to_contain_text("all 1,000 jobs succeed")
    assert chart.get_attribute("aria-label") != said
    assert chart.screenshot() != before
    shoot("estimator-moved")
    assert_clean(page)


def test_moves_by_mouse_box_list_and_search_are_answered_too(ran, page):
    ran("30-estimate-disk")
    verdict = page.locator(VERDICT).first
    expect(verdict).to_contain_text("721 of 1,000 jobs fail")

    box = page.locator(".jupyter-widgets", has=control(page, "size, GiB")).last
    box.locator("input").fill("64")
    box.locator("input").press("Enter")
    expect(verdict).to_contain_text("all 1,000 jobs succeed")

    page.get_by_label("storage").select_option("a fresh copy for each job")
    expect(verdict).to_contain_text("CannotPullContainerError")

    search = page.get_by_placeholder("type a name")
    search.fill("r5.colossal")
    search.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("instance.type is 'r5.colossal'")
    search.fill("m5.24xlarge")
    search.press("Enter")
    expect(page.get_by_role("alert")).to_have_count(0)

    handle = control(page, "writes, MiB").locator(".noUi-handle")
    handle.scroll_into_view_if_needed()
    place = handle.bounding_box()
    middle = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + place["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(place["x"] - 40, middle, steps=15)
    page.mouse.up()
    page.get_by_text("This scenario as YAML").click()
    text = page.locator(".jupyter-widgets textarea")
    expect(text).to_have_value(re.compile("type: m5.24xlarge"))
    expect(text).not_to_have_value(re.compile(r"writes_mib: 20\.0"))
    assert page.external == []
    assert page.errors == []


def test_the_picture_comes_first_where_both_halves_do_not_fit(ran, page, shoot):
    page.set_viewport_size({"width": 800, "height": 900})
    ran("30-estimate-disk")
    page.wait_for_function(DRAWN, arg=0)

    chart, inputs = page.locator(CHART).bounding_box(), control(page, "vCPUs").bounding_box()

    assert chart["y"] < inputs["y"]
    assert chart["x"] + chart["width"] <= 800
    page.locator(VERDICT).first.scroll_into_view_if_needed()
    shoot("estimator-800")
    assert_clean(page)


def test_hover_reads_every_component(ran, page, shoot):
    ran("30-estimate-disk")
    page.wait_for_function(DRAWN, arg=0)
    chart = page.locator(CHART)
    chart.scroll_into_view_if_needed()
    place = chart.bounding_box()

    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + 180)
    page.mouse.move(place["x"] + place["width"] / 2 + 4, place["y"] + 180)

    tip = page.locator("#vg-tooltip-element")
    expect(tip).to_be_visible()
    for name in ("time, min", "image layers", "stopped containers", "operating system"):
        expect(tip).to_contain_text(name)
    expect(tip).not_to_contain_text("undefined")
    shoot("estimator-hover")
    assert_clean(page)


@pytest.mark.parametrize(
    ("name", "charts", "words"),
    [
        ("00-start-here", 0, "What fills the disk of a container instance"),
        ("12-understand-disk", 6, "Docker stores layers"),
        ("20-check-account-health", 1, "SAMPLE"),
    ],
)
def test_a_page_draws_its_charts(ran, page, shoot, name, charts, words):
    page.set_viewport_size({"width": 1280, "height": 5200})  # windowed cells are drawn when seen
    ran(name)

    drawn = page.locator(".jp-OutputArea-output .vega-embed canvas, .vega-embed svg.marks")
    expect(drawn).to_have_count(charts, timeout=30_000)
    expect(page.get_by_text(words).first).to_be_visible()
    shoot(name)
    assert_clean(page)


def test_a_page_reads_in_the_dark(ran, page, shoot):
    ran("30-estimate-disk", dark=True)
    page.wait_for_function(DRAWN, arg=0)

    assert page.evaluate(INK) > 0.3
    page.locator(VERDICT).first.scroll_into_view_if_needed()
    shoot("estimator-dark")
    assert_clean(page)
