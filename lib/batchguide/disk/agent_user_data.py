"""What user data writes into `/etc/ecs/ecs.config`, as far as reading it can tell.

User data is a program: what it does is known only on the instance. This reads the forms that
people use (echo, printf, cat, tee, here-documents, cloud-config's write_files) and names what it
could not follow, so that nobody takes silence for an answer.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_string
from email.message import Message
from typing import Any, Final

from batchguide.disk.shell_words import UNKNOWN, ShellError
from batchguide.disk.shell_writes import writes_to
from batchguide.redaction import REDACTED

_CONFIG: Final = "ecs.config"
_SCRIPT_TYPES: Final = ("text/x-shellscript", "text/cloud-boothook")


@dataclass(frozen=True)
class UserDataSettings:
    """The lines that user data adds to the agent's configuration.

    `assignments`: the last value of each variable, None where only the instance knows it.
    `overwrites`: the file is written with `>`, which wipes what stood there before, Batch's
    `ECS_CLUSTER` included. `not_understood`: the commands that touch the file in a way, or on a
    condition, that could not be followed; with any of them the assignments may be wrong.
    """

    assignments: Mapping[str, str | None]
    overwrites: bool = False
    not_understood: tuple[str, ...] = ()


def parse_ecs_config(text: str) -> dict[str, str]:
    """`ecs.config` as ecs-init reads it: `getEnvVars` in `ecs-init/docker/docker.go`.

    Split at the first `=`, quotes kept, the last assignment wins. There are no comments: a line
    `# A=1` sets a variable named `# A`, which nobody reads.

    >>> parse_ecs_config('A=1\\nB="x=y"\\nA=2')
    {'A': '2', 'B': '"x=y"'}
    """
    pairs = (line.strip().split("=", 1) for line in text.strip().split("\n"))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def settings_in_user_data(user_data: str) -> UserDataSettings:
    """The agent settings in user data that has been decoded from base64.

    >>> settings_in_user_data("#!/bin/sh\\necho ECS_RESERVED_MEMORY=64 >> /etc/ecs/ecs.config")
    UserDataSettings(assignments={'ECS_RESERVED_MEMORY': '64'}, overwrites=False, not_understood=())
    """
    file = _File()
    for content_type, text in _parts(user_data):
        _read_part(content_type, text, file)
    parsed = parse_ecs_config("".join(file.written))
    assignments = {name: None if UNKNOWN in value else value for name, value in parsed.items()}
    return UserDataSettings(assignments, file.overwritten, tuple(file.not_understood))


@dataclass
class _File:
    """What is known of the file while the user data is read from top to bottom."""

    written: list[str] = field(default_factory=list)
    overwritten: bool = False
    not_understood: list[str] = field(default_factory=list)

    def write(self, text: str, *, append: bool) -> None:
        if not append:
            self.written.clear()
            self.overwritten = True
        self.written.append(text)
        if REDACTED in text:
            self.not_understood.append(f"a line that the capture shows only as {REDACTED}")


def _parts(user_data: str) -> Iterator[tuple[str, str]]:
    """Content type and text of each part, as cloud-init tells them apart."""
    text = user_data.lstrip()
    if not re.match(r"(?i)mime-version:|content-type:", text):
        yield _type_by_first_line(text), text
        return
    for part in message_from_string(text).walk():
        if not part.is_multipart():
            yield part.get_content_type(), _payload(part)


def _type_by_first_line(text: str) -> str:
    if text.startswith("#!"):
        return "text/x-shellscript"
    return "text/cloud-config" if text.startswith("#cloud-config") else "text/plain"


def _payload(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload)


def _read_part(content_type: str, text: str, file: _File) -> None:
    if content_type == "text/cloud-config" or text.startswith("#cloud-config"):
        _read_cloud_config(text, file)
    elif content_type in _SCRIPT_TYPES or text.startswith("#!"):
        _read_script(text, file)
    elif _CONFIG in text:
        file.not_understood.append(
            f"a part of type {content_type}, which cloud-init does not run as a script"
        )


def _read_cloud_config(text: str, file: _File) -> None:
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        document = None
    if not isinstance(document, dict):
        file.not_understood.append("a cloud-config part that is no YAML mapping")
        return
    for key in ("bootcmd", "write_files", "runcmd"):
        for entry in document.get(key) or ():
            _read_entry(key, entry, file)


def _read_entry(key: str, entry: Any, file: _File) -> None:
    if key != "write_files":
        words = [str(word) for word in entry] if isinstance(entry, list) else None
        _read_script(shlex.join(words) if words else str(entry), file)
    elif isinstance(entry, dict) and str(entry.get("path", "")).endswith(_CONFIG):
        if entry.get("encoding", "text/plain") != "text/plain":
            file.not_understood.append(
                f"write_files of {entry['path']} with encoding {entry['encoding']}"
            )
        else:
            file.write(str(entry.get("content", "")), append=bool(entry.get("append")))


def _read_script(script: str, file: _File) -> None:
    try:
        for write in writes_to(script, _CONFIG):
            if write.text is None:
                file.not_understood.append(write.command)
            else:
                file.write(write.text, append=write.append)
    except ShellError as error:
        if _CONFIG in script:
            file.not_understood.append(f"a script that can't be split: {error}")
