"""Secrets are taken out of answers before anything is written; names and ARNs stay.

What goes, wherever it is nested: the values of environment variables, job parameters and HTTP
headers; values under a key that says it is a secret; command tokens and lines of user data that
look like credentials; private keys, access keys, bearer tokens and user:password@ in any text.
A false alarm costs a value nobody diagnoses with. A miss costs a secret, so doubts are redacted.
"""

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Callable
from email import message_from_string, policy
from email.message import Message
from itertools import pairwise
from typing import Any

REDACTED = "(redacted)"

# Batch sets these itself; they tie an ECS task to its job.
_BATCH_VARIABLE = re.compile(r"AWS_BATCH_[A-Z_]+\Z")
_BATCH_VALUE = re.compile(r"[\w:./#-]{0,256}\Z")

_SECRET_WORDS = (
    r"secret|token|passw(?:or)?d|passwd|passphrase|pwd|credential|auth|api[_-]?key|apikey|"
    r"access[_-]?key|private[_-]?key|signature|license[_-]?key|session[_-]?id|cookie"
)
_SECRET_NAME = re.compile(_SECRET_WORDS, re.IGNORECASE)
# AWS's own fields that only sound like secrets.
_NOT_SECRET = frozenset(
    {"HttpTokens", "secretName", "SecretName", "credentialsParameter", "authorizationConfig"}
)
_KEPT_VALUE = re.compile(r"(?:arn:[\w-]+:|\$[\w({])")  # an ARN, or a reference to a variable

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_HEADER = re.compile(
    r"(?P<name>(?:authorization|x-[\w-]*(?:token|key|auth)[\w-]*)[\"']?\s*[:=]\s*)"
    r"(?P<value>[^\r\n\"']+)",
    re.IGNORECASE,
)
_LOGIN_OPTION = re.compile(
    r"(?P<name>(?:\blogin\b[^\n]*?\s-p[ =]*|\b(?:mysql|mysqldump|mariadb|sshpass)\b[^\n]*?\s-p"
    r"|\b(?:curl|wget)\b[^\n]*?\s(?:-u|--user)[ =]*))(?P<value>[^\s;&|]+)"
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_USERINFO = re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s@\"']+@", re.IGNORECASE)
_KNOWN_TOKEN = re.compile(
    r"\b(?:(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|gh[pousr]_\w{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|sk-[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_SIGNED_URL = re.compile(
    r"([?&](?:X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId|sig)=)[^&\s\"']+",
    re.IGNORECASE,
)
_QUOTED_ASSIGNMENT = re.compile(
    rf"([\"'])([\w.-]*(?:{_SECRET_WORDS})[\w.-]*=)[^\"'\n$]+\1", re.IGNORECASE
)
# NAME=value, NAME: value, "name": "value", --name value, --name=value
_ASSIGNMENT = re.compile(
    rf"(?P<name>[\w.-]*(?:{_SECRET_WORDS})[\w.-]*[\"']?)"
    r"(?P<sep>\s*=\s*|\s*:\s+|\s*:(?=[\"'])|\s+(?=[^\s=:-]))"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s,;&|]+)",
    re.IGNORECASE,
)
_FLAG = re.compile(rf"-{{1,2}}[\w.-]*(?:{_SECRET_WORDS})[\w.-]*\Z|-[pP]\Z", re.IGNORECASE)
_NO_SECRET_TOKEN = re.compile(r"-|Ref::|/|[\d:.]*\Z")  # an option, a parameter, a path, a port
_RANDOM_LOOKING = re.compile(r"(?<![\w/+:.-])[A-Za-z0-9+/_-]{20,}={0,2}(?![\w/+.-])")
_SUSPECT = re.compile(
    rf"{_SECRET_WORDS}|PRIVATE KEY|bearer|basic |://[^/\s]*@|AKIA|ASIA|ABIA|ACCA|gh[pousr]_|"
    r"github_pat|glpat|xox|sk-|eyJ|[?&]sig|login|mysql|mariadb|curl|wget",
    re.IGNORECASE,
)


def redact(value: Any) -> Any:
    """An answer of AWS without its secrets, as a new value of the same shape."""
    return _walk(value, None)


def redact_text(text: str) -> str:
    """Any text with what is certainly a credential taken out."""
    if not _SUSPECT.search(text):
        return text
    text = _PRIVATE_KEY.sub(REDACTED, text)
    text = _HEADER.sub(_after_name, text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _USERINFO.sub(rf"\1{REDACTED}@", text)
    text = _SIGNED_URL.sub(rf"\1{REDACTED}", text)
    text = _KNOWN_TOKEN.sub(REDACTED, text)
    text = _QUOTED_ASSIGNMENT.sub(rf"\1\2{REDACTED}\1", text)
    text = _LOGIN_OPTION.sub(_after_name, text)
    return _ASSIGNMENT.sub(_assigned, text)


def _after_name(match: re.Match[str]) -> str:
    """Redact the value of a match, but for what only points to one."""
    return match[0] if _KEPT_VALUE.match(match["value"]) else f"{match['name']}{REDACTED}"


def _assigned(match: re.Match[str]) -> str:
    value = match["value"]
    if _KEPT_VALUE.match(value.strip("\"'")) or REDACTED in value or _is_prose(match):
        return match[0]
    return f"{match['name']}{match['sep']}{REDACTED}"


def _is_prose(match: re.Match[str]) -> bool:
    """ "token expired" and "registry auth: retrieval failed" name no value.

    `aws_secret_access_key VALUE`, `--token VALUE` and a line `password: VALUE` do.
    """
    is_word = match["name"].isalpha()
    if not match["sep"].strip():
        return is_word
    before = match.string[: match.start()].rpartition("\n")[2].rstrip()
    return is_word and match["sep"].strip() == ":" and before[-1:].isalnum()


def _walk(value: Any, key: str | None) -> Any:
    if isinstance(value, dict):
        return _walk_dict(value)
    if isinstance(value, list):
        return [_walk(item, key) for item in value]
    if not isinstance(value, str):
        return value
    if key is not None and _names_secret(key) and not _KEPT_VALUE.match(value):
        return REDACTED
    return redact_text(value)


def _walk_dict(fields: dict[str, Any]) -> dict[str, Any]:
    if _is_pair(fields):
        return _redact_pair(fields)
    return {
        key: _BY_FIELD[key](value) if key in _BY_FIELD else _walk(value, key)
        for key, value in fields.items()
    }


def _names_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and name not in _NOT_SECRET


def _is_pair(fields: dict[str, Any]) -> bool:
    """A tag or the like: {"Key": …, "Value": …} in either case."""
    return {key.lower() for key in fields} >= {"key", "value"}


def _redact_pair(fields: dict[str, Any]) -> dict[str, Any]:
    name = next(str(value) for key, value in fields.items() if key.lower() == "key")
    return {
        key: _tag_value(name, value) if key.lower() == "value" else _walk(value, None)
        for key, value in fields.items()
    }


def _tag_value(name: str, value: Any) -> Any:
    if isinstance(value, str) and _names_secret(name):
        return REDACTED
    return _random_out(value) if isinstance(value, str) else _walk(value, None)


def _redact_tags(tags: Any) -> Any:
    if isinstance(tags, dict):
        return {name: _tag_value(name, value) for name, value in tags.items()}
    return _walk(tags, None)


def _redact_environment(variables: Any) -> Any:
    """[{name, value}] with the names alone; {NAME: value} likewise."""
    if isinstance(variables, dict):
        return dict.fromkeys(variables, REDACTED)
    if not isinstance(variables, list):
        return _walk(variables, None)
    return [_redact_variable(variable) for variable in variables]


def _redact_variable(variable: Any) -> Any:
    if not isinstance(variable, dict):
        return REDACTED
    name, value = str(variable.get("name", "")), variable.get("value")
    if _BATCH_VARIABLE.match(name) and isinstance(value, str) and _BATCH_VALUE.match(value):
        return variable
    kept = {key: _walk(item, key) for key, item in variable.items() if key != "value"}
    return {**kept, "value": REDACTED} if "value" in variable else kept


def _redact_values(values: Any) -> Any:
    if isinstance(values, dict):
        return dict.fromkeys(values, REDACTED)
    return _walk(values, None)


def _redact_secrets(secrets: Any) -> Any:
    """Names of secrets and where they lie are no secrets; values (never expected) are."""
    if isinstance(secrets, list):
        return [_redact_secret(secret) for secret in secrets]
    return _walk(secrets, None)


def _redact_secret(secret: Any) -> Any:
    if not isinstance(secret, dict):
        return REDACTED
    return {key: item if key in ("name", "valueFrom") else REDACTED for key, item in secret.items()}


def redact_command(command: Any) -> Any:
    """A command's tokens; one that follows `--password` or looks random goes whole."""
    if isinstance(command, str):
        return _random_out(command)
    if not isinstance(command, list):
        return _walk(command, None)
    tokens: list[Any] = []
    for at, token in enumerate(command):
        follows = at > 0 and isinstance(command[at - 1], str) and _FLAG.match(command[at - 1])
        is_value = isinstance(token, str) and not _NO_SECRET_TOKEN.match(token)
        tokens.append(REDACTED if follows and is_value else redact_command_token(token))
    return tokens


def redact_command_token(token: Any) -> Any:
    return _random_out(token) if isinstance(token, str) else _walk(token, None)


def _random_out(text: str) -> str:
    return _RANDOM_LOOKING.sub(_random_looking, redact_text(text))


def _random_looking(match: re.Match[str]) -> str:
    """Keys and tokens mix capitals, small letters and digits evenly; names and ids do not."""
    text = match[0]
    letters = sum(letter.isalpha() for letter in text)
    capitals = sum(letter.isupper() for letter in text)
    digits = sum(letter.isdigit() for letter in text)
    is_mixed = digits >= 1 and 0.2 * letters <= capitals <= 0.8 * letters
    changes = sum(_kind(one) != _kind(next_one) for one, next_one in pairwise(text))
    return REDACTED if is_mixed and changes >= 0.3 * len(text) else text


def _kind(letter: str) -> int:
    return 2 * letter.isupper() + letter.isdigit()


def redact_user_data(encoded: Any) -> Any:
    """User data as EC2 gives it (base64, perhaps gzip) as text without credentials."""
    if isinstance(encoded, dict):  # DescribeInstanceAttribute wraps it
        return {key: redact_user_data(value) for key, value in encoded.items()}
    if not isinstance(encoded, str):
        return _walk(encoded, None)
    text = _decoded(encoded)
    return _redact_script(_unfold(text)) if text is not None else f"{REDACTED}: not text"


def _decoded(encoded: str) -> str | None:
    try:
        data = base64.b64decode(encoded, validate=False)
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        return data.decode()
    except (binascii.Error, OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None


def _unfold(text: str) -> str:
    """MIME parts that are base64 or quoted-printable, as plain text, so that lines can be read."""
    if "content-transfer-encoding" not in text.lower():
        return text
    message = message_from_string(text, policy=policy.compat32)
    for part in message.walk():
        _unfold_part(part)
    return message.as_string()


def _unfold_part(part: Message) -> None:
    if part.is_multipart():
        return
    if str(part.get("Content-Transfer-Encoding", "")).lower() not in ("base64", "quoted-printable"):
        return
    payload = part.get_payload(decode=True)
    text = payload.decode(errors="replace") if isinstance(payload, bytes) else REDACTED
    part.replace_header("Content-Transfer-Encoding", "8bit")
    part.set_payload(text)


def _redact_script(text: str) -> str:
    text = _PRIVATE_KEY.sub(REDACTED, text)
    return "".join(_redact_line(line) for line in text.splitlines(keepends=True))


_SECRET_LINE = re.compile(
    rf"(?P<start>[ \t]*(?:export[ \t]+|-[ \t]+)?[\w.-]*(?:{_SECRET_WORDS})[\w.-]*[ \t]*[=:][ \t]*)"
    r"(?P<value>\S.*?)(?P<end>\r?\n?)\Z",
    re.IGNORECASE | re.DOTALL,
)


def _redact_line(line: str) -> str:
    """A line that sets something secret loses all after the sign; others lose what looks so."""
    match = _SECRET_LINE.match(line)
    if match and not _KEPT_VALUE.match(match["value"].strip("\"'")):
        return f"{match['start']}{REDACTED}{match['end']}"
    return _random_out(line)


_BY_FIELD: dict[str, Callable[[Any], Any]] = {
    "environment": _redact_environment,
    "env": _redact_environment,
    "parameters": _redact_values,
    "HeaderParameters": _redact_values,
    "QueryStringParameters": _redact_values,
    "secrets": _redact_secrets,
    "secretOptions": _redact_secrets,
    "command": redact_command,
    "args": redact_command,
    "entryPoint": redact_command,
    "tags": _redact_tags,
    "UserData": redact_user_data,
}
