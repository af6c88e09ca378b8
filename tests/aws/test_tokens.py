"""Tokens hide accounts and addresses, and nothing that a check reads."""

import json
import stat
from collections import Counter

import pytest

from batchguide.account import Account
from batchguide.aws.tokens import Tokens, save_map, tokens_from
from batchguide.capture import Call, CallError, Capture, load_capture, to_dict
from batchguide.checks import run_checks
from batchguide.cli import main
from batchguide.errors import UserError
from fakeaws import FakeAws

KEY = b"a key of sixteen bytes or more"
OWN, OTHER, AMAZON = "123456789012", "210987654321", "591542846629"


def tokens(key=KEY, kinds=("accounts", "ips")):
    return Tokens(key, kinds)


def one(text, **more):
    """A text as it stands in a capture of its own."""
    call = Call("batch", "DescribeJobs", {}, ({"jobs": [{"statusReason": text}]},))
    (after,) = tokens(**more).of(Capture({"account": OWN}, (call,))).calls
    return after.pages[0]["jobs"][0]["statusReason"]


def text_of(capture):
    return json.dumps(to_dict(capture))


@pytest.mark.parametrize("name", ["disk-full", "healthy"])
def test_checks_find_the_same_behind_tokens(name):
    plain = load_capture(f"demo:{name}")

    hidden = tokens().of(plain)

    assert found(hidden) == found(plain)
    assert OWN in text_of(plain)
    assert OWN not in text_of(hidden)
    assert hidden.meta["tokens_for"] == ["accounts", "ips"]


def found(capture):
    findings = run_checks(Account.from_capture(capture))
    return Counter((it.check, it.status, it.severity) for it in findings)


def test_a_value_has_one_token_wherever_and_whenever_it_is_met():
    first, second = tokens(), tokens()
    full, healthy = (
        first.of(load_capture("demo:disk-full")),
        second.of(load_capture("demo:healthy")),
    )

    token = full.meta["account"]
    assert token == healthy.meta["account"] == first.known[OWN]
    assert text_of(full).count(token) == text_of(load_capture("demo:disk-full")).count(OWN)


def test_another_key_gives_other_tokens():
    assert one(f"account {OWN}") != one(f"account {OWN}", key=b"another key, as long as it")


@pytest.mark.parametrize(
    "text",
    [
        f"arn:aws:batch:us-east-1:{OTHER}:job-queue/q",
        f"{OTHER}.dkr.ecr.us-east-1.amazonaws.com/train:17",
        f"s3://logs-2024-{OTHER}-eu",
        f"arn:aws:s3:::x and arn:aws:iam::{OTHER}:role/r, bucket{OTHER}x",
        f'{{"account": ["{OTHER}"]}}',
    ],
)
def test_an_account_is_hidden_and_the_form_stays(text):
    hidden = one(text)

    assert OTHER not in hidden
    assert len(hidden) == len(text)
    assert hidden.count(tokens()._account(OTHER)) == text.count(OTHER)


@pytest.mark.parametrize(
    "address", ["10.0.3.17", "54.239.28.85", "2600:1f18:1:2:3:4:5:6", "2600:1f18::7"]
)
def test_an_address_is_hidden_behind_another_of_its_kind(address):
    hidden = one(f"cannot reach {address}, retrying")

    assert address not in hidden
    assert hidden.startswith("cannot reach ")
    assert hidden.endswith(", retrying")


def test_a_host_has_the_token_of_its_address():
    name, address = one("ip-10-0-3-17.ec2.internal"), one("10.0.3.17")

    assert name == f"ip-{address.replace('.', '-')}.ec2.internal"


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "169.254.170.2", "0.0.0.0/0", "::1", "at 03:10:00", "2026-11-21T03:10:00Z",
        "1.106.1", "DockerVersion: 25.0.13", "999.1.1.1", "1794625800000", "2.0.20260611.1.2",
    ],
)  # fmt: skip
def test_what_only_looks_like_an_address_or_an_account_stays(text):
    assert one(text) == text


def test_accounts_of_amis_that_are_amazons_stay():
    image = {"OwnerId": AMAZON, "ImageOwnerAlias": "amazon"}
    capture = Capture({}, (Call("ec2", "DescribeImages", {}, ({"Images": [image]},)),))

    assert tokens().of(capture).calls == capture.calls


def test_params_keys_and_errors_are_hidden_too():
    error = CallError("AccessDenied", f"no, {OTHER} at 10.0.3.17", None, "refused")
    call = Call("ecr", "BatchGetImage", {"registryId": OTHER}, ({f"x-{OTHER}": 1},), error)

    hidden = text_of(tokens().of(Capture({"account": OWN}, (call,))))

    assert not any(secret in hidden for secret in (OWN, OTHER, "10.0.3.17"))


def test_only_what_is_asked_for_is_hidden():
    both = f"{OTHER} at 10.0.3.17"

    assert "10.0.3.17" in one(both, kinds=["accounts"])
    assert OTHER in one(both, kinds=["ips"])


def test_the_map_leads_back_and_is_its_owners_alone(tmp_path):
    made, path = tokens(), tmp_path / "map.json"
    hidden = made.of(load_capture("demo:healthy"))

    save_map(made, path)

    assert json.loads(path.read_text())[hidden.meta["account"]] == OWN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("kinds", "key", "says"),
    [
        ("accounts,names", b"k" * 32, "not names"),
        ("", b"k" * 32, "not nothing"),
        ("accounts", b"short", "5 bytes"),
        ("accounts", None, "cannot read the key"),
    ],
)
def test_what_is_missing_is_said(tmp_path, kinds, key, says):
    path = tmp_path / "key"
    if key:
        path.write_bytes(key)

    with pytest.raises(UserError, match=says):
        tokens_from(kinds, path)
    with pytest.raises(UserError, match="needs --redact-key"):
        tokens_from("accounts", None)


def test_the_command_hides_what_it_is_asked_to(tmp_path, capsys):
    (tmp_path / "key").write_bytes(KEY)
    key, out = ["--redact-key", str(tmp_path / "key")], tmp_path / "c.json"
    with FakeAws() as fake, fake.environment():
        assert main(["collect", "-o", str(out), "--redact", "accounts,ips", *key]) == 0
        assert {path.name for path in tmp_path.iterdir()} == {"key", "c.json"}
        mapped = ["--redact-map", str(tmp_path / "map")]
        assert main(["collect", "-o", str(out), "--redact", "accounts", *key, *mapped]) == 0

    token = load_capture(str(out)).meta["account"]
    assert token == tokens()._account(OWN)
    assert OWN not in out.read_text()
    assert json.loads((tmp_path / "map").read_text()) == {token: OWN}
    said = capsys.readouterr()
    assert OWN not in said.out + said.err


@pytest.mark.parametrize(
    "words", [["--redact", "accounts"], ["--redact", "names"], ["--redact-map", "m"]]
)
def test_the_command_refuses_before_it_asks_aws(words, monkeypatch, tmp_path):
    monkeypatch.setattr("batchguide.aws.collect.make_session", None)

    assert main(["collect", "-o", str(tmp_path / "c.json"), *words]) == 64
