"""The Vega bundle is made once a machine, and a cache that is bad or barred changes nothing."""

import pytest
import vl_convert

from batchguide.views import vega


@pytest.fixture
def made(monkeypatch, tmp_path):
    """The sources that vl-convert was asked to bundle, with a cache directory of our own."""
    asked = []

    def javascript_bundle(source, vl_version):
        asked.append(source)
        return f"// “{source}” with {vl_version}\r\nrun();\n"

    monkeypatch.setattr(vl_convert, "javascript_bundle", javascript_bundle)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    vega.vega_bundle.cache_clear()
    yield asked
    vega.vega_bundle.cache_clear()


def bundle_in_a_new_process(source=None):
    vega.vega_bundle.cache_clear()
    return vega.vega_bundle(source)


def test_a_bundle_is_made_once_and_read_back_to_the_byte(made):
    first = bundle_in_a_new_process("a")

    assert bundle_in_a_new_process("a") == first == "// “a” with 6.4\r\nrun();\n"
    assert made == ["a"]


def test_each_source_has_a_bundle_of_its_own(made):
    for source in (None, "None", "a", None, "None", "a"):
        assert f"“{source}”" in bundle_in_a_new_process(source)

    assert made == [None, "None", "a"]


def test_another_vl_convert_makes_its_own(made, monkeypatch):
    bundle_in_a_new_process("a")
    monkeypatch.setattr(vega, "version", lambda _: "999")

    bundle_in_a_new_process("a")

    assert made == ["a", "a"]


@pytest.mark.parametrize(
    "damaged",
    [lambda kept: b"", lambda kept: kept[:-3], lambda kept: b"run();", lambda kept: b"\xff\xfe"],
    ids=["empty", "cut short", "something else", "no text"],
)
def test_a_damaged_file_is_made_again(made, tmp_path, damaged):
    whole = bundle_in_a_new_process("a")
    (kept,) = tmp_path.glob("batchguide/vega-*.js")
    kept.write_bytes(damaged(kept.read_bytes()))

    assert bundle_in_a_new_process("a") == whole
    assert bundle_in_a_new_process("a") == whole
    assert made == ["a", "a"]


def test_where_nothing_can_be_kept_the_bundle_is_there_all_the_same(made, monkeypatch, tmp_path):
    barred = tmp_path / "a-file"
    barred.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(barred))

    assert bundle_in_a_new_process("a").endswith("run();\n")


def test_a_relative_cache_directory_and_a_missing_home_keep_nothing(made, monkeypatch, tmp_path):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(vega.Path, "home", homeless)

    assert bundle_in_a_new_process("a").endswith("run();\n")
    assert not list(tmp_path.iterdir())


def test_what_is_kept_is_readable_by_its_owner_alone(made, tmp_path):
    bundle_in_a_new_process("a")
    (kept,) = tmp_path.glob("batchguide/vega-*.js")

    assert kept.stat().st_mode & 0o077 == 0
    assert kept.parent.stat().st_mode & 0o077 == 0
