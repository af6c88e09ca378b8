"""A fake AWS on loopback: moto's server, corrected in front where it answers unlike AWS.

    with FakeAws() as fake: botocore clients with endpoint_url=fake.url

or, in a process of its own: `python tests/fakeaws.py --account disk-full`.

What moto answers wrongly or not at all is answered by `accounts.overrides`, the one place for that.
Answers longer than a page are split into pages for every operation that AWS pages. Faults can be
laid on any operation. moto keeps its state per process, so one fake at a time.
"""

import argparse
import io
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar
from unittest.mock import patch

import botocore.parsers
import botocore.session
import moto.backends
import moto.core.utils
from moto.core.config import default_user_config
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import (
    BackendRequest,
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.serving import make_server

sys.path.insert(0, str(Path(__file__).parent))  # so that it runs as a program as well

from accounts.world import ACCOUNT, REGION, World

default_user_config["batch"] = {"use_docker": False}
PAGE_SIZE = 100
_SIGNED_AS = {"monitoring": "cloudwatch", "servicequotas": "service-quotas"}
Key = tuple[str, str]


class AwsError(ServiceException):
    """An error answer with a code, as any service sends it."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class _RawAnswer(Exception):  # noqa: N818
    """What moto sent, handed on as it is (its own errors)."""

    def __init__(self, answer: "Answer") -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True)
class Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Asked:
    """One request, understood."""

    service: str
    operation: OperationModel
    protocol: str
    params: dict[str, Any]
    region: str
    environ: dict[str, Any]
    body: bytes

    @property
    def key(self) -> Key:
        return self.service, self.operation.name


# --- faults ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """The caller may not."""


@dataclass(frozen=True)
class Throttled:
    """Slower: for ever, or the first few times."""

    times: int | None = None


@dataclass(frozen=True)
class TimedOut:
    """No answer until the client has given up."""

    wait_s: float = 2.0


@dataclass(frozen=True)
class Cut:
    """One half of the answer comes, and then the connection is dropped.

    With `after_pages` that many pages come whole, if the answer is long enough to have so many.
    """

    after_pages: int = 0


@dataclass(frozen=True)
class Garbage:
    """An answer that is none: a proxy's page, with status 200."""

    body: bytes = b"<html><body><h1>It works!</h1></body></html>"


@dataclass(frozen=True)
class Empty:
    """An answer with nothing in it."""


Fault = Refused | Throttled | TimedOut | Cut | Garbage | Empty


def _refusal(asked: Asked) -> AwsError:
    service = "servicequotas" if asked.service == "service-quotas" else asked.service
    action = f"{service}:{asked.operation.name}"
    caller = "arn:aws:sts::123456789012:assumed-role/reader/batchguide"
    if asked.service == "ec2":
        sealed = "Encoded authorization failure message: kHbC0vTXPl2JQb0vM1mOtZ"
        message = f"You are not authorized to perform this operation. {sealed}"
        return AwsError("UnauthorizedOperation", message)
    code = "AccessDenied" if asked.service in ("autoscaling", "sts") else "AccessDeniedException"
    return AwsError(code, f"User: {caller} is not authorized to perform: {action} on resource: *")


def _throttling(asked: Asked) -> AwsError:
    codes = {"ec2": "RequestLimitExceeded", "autoscaling": "Throttling", "sts": "Throttling"}
    return AwsError(codes.get(asked.service, "ThrottlingException"), "Rate exceeded")


# --- the server --------------------------------------------------------------------------------

Original = Callable[[], dict[str, Any]]
Override = Callable[["Context"], dict[str, Any]]
OVERRIDES: dict[Key, Override] = {}


@dataclass(frozen=True)
class Context:
    """What an override is given: the question, the account, and moto's own answer on demand."""

    params: dict[str, Any]
    world: World
    region: str
    original: Original


def override(service: str, operation: str) -> Callable[[Override], Override]:
    """Answer an operation here instead of in moto."""

    def register(function: Override) -> Override:
        OVERRIDES[service, operation] = function
        return function

    return register


@lru_cache
def _paginator(service: str) -> dict[str, Any]:
    loader = botocore.session.get_session().get_component("data_loader")
    found: dict[str, Any] = loader.load_service_model(service, "paginators-1")["pagination"]
    return found


class App:
    """WSGI: faults, then overrides, then moto; pages cut from what they answer."""

    def __init__(self, world: World, faults: Mapping[Key, Fault], page_size: int) -> None:
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.world, self.faults, self.page_size = world, dict(faults), page_size
        self.log: list[tuple[str, str, dict[str, Any]]] = []
        self._more: dict[str, dict[str, Any]] = {}
        self.throttled: Counter[Key] = Counter()

    def __call__(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        asked = _understand(environ, body)
        answer = self._moto(environ, body) if asked is None else self._answer(asked)
        start(answer.status, answer.headers)
        return [answer.body]

    def _answer(self, asked: Asked) -> Answer:
        self.log.append((*asked.key, asked.params))
        fault = self.faults.get(asked.key)
        if isinstance(fault, TimedOut):
            time.sleep(fault.wait_s)
            return Answer("504 Gateway Timeout", [], b"")
        if isinstance(fault, Garbage):
            return _whole("200 OK", [("Content-Type", "text/html")], fault.body)
        try:
            result: Any = self._result(asked, fault)
        except _RawAnswer as raw:
            return raw.answer
        except ServiceException as error:
            result = error
        answer = _serialized(asked, result)
        if isinstance(fault, Cut) and self._pages_served(asked) >= fault.after_pages:
            return _halved(answer)
        return answer

    def _pages_served(self, asked: Asked) -> int:
        token = self._token_of(asked)
        return 0 if token is None else self._more[token]["page"]

    def _result(self, asked: Asked, fault: Fault | None) -> dict[str, Any]:
        if isinstance(fault, Refused):
            raise _refusal(asked)
        if isinstance(fault, Throttled):
            self.throttled[asked.key] += 1
            if fault.times is None or self.throttled[asked.key] <= fault.times:
                raise _throttling(asked)
        token = self._token_of(asked)
        if token in self._more:
            return self._page(asked, self._more[token]["rest"], fault)
        return self._page(asked, self._full(asked), fault)

    def _full(self, asked: Asked) -> dict[str, Any]:
        def original() -> dict[str, Any]:
            return _parsed(asked, self._moto(asked.environ, asked.body))

        function = OVERRIDES.get(asked.key)
        if function is None:
            return original()
        return function(Context(asked.params, self.world, asked.region, original))

    def _token_of(self, asked: Asked) -> str | None:
        rule = _paginator(asked.service).get(asked.operation.name) if asked.service != "sts" else {}
        token = (rule or {}).get("input_token")
        return asked.params.get(token) if isinstance(token, str) else None

    def _page(self, asked: Asked, result: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        """The first page of a long answer; the rest waits under its token."""
        if isinstance(fault, Empty):
            return _emptied(asked, result)
        rule = _paginator(asked.service).get(asked.operation.name) if asked.service != "sts" else {}
        keys = (rule or {}).get("result_key")
        key = keys[0] if isinstance(keys, list) else keys
        items = result.get(key) if key else None
        if not rule or not isinstance(items, list) or result.get(rule["output_token"]):
            return result
        size = min(int(asked.params.get(rule.get("limit_key")) or PAGE_SIZE), self.page_size)
        if asked.operation.name == "GetMetricData":  # its limit counts datapoints
            size = self.page_size
        if isinstance(fault, Cut) and fault.after_pages:
            size = 1
        if len(items) <= size:
            return result
        token = f"{asked.operation.name}-{len(self._more) + 1}"
        rest = {**result, key: items[size:]}
        self._more[token] = {"rest": rest, "page": 1 + self._pages_served(asked)}
        return {**result, key: items[:size], rule["output_token"]: token}

    def _moto(self, environ: dict[str, Any], body: bytes) -> Answer:
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            started.extend((status, headers))

        chunks = self.moto({**environ, "wsgi.input": io.BytesIO(body)}, start)
        return Answer(started[0], started[1], b"".join(chunks))


def _understand(environ: dict[str, Any], body: bytes) -> Asked | None:
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if "Credential=" not in authorization:
        return None
    scope = authorization.split("Credential=")[1].split(",")[0].split("/")
    region, signed_as = scope[-3], scope[-2]
    service = _SIGNED_AS.get(signed_as, signed_as)
    request = BackendRequest({**environ, "wsgi.input": io.BytesIO(body)})
    try:
        operation, url_params = get_service_router(service).match(request)
    except (NotFound, MethodNotAllowed):
        return None
    protocol = determine_request_protocol(get_service_model(service), request.content_type)
    parser = PROTOCOL_PARSERS[protocol](operation, map_type=dict)
    params = parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": body,
            "url_path": request.path,
            "url_params": url_params,
        }
    )
    return Asked(service, operation, protocol, params or {}, region, environ, body)


def _whole(status: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
    return Answer(status, [*headers, ("Content-Length", str(len(body)))], body)


def _halved(answer: Answer) -> Answer:
    """Announce the whole body and send one half: the connection breaks in the middle."""
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def _serialized(asked: Asked, result: Any) -> Answer:
    model = get_service_model(asked.service)
    serializer = get_serializer_class(model.service_name, asked.protocol)(asked.operation)
    raw = serializer.serialize(result)
    body = raw["body"].encode() if isinstance(raw["body"], str) else raw["body"]
    headers = [(k, str(v)) for k, v in raw["headers"].items() if k.lower() != "content-length"]
    return _whole(f"{raw['status_code']} Answered", headers, body)


def _parsed(asked: Asked, answer: Answer) -> dict[str, Any]:
    status = int(answer.status.split()[0])
    if status >= 300:
        raise _RawAnswer(answer)
    headers = {name.lower(): value for name, value in answer.headers}
    parser = botocore.parsers.create_parser(asked.protocol)
    shape = _client_model(asked.service).operation_model(asked.operation.name).output_shape
    parsed: dict[str, Any] = parser.parse(
        {"body": answer.body, "headers": headers, "status_code": status}, shape
    )
    parsed.pop("ResponseMetadata", None)
    return parsed


@lru_cache
def _client_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _emptied(asked: Asked, result: dict[str, Any]) -> dict[str, Any]:
    """The same answer with every list in it empty, every map too."""
    blank: dict[type, Any] = {list: [], dict: {}, str: ""}
    return {key: blank.get(type(value), value) for key, value in result.items()}


@dataclass
class FakeAws:
    """The fake on a port of 127.0.0.1, in a thread; `log` holds every question that reached it."""

    now: datetime = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
    faults: Mapping[Key, Fault] = field(default_factory=dict)
    page_size: int = PAGE_SIZE
    port: int = 0
    seed: int = 20261121
    running: ClassVar[bool] = False

    def __post_init__(self) -> None:
        import accounts.overrides  # noqa: F401  it fills OVERRIDES

        if FakeAws.running:
            raise RuntimeError("moto holds one world per process: one FakeAws at a time")
        _wake_moto()  # else its first use in a process draws random numbers that later ones don't
        moto_api_backend.reset()
        mock_random.seed(self.seed)
        _wake_moto()
        self.world = World(self.now)
        self.app = App(self.world, self.faults, self.page_size)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[tuple[str, str, dict[str, Any]]]:
        return self.app.log

    def __enter__(self) -> "FakeAws":
        FakeAws.running = True
        self._clock = _moto_clock(self.world)
        self._server = make_server(
            "127.0.0.1", self.port, self.app, threaded=True, request_handler=_Handler
        )
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._clock()
        FakeAws.running = False

    @contextmanager
    def faulty(self, faults: Mapping[Key, Fault]) -> Iterator[None]:
        """Lay faults on operations for a while."""
        before, self.app.faults = self.app.faults, dict(faults)
        self.app.throttled.clear()
        try:
            yield
        finally:
            self.app.faults = before

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Let the surroundings be those of a user of this account, and of no other."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with patch.dict(os.environ, mine | user_environment(self.url), clear=True):
            yield

    def client(self, service: str) -> Any:
        """A client that may do everything, as the owner of the account."""
        return owner(self.url).create_client(service, endpoint_url=self.url)


class _Handler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Requests are in `FakeAws.log`."""


def user_environment(url: str) -> dict[str, str]:
    """What a user of the fake sets."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAFAKEFAKEFAKEFAKE",
        "AWS_SECRET_ACCESS_KEY": "fake",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def owner(url: str) -> botocore.session.Session:
    """A session of the account's owner, whatever the environment says."""
    session = botocore.session.Session()
    session.set_credentials("AKIAFAKEFAKEFAKEFAKE", "fake")
    session.set_config_variable("region", "us-east-1")
    return session


def _wake_moto() -> None:
    """Let moto load every service that an account is built with."""
    for service in ("ec2", "iam", "batch", "ecs", "ecr", "autoscaling", "events", "logs", "sqs"):
        backends = moto.backends.get_backend(service)[ACCOUNT]
        _ = backends["aws" if service == "iam" else REGION]


def _moto_clock(world: World) -> Callable[[], None]:
    """Let moto's clock show the world's time; returns what puts it back."""
    real = moto.core.utils.datetime

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return world.clock.astimezone(tz) if tz else world.clock.replace(tzinfo=None)

        @classmethod
        def utcnow(cls) -> datetime:
            return world.clock.replace(tzinfo=None)

    class Module:
        datetime = Clock

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    moto.core.utils.datetime = Module()

    def restore() -> None:
        moto.core.utils.datetime = real

    return restore


def main() -> None:
    from accounts.make_captures import ACCOUNTS

    parser = argparse.ArgumentParser(description="A fake AWS account on 127.0.0.1.")
    parser.add_argument("--account", choices=sorted(ACCOUNTS), required=True)
    parser.add_argument("--port", type=int, default=5556)
    arguments = parser.parse_args()
    with FakeAws(port=arguments.port, now=datetime.now(UTC).replace(microsecond=0)) as fake:
        ACCOUNTS[arguments.account](fake)
        for name, value in user_environment(fake.url).items():
            print(f"export {name}={value}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    import fakeaws

    fakeaws.main()
