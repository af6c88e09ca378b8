"""Accounts and addresses under other names, the same ones wherever and whenever they are met.

A token is made of a key and the value alone (HMAC-SHA-256), so that captures taken with one key
can be compared and nobody without it can find the value by trying all of them. It has the form of
what it stands for: what reads ARNs and image names goes on reading them. Names of queues, jobs and
the like stay: they are in captures as AWS gave them.
"""

import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from batchguide.capture import Call, Capture
from batchguide.errors import UserError
from batchguide.files import write_whole

KINDS = ("accounts", "ips")
LEAST_KEY_BYTES = 16
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])")
_ACCOUNT_IN_ARN = re.compile(r"arn:[\w-]+:[\w-]+:[\w-]*:(\d{12}):")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)")
_HOST = re.compile(r"\bip(?:-\d{1,3}){4}\b")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")


@dataclass
class Tokens:
    """Tokens of one key; `known` gathers what they stand for."""

    key: bytes
    kinds: Collection[str]
    known: dict[str, str] = field(default_factory=dict)  # value → token
    _kept: set[str] = field(default_factory=set)
    _accounts: re.Pattern[str] = _ACCOUNT

    def of(self, capture: Capture) -> Capture:
        """The same capture with tokens in it. Accounts of AWS's own AMIs are public, and stay."""
        self._kept = set(_accounts_of_aws(capture))
        named = {found for text in _strings(capture) for found in _ACCOUNT_IN_ARN.findall(text)}
        glued = "|".join(rf"(?<!\d){account}(?!\d)" for account in sorted(named))
        self._accounts = re.compile("|".join(filter(None, (glued, _ACCOUNT.pattern))))
        meta = {**self._walk(capture.meta), "tokens_for": sorted(self.kinds)}
        return Capture(meta, tuple(self._call(call) for call in capture.calls))

    def _call(self, call: Call) -> Call:
        error = call.error and replace(call.error, message=self._text(call.error.message))
        pages = tuple(self._walk(page) for page in call.pages)
        return replace(call, params=self._walk(call.params), pages=pages, error=error)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._text(key): self._walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._walk(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        if "accounts" in self.kinds:
            text = self._accounts.sub(lambda match: self._account(match[0]), text)
        if "ips" in self.kinds:
            text = _IPV4.sub(lambda match: self._address(match[0]), text)
            text = _HOST.sub(lambda match: self._host(match[0]), text)
            text = _IPV6.sub(lambda match: self._address(match[0]), text)
        return text

    def _account(self, account: str) -> str:
        """Twelve digits; two noughts ahead tell a token from most accounts."""
        if account in self._kept:
            return account
        return self._remember(account, f"00{self._number(account) % 10**10:010}")

    def _host(self, host: str) -> str:
        dotted = host.removeprefix("ip-").replace("-", ".")
        return "ip-" + self._address(dotted).replace(".", "-")

    def _address(self, text: str) -> str:
        """An address of its own kind: private, and another one. What only looks so stays."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        if address.is_loopback or address.is_link_local or address.is_unspecified:
            return text  # the same on every machine
        number = self._number(str(address))
        if address.version == 4:
            return self._remember(text, str(ipaddress.ip_address(10 * 2**24 + number % 2**24)))
        return self._remember(text, str(ipaddress.ip_address(0xFD << 120 | number % 2**64)))

    def _number(self, value: str) -> int:
        digest = hmac.new(self.key, value.encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:16], "big")

    def _remember(self, value: str, token: str) -> str:
        self.known[value] = token
        return token


def tokens_from(kinds: str, key_file: Path | None) -> Tokens:
    """Tokens as the command line asks for them; `UserError` says what it lacks."""
    asked = [kind.strip() for kind in kinds.split(",") if kind.strip()]
    unknown = [kind for kind in asked if kind not in KINDS]
    if unknown or not asked:
        raise UserError(f"--redact takes {', '.join(KINDS)}, not {', '.join(unknown) or 'nothing'}")
    if key_file is None:
        raise UserError("--redact needs --redact-key FILE, so that tokens are the same next time")
    try:
        key = key_file.read_bytes().strip()
    except OSError as error:
        raise UserError(f"cannot read the key {key_file}: {error.strerror}") from error
    if len(key) < LEAST_KEY_BYTES:
        raise UserError(
            f"the key {key_file} has {len(key)} bytes; give at least {LEAST_KEY_BYTES} random ones "
            f"(`openssl rand -hex 32 > {key_file}`)"
        )
    return Tokens(key, frozenset(asked))


def save_map(tokens: Tokens, path: Path) -> None:
    """What each token stands for, for its owner's eyes alone."""
    back = {token: value for value, token in sorted(tokens.known.items())}
    try:
        write_whole(path, (json.dumps(back, indent=1) + "\n").encode())
    except OSError as error:
        raise UserError(f"cannot write the map {path}: {error.strerror}") from error


def _accounts_of_aws(capture: Capture) -> Iterator[str]:
    for image in capture.items("ec2", "DescribeImages", "Images"):
        if isinstance(image, dict) and image.get("ImageOwnerAlias") == "amazon":
            yield str(image.get("OwnerId"))


def _strings(capture: Capture) -> Iterator[str]:
    """Every string of a capture, keys too."""
    pending: list[Any] = [
        capture.meta,
        *(part for c in capture.calls for part in (c.params, *c.pages)),
    ]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
