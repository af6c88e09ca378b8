"""A session reads, whoever asks through it; and says in a sentence what the surroundings lack."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import botocore.session
import pytest
from policy_sentry.querying.actions import get_action_data

from batchguide.aws.session import NotARead, make_session
from batchguide.aws.wanted import OPERATIONS, WANTED
from batchguide.errors import UserError
from fakeaws import FakeAws, Refused, user_environment

SERVICES = sorted({service for service, _ in OPERATIONS})
SNEAKY = [
    ("ecr", "GetAuthorizationToken"),
    ("ec2", "GetPasswordData"),
    ("ec2", "GetConsoleOutput"),
    ("sts", "AssumeRole"),
    ("sts", "GetSessionToken"),
    ("sts", "GetFederationToken"),
    ("ssm", "GetParameter"),
    ("secretsmanager", "GetSecretValue"),
    ("iam", "GenerateCredentialReport"),
    ("iam", "GetAccountAuthorizationDetails"),
    ("lambda", "Invoke"),
    ("s3", "GetObject"),
    ("sqs", "ReceiveMessage"),
    ("logs", "StartQuery"),
]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No AWS settings but those of a fake user; the configuration is a file of the test."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in user_environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return monkeypatch


@pytest.fixture
def listener():
    """A server that counts requests and answers none."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(self.path)
            self.send_error(500)

        do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    server.seen = seen
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


def operations_of(service):
    return botocore.session.get_session().get_service_model(service).operation_names


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_that_is_not_wanted_is_refused_before_it_is_sent(service, listener):
    client = make_session(endpoint_url=listener.url).client(service)
    others = [name for name in operations_of(service) if (service, name) not in OPERATIONS]

    for name in others:
        with pytest.raises(NotARead, match=f"{service}:{name}"):
            client._make_api_call(name, {})

    assert others
    assert listener.seen == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_that_aws_counts_as_a_write_is_refused(service):
    prefix = {"service-quotas": "servicequotas"}.get(service, service)
    client = make_session().client(service)
    writes = 0

    for name in operations_of(service):
        known = get_action_data(prefix, name)
        levels = {row["access_level"] for row in known[prefix]} if known else {"unknown"}
        if not levels <= {"Read", "List"}:
            writes += 1
            with pytest.raises(NotARead):
                client._make_api_call(name, {})

    assert writes > 0


@pytest.mark.parametrize("row", WANTED, ids=lambda row: row.name)
def test_what_is_wanted_is_a_read_by_aws_own_account(row):
    prefix, name = row.permission.split(":")

    levels = {known["access_level"] for known in get_action_data(prefix, name)[prefix]}

    assert levels <= {"Read", "List"}


@pytest.mark.parametrize(("service", "operation"), SNEAKY)
def test_operations_that_sound_like_reads_are_refused(service, operation, listener):
    session = make_session(endpoint_url=listener.url)

    with pytest.raises(NotARead, match=f"{service}:{operation}"):
        session.client(service)._make_api_call(operation, {})

    assert listener.seen == []


def test_the_guard_holds_for_clients_made_by_others(listener):
    session = make_session(endpoint_url=listener.url)
    client = session.botocore_session.create_client("batch", region_name="eu-west-1")

    with pytest.raises(NotARead):
        client.submit_job(jobName="j", jobQueue="q", jobDefinition="d")
    with pytest.raises(NotARead):
        client.generate_presigned_url("submit_job", Params={"jobName": "j"})

    assert listener.seen == []


def test_the_guard_holds_in_every_thread(listener):
    client = make_session(endpoint_url=listener.url).client("ec2")

    def terminate(number):
        with pytest.raises(NotARead):
            client.terminate_instances(InstanceIds=[f"i-{number}"])
        return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(terminate, range(40))) == list(range(40))
    assert listener.seen == []


ROLE = "arn:aws:iam::210987654321:role/reader"


def test_a_role_is_assumed_and_the_guard_holds_after_it():
    with FakeAws(now=datetime.now(UTC)) as fake:
        session = make_session(role=ROLE, endpoint_url=fake.url)
        identity = session.client("sts").get_caller_identity()
        with pytest.raises(NotARead):
            session.client("batch").submit_job(jobName="j", jobQueue="q", jobDefinition="d")
        with pytest.raises(NotARead):
            session.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="again")

    assert identity["Account"] == "210987654321"
    assert [operation for _, operation, _ in fake.log] == ["AssumeRole", "GetCallerIdentity"]


def test_a_role_in_a_profile_is_assumed_as_well(environment, tmp_path):
    (tmp_path / "config").write_text(
        f"[profile p]\nrole_arn = {ROLE}\ncredential_source = Environment\nregion = us-east-1\n"
    )
    with FakeAws(now=datetime.now(UTC)) as fake:
        environment.setenv("AWS_ENDPOINT_URL", fake.url)
        session = make_session(profile="p")
        session.check_credentials()
        assert session.client("sts").get_caller_identity()["Account"] == "210987654321"


def test_a_role_that_may_not_be_assumed_is_said_in_a_sentence():
    with FakeAws(faults={("sts", "AssumeRole"): Refused()}) as fake:
        session = make_session(role=ROLE, endpoint_url=fake.url)
        with pytest.raises(UserError, match="check that the role exists") as refused:
            session.check_credentials()

    assert "\n" not in str(refused.value)


def test_a_clock_that_runs_ahead_is_no_internal_error():
    with FakeAws() as fake:  # its time is past, and so are the credentials it lends
        session = make_session(role=ROLE, endpoint_url=fake.url)
        with pytest.raises(UserError, match="still expired"):
            session.check_credentials()


def test_without_credentials(environment):
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(UserError, match="no AWS credentials; give --profile"):
        make_session()


def test_with_half_of_the_credentials(environment):
    environment.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(UserError, match="AWS_SECRET_ACCESS_KEY"):
        make_session()


def test_without_a_region(environment):
    environment.delenv("AWS_REGION")

    with pytest.raises(UserError, match="no AWS Region; give --region"):
        make_session()


@pytest.mark.parametrize(
    ("region", "profile_region", "given", "expected"),
    [
        (None, "sa-east-1", None, "sa-east-1"),
        ("eu-west-1", "sa-east-1", None, "eu-west-1"),
        ("eu-west-1", "sa-east-1", "us-west-2", "us-west-2"),
    ],
)
def test_which_region_wins(environment, tmp_path, region, profile_region, given, expected):
    (tmp_path / "config").write_text(f"[default]\nregion = {profile_region}\n")
    environment.delenv("AWS_REGION")
    if region:
        environment.setenv("AWS_REGION", region)

    assert make_session(region=given).region == expected


def test_a_profile_that_is_not_there():
    with pytest.raises(UserError, match="no AWS profile 'nope'"):
        make_session(profile="nope")


@pytest.mark.parametrize(
    "given",
    [{"region": "not a region!"}, {"endpoint_url": "not a url"}, {"role": "reader"}],
)
def test_what_cannot_be_a_region_an_endpoint_or_a_role(given):
    with pytest.raises(UserError) as refused:
        make_session(**given)

    assert next(iter(given.values())) in str(refused.value)


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        (None, "aws"),
        ("http://127.0.0.1:9", "custom"),
        ("https://amazonaws.com.example.org", "custom"),
        ("https://vpce-1.sts.eu-west-1.vpce.amazonaws.com", "aws"),
    ],
)
def test_the_kind_of_endpoint(environment, endpoint, kind):
    environment.delenv("AWS_ENDPOINT_URL")

    assert make_session(endpoint_url=endpoint).endpoint_kind() == kind
