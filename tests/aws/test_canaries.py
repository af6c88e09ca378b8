"""Secrets planted in an account reach no file and no line that batchguide writes."""

import base64
import gzip
import json
import re
from pathlib import Path

import pytest

from accounts import healthy
from batchguide.cli import main
from fakeaws import Answer, App, FakeAws, Garbage

# Where → what is planted there. None looks like another, and none is a word of an account.
CANARIES = {
    "variable": "kestrel-7Qd2",
    "variable of a job": "merlin-9Xw4",
    "parameter": "osprey-3Lp8",
    "parameter of a job": "harrier-6Tz1",
    "option of a command": "goshawk-5Vn7",
    "address in a command": "buzzard-2Rk9",
    "tag of a definition": "hobby-8Jm3",
    "tag of an environment": "kite-4Hs6",
    "tag of a queue": "falcon-1Yc5",
    "user data": "eagle-7Gb2",
    "user data in a part": "condor-9Df4",
    "header of a target": "petrel-3Wq8",
    "broken answer": "shrike-6Nv1",
}
TAG = "db-password"


def plant(fake: FakeAws) -> None:
    """Put each where people put them, as its owner would."""
    batch, ec2, events = fake.client("batch"), fake.client("ec2"), fake.client("events")
    environment = batch.describe_compute_environments()["computeEnvironments"][0]
    queue = batch.describe_job_queues()["jobQueues"][0]
    definition = batch.register_job_definition(
        jobDefinitionName="careless",
        type="container",
        parameters={"key": CANARIES["parameter"]},
        tags={TAG: CANARIES["tag of a definition"]},
        containerProperties={
            "image": "busybox",
            "command": [
                *("run", "--password", CANARIES["option of a command"]),
                f"https://me:{CANARIES['address in a command']}@example.com/in",
            ],
            "environment": [{"name": "STAGE", "value": CANARIES["variable"]}],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "512"},
            ],
        },
    )["jobDefinitionArn"]
    batch.submit_job(
        jobName="careless",
        jobQueue=queue["jobQueueArn"],
        jobDefinition=definition,
        parameters={"key": CANARIES["parameter of a job"]},
        containerOverrides={
            "environment": [{"name": "MODE", "value": CANARIES["variable of a job"]}]
        },
    )
    batch.tag_resource(
        resourceArn=environment["computeEnvironmentArn"],
        tags={TAG: CANARIES["tag of an environment"]},
    )
    batch.tag_resource(resourceArn=queue["jobQueueArn"], tags={TAG: CANARIES["tag of a queue"]})
    template = environment["computeResources"]["launchTemplate"]["launchTemplateId"]
    ec2.create_launch_template_version(
        LaunchTemplateId=template, LaunchTemplateData={"UserData": user_data()}
    )
    target = fake.world.arn("events", "destination/there/1")
    header = {"X-Api-Key": CANARIES["header of a target"]}
    events.put_targets(
        Rule="keep-batch-events",
        Targets=[{"Id": "web", "Arn": target, "HttpParameters": {"HeaderParameters": header}}],
    )


def user_data() -> str:
    part = f"#!/bin/bash\nexport DB_PASSWORD='{CANARIES['user data in a part']}'\n"
    folded = base64.b64encode(part.encode()).decode()
    text = (
        'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=="\n\n--==\n'
        "Content-Type: text/x-shellscript\n\n#!/bin/bash\n"
        f"docker login -u me -p {CANARIES['user data']} registry.example.com\n--==\n"
        "Content-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\n"
        f"{folded}\n--==--\n"
    )
    return base64.b64encode(gzip.compress(text.encode())).decode()


@pytest.fixture(scope="module")
def careless():
    """The account, and in `heard` all that it answered, byte by byte."""
    with FakeAws() as fake, fake.environment():
        healthy.build(fake, jobs_a_burst=3)
        plant(fake)
        fake.heard = []

        def answer(asked) -> Answer:
            given = App._answer(fake.app, asked)
            fake.heard.append(given.body)
            return given

        fake.app._answer = answer
        yield fake


def forms(data: bytes) -> list[bytes]:
    """The bytes, and what can be unpacked from all of them or from a string in them."""
    found, seen = [data], {data}
    for each in found:
        for inner in unpacked(each):
            if inner not in seen:
                seen.add(inner)
                found.append(inner)
    return found


def unpacked(data: bytes):
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    for word in re.findall(rb"[A-Za-z0-9+/]{16,}={0,2}", data):
        try:
            yield base64.b64decode(word, validate=True)
        except ValueError:
            continue


def canaries_in(*texts: bytes) -> set[str]:
    """Where what was found had been planted: plain, zipped, in base64, or both."""
    whole = b"\0".join(form for text in texts for form in forms(text))
    return {where for where, secret in CANARIES.items() if secret.encode() in whole}


def run(capfd, *words: str) -> tuple[int, bytes]:
    """A command's exit code, and all that it said."""
    code = main(list(words))
    said = capfd.readouterr()
    return code, (said.out + said.err).encode()


def test_no_secret_of_an_account_is_written_anywhere(careless, tmp_path: Path, capfd):
    path = str(tmp_path / "c.json.gz")
    said = [run(capfd, "collect", "-o", path)]
    said.append(run(capfd, "collect", "-o", str(tmp_path / "plain.json")))
    for more in (["--format", "json"], ["--all"]):
        said.append(run(capfd, "check", path, *more))
    out = str(tmp_path / "reports")
    page = "20-check-account-health"
    said.append(run(capfd, "report", page, "-p", f"capture={path}", "--out", out))

    heard = canaries_in(*careless.heard)
    written = [each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()]
    assert heard == set(CANARIES) - {"broken answer"}  # they were there to be found
    assert {code for code, _ in said} <= {0, 1, 2}
    assert {each.suffix for each in tmp_path.rglob("*")} >= {".gz", ".json", ".ipynb", ".html"}
    assert canaries_in(*written) == set()
    assert canaries_in(*(text for _, text in said)) == set()


def test_nor_in_what_is_said_of_an_answer_that_is_broken(careless, tmp_path: Path, capfd):
    secret = CANARIES["broken answer"]
    broken = {
        ("batch", "DescribeJobs"): Garbage(f"<p>password={secret}</p>".encode()),
        ("batch", "DescribeJobQueues"): Garbage(
            json.dumps({"jobQueues": [{"password": {"x": secret}, "jobQueueArn": 7}]}).encode()
        ),
        ("ec2", "DescribeVolumes"): Garbage(f"<a>api_key={secret}</a".encode()),
    }
    with careless.faulty(broken):
        code, said = run(capfd, "collect", "-o", str(tmp_path / "c.json"))

    assert code == 0
    assert "broken answer" in canaries_in(*careless.heard)
    assert canaries_in(said, (tmp_path / "c.json").read_bytes()) == set()


def test_nor_in_a_traceback(careless, tmp_path: Path, capfd, monkeypatch):
    monkeypatch.setenv("BATCHGUIDE_DEBUG", "1")
    monkeypatch.setattr("batchguide.aws.collect.save_capture", lambda *_: 1 / 0)

    code, said = run(capfd, "collect", "-o", str(tmp_path / "c.json"))

    assert code == 70
    assert b"Traceback" in said
    assert canaries_in(said) == set()
    assert list(tmp_path.iterdir()) == []
