"""A page is found by any name people use for it, and runs with what it declares or not at all."""

from pathlib import Path

import pytest

from batchguide.errors import UserError
from batchguide.report import pages
from batchguide.report.pages import PageError, checked, find_page

PAGES = Path(__file__).parent / "pages"


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of runbooks with the small page as number 20."""
    (tmp_path / "20-check-account-health.ipynb").write_bytes((PAGES / "good.ipynb").read_bytes())
    monkeypatch.setattr(pages, "runbooks_path", lambda: tmp_path)


@pytest.fixture
def page():
    return find_page(str(PAGES / "good.ipynb"))


@pytest.mark.parametrize(
    "said",
    ["20", "20-check-account-health", "check-account-health", "20-check-account-health.ipynb"],
)
def test_a_shipped_page_is_found_by_number_and_name(shelf, said):
    assert find_page(said).name == "20-check-account-health"


def test_a_page_is_found_by_its_path():
    assert find_page(str(PAGES / "good.ipynb")).name == "good"


@pytest.mark.parametrize("said", ["2", "21", "20-check", "", ".", "nowhere.ipynb", "../20"])
def test_what_is_no_page_is_refused_with_the_pages_there_are(shelf, said):
    with pytest.raises(PageError, match="there are 20-check-account-health"):
        find_page(said)


def test_a_mistyped_page_is_met_with_the_likely_one(shelf):
    with pytest.raises(PageError, match=r"did you mean 20-check-account-health\?"):
        find_page("20-chek-acount-health")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": [{}]}', '{"cells": 3}', "\x00"])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, text):
    path = tmp_path / "foreign.ipynb"
    path.write_text(text)

    with pytest.raises(PageError, match=r"foreign\.ipynb is not a notebook"):
        find_page(str(path))


def test_parameters_are_read_with_type_default_and_help(page):
    read = {one.name: (one.types, one.default, one.help) for one in page.parameters}

    assert read == {
        "capture": (("str",), "", "a capture, or none"),
        "fail": (("str",), "FAIL", "FAIL or PASS"),
        "count": (("int",), 3, "how many"),
        "share": (("float",), 0.5, ""),
        "deep": (("bool",), False, ""),
        "limit": (("float", "None"), None, ""),
    }


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("capture", "20", "20"),
        ("count", "7", 7),
        ("count", -7, -7),
        ("count", 7.0, 7),
        ("share", "1e-3", 0.001),
        ("share", 2, 2.0),
        ("deep", "TRUE", True),
        ("deep", "no", False),
        ("deep", True, True),
        ("limit", "2.5", 2.5),
        ("limit", "None", None),
        ("limit", None, None),
    ],
)
def test_a_value_becomes_the_declared_type(page, name, given, value):
    got = checked(page, {name: given})

    assert got == {name: value}
    assert type(got[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "needed"),
    [
        ("capture", 20, "text"),
        ("count", "7.5", "a whole number"),
        ("count", 7.5, "a whole number"),
        ("count", "seven", "a whole number"),
        ("count", True, "a whole number"),
        ("count", float("inf"), "a whole number"),
        ("count", None, "a whole number"),
        ("share", "nan", "a finite number"),
        ("share", "inf", "a finite number"),
        ("share", "", "a finite number"),
        ("deep", "maybe", "true or false"),
        ("deep", 2, "true or false"),
        ("limit", "none", "a finite number or None"),
    ],
)
def test_a_wrong_value_is_refused_by_name_with_what_is_allowed(page, name, given, needed):
    with pytest.raises(PageError) as refused:
        checked(page, {name: given})

    assert f"{name} is {given!r}; it must be {needed}" in str(refused.value)
    assert isinstance(refused.value, UserError)


def test_an_unknown_parameter_is_refused_with_those_there_are(page):
    with pytest.raises(PageError) as refused:
        checked(page, {"captrue": "x"})

    assert "good has no parameter 'captrue' (did you mean capture?)" in str(refused.value)
    assert "count: int" in str(refused.value)
    assert "limit: float | None" in str(refused.value)
