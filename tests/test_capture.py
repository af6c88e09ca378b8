"""A capture says what was answered, what failed and what was never asked; it loads or explains."""

import gzip
import io
import json

import pytest

from batchguide.capture import (
    Call,
    CallError,
    Capture,
    CaptureError,
    demo_names,
    load_capture,
    save_capture,
    to_dict,
)

REFUSED = CallError("AccessDeniedException", "may not", "batch:ListJobs", "refused")
META = {"account": "123456789012", "region": "eu-west-1"}
SOME = Capture(
    META,
    (
        Call("batch", "ListJobs", {"jobQueue": "a"}, ({"jobSummaryList": [1]},) * 2),
        Call("batch", "DescribeJobs", {}, ()),
        Call("batch", "ListJobs", {"jobQueue": "b"}, ({"jobSummaryList": [2]},), REFUSED),
    ),
)


@pytest.mark.parametrize("name", ["capture.json", "capture.json.gz", "<script>​é.json"])
def test_saved_is_loaded(tmp_path, name):
    save_capture(SOME, tmp_path / name)

    assert load_capture(str(tmp_path / name)) == SOME


def test_gzip_only_when_named_so_and_always_the_same_bytes(tmp_path, monkeypatch):
    for number, name in enumerate(("one.json.gz", "two.json.gz", "plain.json")):
        monkeypatch.setattr("time.time", lambda now=number: 1e9 + 100 * now)
        save_capture(SOME, tmp_path / name)

    one, two, plain = (
        (tmp_path / name).read_bytes() for name in ("one.json.gz", "two.json.gz", "plain.json")
    )
    assert one == two
    assert gzip.decompress(one) == plain
    assert json.loads(plain) == to_dict(SOME)


def test_gzip_is_known_by_its_bytes_not_by_its_name(tmp_path):
    save_capture(SOME, tmp_path / "capture.json.gz")
    (tmp_path / "renamed").write_bytes((tmp_path / "capture.json.gz").read_bytes())

    assert load_capture(str(tmp_path / "renamed")) == SOME


def test_standard_input(tmp_path, monkeypatch):
    save_capture(SOME, tmp_path / "c.json.gz")
    stdin = io.TextIOWrapper(io.BytesIO((tmp_path / "c.json.gz").read_bytes()))
    monkeypatch.setattr("sys.stdin", stdin)

    assert load_capture("-") == SOME


def test_what_is_held_of_an_operation():
    assert SOME.operations() == (("batch", "ListJobs"), ("batch", "DescribeJobs"))
    assert [call.params for call in SOME.calls_of("batch", "ListJobs")] == [
        {"jobQueue": "a"},
        {"jobQueue": "b"},
    ]
    assert list(SOME.items("batch", "ListJobs", "jobSummaryList")) == [1, 1, 2]
    assert SOME.calls_of("ec2", "DescribeVolumes") == ()


@pytest.mark.parametrize(
    ("operation", "complete", "kinds"),
    [
        ("ListJobs", False, ["refused"]),  # one of its calls
        ("DescribeJobs", True, []),  # nothing to ask is a whole answer
        ("DescribeJobQueues", False, ["not-asked"]),  # never asked is not
    ],
)
def test_complete_means_asked_and_answered_in_full(operation, complete, kinds):
    assert SOME.complete("batch", operation) is complete
    assert [error.kind for error in SOME.errors_of("batch", operation)] == kinds


def test_every_bundled_capture_loads():
    assert set(demo_names()) >= {"disk-full", "healthy"}
    for name in demo_names():
        assert load_capture(f"demo:{name}").meta["account"]


GOOD = to_dict(SOME)
PACKED = gzip.compress(json.dumps(GOOD).encode())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (json.dumps(GOOD).encode()[:-30], "truncated or damaged"),
        (PACKED[:-20], "truncated or damaged"),
        (PACKED[:40] + b"\0\0\0" + PACKED[43:], "truncated or damaged"),
        (b"PK\x03\x04 a zip", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        (b"[1, 2]", "not a capture"),
        (b'"text"', "not a capture"),
        (b'{"a": ' + b"[" * 200_000, "truncated or damaged"),
        (b'{"Reservations": []}', "no whole-number `schema`"),
        (b'{"schema": "1"}', "no whole-number `schema`"),
        (b'{"schema": true, "meta": {}, "calls": []}', "schema True"),
        (b'{"schema": 0, "meta": {}, "calls": []}', "schema 0"),
        (b'{"schema": 1, "calls": []}', "no `meta`"),
        (b'{"schema": 1, "meta": {}}', "no `calls`"),
        (b'{"schema": 1, "meta": {}, "calls": [3]}', "calls[0]"),
        (b'{"schema": 1, "meta": {}, "calls": [{"service": "ec2"}]}', "calls[0]"),
        (
            b'{"schema":1,"meta":{},"calls":[{"service":"a","operation":"B","pages":[[]]}]}',
            "calls[0]",
        ),
        (
            b'{"schema":1,"meta":{},"calls":[{"service":"a","operation":"B","error":"no"}]}',
            "calls[0]",
        ),
    ],
)
def test_what_is_no_capture_is_refused_by_name(tmp_path, content, says):
    path = tmp_path / "foreign.json"
    path.write_bytes(content)

    with pytest.raises(CaptureError) as refused:
        load_capture(str(path))

    message = str(refused.value)
    assert says in message
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.parametrize("source", ["no-such-file.json", "/", "a\0b", "demo:nope", "demo:../x"])
def test_what_cannot_be_read_is_refused_with_what_there_is(source):
    with pytest.raises(CaptureError) as refused:
        load_capture(source)

    assert "demo:disk-full" in str(refused.value)
    assert repr(source) in str(refused.value)


@pytest.mark.parametrize(
    "calls",
    [
        GOOD["calls"],
        [{"service": "batch", "operation": "ListJobs", "answers": {"v2": 1}}],
        [{}, 7],
        {"batch": {}},
        None,
    ],
)
def test_a_newer_schema_loads_and_vouches_for_nothing(tmp_path, calls):
    path = tmp_path / "newer.json"
    path.write_text(json.dumps({"schema": 2, "meta": META, "calls": calls, "more": 1}))

    capture = load_capture(str(path))

    assert capture.meta["schema_newer"] is True
    assert capture.meta["account"] == META["account"]
    assert not capture.complete("batch", "ListJobs")
    assert all(call.error and not call.pages for call in capture.calls)


def test_an_unknown_kind_of_error_is_an_other(tmp_path):
    path = tmp_path / "c.json"
    call = {"service": "a", "operation": "B", "params": {}, "pages": []}
    error = {"code": "X", "message": "m", "permission": None, "kind": "brand-new"}
    path.write_text(json.dumps({"schema": 1, "meta": {}, "calls": [{**call, "error": error}]}))

    assert load_capture(str(path)).calls[0].error == CallError("X", "m", None, "other")


def test_a_failed_save_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "c.json"
    save_capture(SOME, path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(CaptureError, match="No space left on device"):
        save_capture(Capture({}, ()), path)

    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["c.json"]


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CaptureError, match=r"no-such/c\.json"):
        save_capture(SOME, tmp_path / "no-such" / "c.json")


def test_a_capture_is_readable_by_its_owner_alone(tmp_path):
    save_capture(SOME, tmp_path / "c.json")

    assert (tmp_path / "c.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_does_not_know_is_refused(tmp_path, number):
    path = tmp_path / "capture.json"
    path.write_text(f'{{"schema": 1, "meta": {{"days": {number}}}, "calls": []}}')

    with pytest.raises(CaptureError, match="no finite number"):
        load_capture(str(path))
