"""What went wrong with a call, in the capture's words."""

import re
from typing import Any

import botocore.exceptions
import botocore.parsers

from batchguide.capture import CallError
from batchguide.redaction import redact_text

# botocore hands a broken answer to its parsers, which stumble in these ways.
PARSER_STUMBLES = (
    botocore.parsers.ResponseParserError,
    AttributeError,
    KeyError,
    TypeError,
    ValueError,
)
CALL_FAILURES = (
    botocore.exceptions.ClientError,
    botocore.exceptions.BotoCoreError,
    *PARSER_STUMBLES,
)
# The credentials or the region are no good, whatever is asked.
BAD_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_REFUSED = BAD_CREDENTIALS | {
    "AccessDenied",
    "AccessDeniedException",
    "Blocked",
    "NotAuthorized",
    "UnauthorizedAccess",
    "UnauthorizedException",
    "UnauthorizedOperation",
}
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
_TIMEOUTS = (
    botocore.exceptions.ReadTimeoutError,
    botocore.exceptions.ConnectTimeoutError,
)
_NO_CONNECTION = (
    botocore.exceptions.ConnectionError,
    botocore.exceptions.HTTPClientError,
)
_NAMED_ACTION = re.compile(r"perform:\s+(?P<action>[a-z0-9-]+:[A-Za-z0-9]+)")
_CALLER = re.compile(r"\b(?:arn:aws[\w-]*:(?:iam|sts)::\S+)")
_ENCODED = re.compile(r"\s*Encoded authorization failure message:.*", re.DOTALL)
_LONGEST_MESSAGE = 500


class GarbageError(ValueError):
    """An answer that is not what the operation answers."""


def call_error(failure: Exception, permission: str) -> CallError:
    """The failure as the capture keeps it; `permission` is named unless AWS named another."""
    if isinstance(failure, botocore.exceptions.ClientError):
        return _of_answer(failure, permission)
    kind = _kind(failure)
    code = "Garbage" if isinstance(failure, PARSER_STUMBLES) else type(failure).__name__
    return CallError(code, _safe(str(failure)), permission, kind)


def _kind(failure: Exception) -> str:
    if isinstance(failure, _TIMEOUTS):
        return "timeout"
    if isinstance(failure, _NO_CONNECTION):
        return "unreachable"
    if isinstance(failure, PARSER_STUMBLES):
        return "garbage"
    return "other"


def _of_answer(failure: botocore.exceptions.ClientError, permission: str) -> CallError:
    described: dict[str, Any] = failure.response.get("Error") or {}
    code = str(described.get("Code") or "Unknown")
    message = str(described.get("Message") or "AWS gave no message")
    named = _NAMED_ACTION.search(message)
    action = named["action"] if named else permission
    return CallError(code, _safe(message), action, _kind_of_code(code, failure))


def _kind_of_code(code: str, failure: botocore.exceptions.ClientError) -> str:
    if code in _REFUSED:
        return "refused"
    if code in _THROTTLED:
        return "throttled"
    status = (failure.response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
    if status in (401, 403):
        return "refused"
    return "throttled" if status == 429 else "other"


def _safe(message: str) -> str:
    """Short, without the caller's name and AWS's sealed explanation."""
    text = _CALLER.sub("(caller)", _ENCODED.sub("", message))
    text = redact_text(text)
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"
