"""The command line as its users and other tools meet it: through a shell, by its exit codes."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batchguide.cli import main

NOTES = """\
name: the notes' example
job: {vcpus: 1, memory_mib: 8192, duration_s: {median: 270, p95: 290}, writes_mib: 20}
image: {size_gib: 1.6, compressed_gib: 0.55, layers: 8}
instance: {type: r5.24xlarge}
volume: {type: gp2, size_gib: 8, used_gib: 0}
agent: {profile: ecs-default}
fleet: {instances: 1, scale_out: never}
bursts: [{at_s: 0, jobs: 200}, {at_s: 150, jobs: 200}, {at_s: 300, jobs: 200}]
"""


def run(*words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "batchguide", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(NOTES)
    return path


@pytest.mark.parametrize(
    "command", ["collect", "policy", "check", "report", "estimate", "explain", "plan", "lab"]
)
def test_help_of_every_command_has_an_example(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])

    assert stopped.value.code == 0
    assert f"example: batchguide {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["chek"],
        ["check"],
        ["check", "demo:disk-full", "--fail-on", "sometimes"],
        ["check", "demo:disk-full", "--checks", "DISK-999"],
        ["check", "demo:disc-full"],
        ["check", "no/such/file.json"],
        ["check", "demo:disk-full", "--checks", ","],
        ["check", "demo:disk-full", "--severity", ""],
        ["collect", "--days", "99999999", "--out", "x.json"],
        ["collect", "--days", "\u00b2", "--out", "x.json"],
        ["estimate", "x.yaml", "--replications", "9" * 5000],
        ["estimate", "no/such/scenario.yaml"],
        ["estimate", "x.yaml", "--replications", "0"],
        ["estimate", "x.yaml", "--risk", "1.5"],
        ["report", "99-no-such-page"],
        ["report", "20-check-account-health", "-p", "captrue=demo:healthy"],
        ["report", "-p", "nonsense"],
        ["explain"],
        ["explain", "--text", " "],
        ["explain", "demo:disk-full"],
        ["explain", "demo:disk-full", "no-such-job"],
        ["check", "demo:disk-full", "--mute", "no/such/mutes.yaml"],
        ["plan", "smaller-volume", "--capture", "demo:disk-full", "--out", "x"],
    ],
)
def test_wrong_usage_is_one_sentence_and_64(words: list[str], tmp_path: Path):
    out = ["--out", str(tmp_path)] if words[:1] == ["report"] else []

    done = run(*words, *out)

    assert done.returncode == 64, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_check_answers_by_the_contract_and_its_exit_code():
    done = run("check", "demo:disk-full", "--format", "json")

    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["schema"] == 1
    assert document["summary"]["FAIL"] == sum(
        finding["status"] == "FAIL" for finding in document["findings"]
    )
    assert set(document["findings"][0]) == {
        "check", "status", "severity", "resource", "message", "evidence", "missing", "fingerprint",
    }  # fmt: skip


def test_the_healthy_account_is_healthy():
    done = run("check", "demo:healthy", "--format", "json")

    statuses = {finding["status"] for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0
    assert statuses <= {"PASS", "NOT_APPLICABLE"}


def test_a_capture_in_which_nothing_was_asked_is_unknown_not_healthy():
    empty = json.dumps({"schema": 1, "meta": {}, "calls": []})

    done = run("check", "-", "--format", "json", stdin=empty)

    document = json.loads(done.stdout)
    assert done.returncode == 2
    assert document["summary"]["PASS"] == 0
    assert all(finding["missing"] for finding in document["findings"])
    assert run("check", "-", "--allow-unknown", stdin=empty).returncode == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"schema": "one"}', b"\x1f\x8b broken", gzip.compress(b'{"schema": 1, ')],
    ids=["empty", "truncated", "foreign", "wrong schema", "broken gzip", "truncated in gzip"],
)
def test_a_file_that_is_no_capture_is_named(content: bytes, tmp_path: Path):
    path = tmp_path / "odd.json"
    path.write_bytes(content)

    done = run("check", str(path))

    assert done.returncode == 64
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_explain_answers_by_the_contract():
    text = "CannotPullContainerError: write /var/lib/docker/tmp/x: no space left on device"

    done = run("explain", "--text", "-", "--format", "json", stdin=text)

    document = json.loads(done.stdout)
    assert document["schema"] == 1
    assert document["causes"][0]["id"] == "disk-full"
    assert set(document["causes"][0]) == {
        "id", "confidence", "why", "evidence", "next", "runbook",
    }  # fmt: skip
    assert "disk-full" in run("explain", "--text", text).stdout.splitlines()[0]


def test_a_mute_hides_what_somebody_answers_for_and_is_counted(tmp_path: Path):
    mutes = tmp_path / "mutes.yaml"
    mutes.write_text(
        "- {check: '*', resource: '*', owner: pat, reason: a rehearsal, expires: 2999-01-01}\n"
    )

    done = run("check", "demo:disk-full", "--format", "json", "--mute", str(mutes))

    summary = json.loads(done.stdout)["summary"]
    assert done.returncode == 0
    assert summary["FAIL"] == 0
    assert summary["MUTED"] > 20


def test_estimate_answers_by_the_contract(scenario: Path):
    done = run("estimate", str(scenario), "--format", "json", "--timeline")

    document = json.loads(done.stdout)
    jobs = document["jobs"]
    assert done.returncode == 0
    assert jobs["submitted"] == 600 == jobs["succeeded"] + jobs["failed"]
    assert set(document["first_failure"]) >= {"at_s", "job", "instance", "component", "error"}
    assert "no space left on device" in document["first_failure"]["error"].lower()
    assert document["instances"][0]["peak_used_gib"] <= document["instances"][0]["capacity_gib"]
    assert document["instances"][0]["timeline"]["at_s"]


def test_estimate_fails_on_failure_only_when_asked(scenario: Path):
    assert run("estimate", str(scenario), "--fail-on-failure").returncode == 1
    assert run("estimate", "-", stdin="bursts: [{at_s: 0, jobs: 3}]\n").returncode == 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("bursts: [{at_s: 0, jobs: 1}]\nvolume: {size_gib: -1}\n", "volume.size_gib"),
        ("bursts: [{at_s: 0, jobs: 1}]\ninstance: {type: r5.24xlrge}\n", "r5.24xlarge"),
        ("bursts: [{at_s: 0, jobs: 1}]\nvolumes: {size_gib: 1}\n", "volumes"),
        ("job: {vcpus: 1}\n", "bursts"),
        ("bursts: [{at_s: .nan, jobs: 1}]\n", "at_s"),
    ],
)
def test_a_wrong_scenario_is_refused_by_name(text: str, named: str):
    done = run("estimate", "-", stdin=text)

    assert done.returncode == 64
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, ["--region", "us-east-1"]),
        ({}, ["--profile", "no-such-profile", "--region", "us-east-1"]),
        ({"AWS_EC2_METADATA_DISABLED": "true"}, ["--region", "us-east-1"]),
        ({}, ["--region", "mars-north-1"]),
    ],
    ids=["endpoint that does not answer", "no profile", "no credentials", "no such region"],
)
def test_an_account_that_cannot_be_asked_is_one_sentence(
    environment: dict[str, str], words: list[str], tmp_path: Path
):
    nobody = {name: "" for name in os.environ if name.startswith("AWS_")}
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    known = {} if "AWS_EC2_METADATA_DISABLED" in environment else keys
    home = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "none")}

    done = run(
        "collect", *words, "-o", str(tmp_path / "c.json"), **nobody, **known, **home, **environment
    )

    assert done.returncode == 64, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "c.json").exists()


def test_an_error_of_our_own_is_70_and_says_how_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("BATCHGUIDE_DEBUG", raising=False)
    monkeypatch.setattr("batchguide.findings.check_document", lambda *_: 1 / 0)

    code = main(["check", "demo:healthy", "--format", "json"])

    assert code == 70
    assert "BATCHGUIDE_DEBUG=1" in capsys.readouterr().err


def test_a_hostile_reason_cannot_write_to_the_terminal(tmp_path: Path):
    path = tmp_path / "capture.json"
    hostile = "x\x1b[2J\u202etxt.exe"
    reply = {
        "computeEnvironments": [
            {"computeEnvironmentName": hostile, "status": "INVALID", "statusReason": hostile}
        ]
    }
    call = {"service": "batch", "operation": "DescribeComputeEnvironments", "params": {}}
    meta = {"account": hostile, "region": "r"}
    path.write_text(json.dumps({"schema": 1, "meta": meta, "calls": [{**call, "pages": [reply]}]}))

    done = run("check", str(path))

    assert "\x1b" not in done.stdout + done.stderr
    assert "\u202e" not in done.stdout
    assert "CE-001" in done.stdout


@pytest.mark.parametrize("words", [["check", "-"], ["estimate", "-"], ["explain", "--text", "-"]])
def test_standard_input_that_is_closed_is_named(words: list[str]):
    said = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "batchguide", *words],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert (said.returncode, said.stdout) == (64, "")
    assert said.stderr == "batchguide: - means standard input, which is closed\n"


def test_standard_output_that_is_closed_leaves_the_verdict():
    said = subprocess.run(
        ["sh", "-c", 'exec "$0" -m batchguide check demo:disk-full >&-', sys.executable],
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )

    assert (said.returncode, said.stderr) == (1, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_on_every_terminal(encoding: str, tmp_path: Path):
    meta = {"account": "é 名 \ud800 \U0001f600", "region": "eu-west-1"}
    capture = tmp_path / "odd.json"
    capture.write_text(json.dumps({"schema": 1, "meta": meta, "calls": []}))

    said = subprocess.run(
        [sys.executable, "-m", "batchguide", "check", str(capture), "--format", "json"],
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )

    assert said.returncode == 2, said.stderr
    assert json.loads(said.stdout.decode(encoding))["capture"] == meta


def test_a_report_whose_collection_fails_leaves_nothing(tmp_path: Path):
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}  # a closed port: no answer
    account = ["--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:9"]

    said = run("report", *account, "--out", str(tmp_path / "reports"), **keys)

    assert said.returncode == 64, said.stderr
    assert not any(tmp_path.iterdir())


def test_a_report_into_a_file_is_refused_before_collecting(tmp_path: Path):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    account = ["--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:9"]

    said = run("report", *account, "--out", str(taken / "reports"))

    assert said.returncode == 64
    assert "give --out a folder" in said.stderr.splitlines()[0]
