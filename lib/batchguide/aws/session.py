"""The only way to AWS: a session that can read what the collector asks for, and nothing else.

The guard hangs on botocore's first event of a call, so that an operation that is not on the list is
refused before its request is built, let alone sent or presigned, whoever makes the client. Getting
credentials (a role, a login) needs calls that IAM counts as writes; they run on a session of their
own that can make those alone, and nobody is handed it.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session

from batchguide.aws.wanted import OPERATIONS
from batchguide.errors import UserError

Operations = Collection[tuple[str, str]]

# What the chains of credentials call: they hand the caller its own keys and change nothing.
_CREDENTIAL_EXCHANGES: Operations = frozenset(
    {
        ("sts", "AssumeRole"),
        ("sts", "AssumeRoleWithWebIdentity"),
        ("sso", "GetRoleCredentials"),
        ("sso-oidc", "CreateToken"),
        ("signin", "CreateOAuth2Token"),
    }
)
_GUARDED_EVENTS = ("provide-client-params", "before-call")  # the first, and the last unsigned
# The last is botocore's for credentials that are over as soon as given: a clock is wrong.
_NO_CREDENTIALS = (
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,
    RuntimeError,
)
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
MAX_ATTEMPTS = 5
MAX_CONNECTIONS = 16


class NotARead(PermissionError):  # noqa: N818  it reads as a sentence
    """An operation that a reading session refused to send."""


@dataclass(frozen=True)
class Session:
    """Clients for one account and region that can read only."""

    botocore_session: botocore.session.Session
    region: str
    endpoint_url: str | None
    config: botocore.config.Config
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def client(self, service: str) -> Any:
        """A botocore client; any other client of `botocore_session` has the same guard."""
        if service not in self._clients:
            self._clients[service] = self.botocore_session.create_client(
                service, region_name=self.region, endpoint_url=self.endpoint_url, config=self.config
            )
        return self._clients[service]

    def check_credentials(self) -> None:
        """Fetch what a role or a login gives, or say why it gives nothing."""
        try:
            self.botocore_session.get_credentials().get_frozen_credentials()
        except _NO_CREDENTIALS as error:
            raise UserError(
                f"cannot get AWS credentials ({error}); sign in again, or check that the role "
                "exists, trusts you, and that you may sts:AssumeRole it"
            ) from error

    def endpoint_kind(self) -> str:
        """`aws`, or `custom` when something else than AWS's own endpoints is asked."""
        host = urlsplit(self.client("sts").meta.endpoint_url).hostname or ""
        is_aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
        return "aws" if is_aws else "custom"


def make_session(
    profile: str | None = None,
    region: str | None = None,
    role: str | None = None,
    endpoint_url: str | None = None,
    *,
    max_attempts: int = MAX_ATTEMPTS,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Session:
    """A reading session, or a `UserError` that says what the surroundings lack. Asks AWS nothing.

    Credentials, region and AWS_ENDPOINT_URL are found as the AWS CLI finds them.
    """
    config = botocore.config.Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        max_pool_connections=MAX_CONNECTIONS,
        user_agent_extra="batchguide",
    )
    try:
        return _session(profile or None, region or None, role or None, endpoint_url or None, config)
    except botocore.exceptions.ProfileNotFound as error:
        raise UserError(
            f"there is no AWS profile {profile!r}; `aws configure list-profiles` names those "
            "there are"
        ) from error
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"cannot start an AWS session: {error}") from error


def _session(
    profile: str | None,
    region: str | None,
    role: str | None,
    endpoint_url: str | None,
    config: botocore.config.Config,
) -> Session:
    lender = _guarded(botocore.session.Session(profile=profile), _CREDENTIAL_EXCHANGES)
    # botocore alone of AWS's tools does not look at AWS_REGION.
    region = region or os.environ.get("AWS_REGION") or lender.get_config_variable("region")
    if not region:
        raise UserError("no AWS Region; give --region (as eu-west-1), or set AWS_REGION")
    lender.set_config_variable("region", region)
    credentials = lender.get_credentials()
    if credentials is None:
        raise UserError(
            "no AWS credentials; give --profile, sign in with `aws sso login` or `aws login`, "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if role:
        client = _client_creator(lender, region, endpoint_url, config)
        credentials = _assumed(role, credentials, client)
    reader = _guarded(botocore.session.Session(profile=profile), OPERATIONS)
    reader.register_component("credential_provider", _Lent(credentials))
    session = Session(reader, region, endpoint_url, config)
    session.client("sts")  # a region or endpoint that can't be one is refused here
    return session


def _guarded(session: botocore.session.Session, allowed: Operations) -> botocore.session.Session:
    def guard(model: Any, **_: Any) -> None:
        service, operation = model.service_model.service_name, model.name
        if (service, operation) not in allowed:
            raise NotARead(
                f"batchguide reads only: it refused to send {service}:{operation} to AWS"
            )

    for event in _GUARDED_EVENTS:
        session.register(event, guard, unique_id=f"batchguide-guard-{event}")
    return session


def _client_creator(
    session: botocore.session.Session,
    region: str,
    endpoint_url: str | None,
    config: botocore.config.Config,
) -> Callable[..., Any]:
    def create(service: str, **options: Any) -> Any:
        settings = {"region_name": region, "endpoint_url": endpoint_url, "config": config}
        return session.create_client(service, **{**settings, **options})

    return create


def _assumed(role: str, source: Any, client_creator: Callable[..., Any]) -> Any:
    """Credentials of a role, fetched when first needed and again before they expire."""
    if not role.startswith("arn:"):
        raise UserError(f"--role wants the ARN of a role (arn:aws:iam::…:role/NAME), not {role!r}")
    fetcher = botocore.credentials.AssumeRoleCredentialFetcher(
        client_creator, source, role, extra_args={"RoleSessionName": "batchguide"}
    )
    return botocore.credentials.DeferredRefreshableCredentials(
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )


class _Lent:
    """Hands one session's credentials to another, refreshing ones included."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Any:
        return self._credentials
