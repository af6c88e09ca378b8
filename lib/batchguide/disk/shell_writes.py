"""What a shell script writes into one file, read without running it.

Follows echo, printf, cat, tee, here-documents, `{ … }` and pipes into tee. Whatever else touches
the file, or does so on a condition, is a doubt.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from batchguide.disk.shell_words import BLOCK_BEGINS, BLOCK_ENDS, UNKNOWN, Token, shell_tokens

_ENDS_COMMAND: Final = ("\n", ";", ";;", "&&", "||", "&")
_TESTS: Final = ("[", "[[", "test", "grep")
_ONLY_READS: Final = (*_TESTS, "cat", "chmod", "chown", "head", "ls", "stat", "tail", "touch", "wc")
_SHELLS: Final = ("sh", "bash", "/bin/sh", "/bin/bash")
_PREFIXES: Final = ("sudo", "command", "then", "else", "do", "!")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "a": "\a", "0": "\0"}


@dataclass(frozen=True)
class Write:
    """One thing a script does to the file: `text` is None where it could not be followed."""

    command: str
    text: str | None
    append: bool = True


@dataclass
class _Node:
    """A pipeline, or a `{ … }` group with what follows its closing brace."""

    tokens: list[Token]
    conditional: bool = False
    inner: "list[_Node] | None" = None

    @property
    def words(self) -> list[str]:
        """The first command's words, without redirections and prefixes such as sudo."""
        words = _words(_stages(self.tokens)[0])
        while words and words[0] in _PREFIXES:
            words = words[1:]
        return words


def writes_to(script: str, file_name: str) -> Iterator[Write]:
    """What the script does to files whose path ends in that name, in order.

    Raises ShellError where the script can't be split into commands.
    """
    commands = deque(_commands(shell_tokens(script)))
    while commands:
        yield from _writes(_nodes(commands), file_name, certain=True)
        if commands:  # a closing brace that nothing opened
            commands.popleft()


def _commands(tokens: list[Token]) -> Iterator[_Node]:
    """Pipelines in order; a here-document stands behind the command that reads it."""
    nodes = [_Node([])]
    for token in tokens:
        if token.kind == "heredoc":
            next(each for each in nodes if _waits_for_heredoc(each)).tokens.append(token)
        elif token.kind == "operator" and token.text in (*_ENDS_COMMAND, "(", ")"):
            nodes.append(_Node([], conditional=_is_condition(nodes[-1], token.text)))
            if token.text in "()":
                nodes[-1].tokens.append(Token("word", "{" if token.text == "(" else "}"))
        else:
            nodes[-1].tokens.append(token)
    return (node for node in nodes if node.tokens)


def _waits_for_heredoc(node: _Node) -> bool:
    wanted = sum(token.kind == "operator" and token.text in ("<<", "<<-") for token in node.tokens)
    return wanted > sum(token.kind == "heredoc" for token in node.tokens)


def _is_condition(node: _Node, operator: str) -> bool:
    """Whether what follows the operator runs only if the command went one way or the other."""
    if operator == "||":
        return True
    return operator == "&&" and (node.conditional or node.words[:1] in [[name] for name in _TESTS])


def _nodes(commands: deque[_Node]) -> list[_Node]:
    nodes: list[_Node] = []
    while commands and commands[0].tokens[0] != Token("word", "}"):
        node = commands.popleft()
        if node.tokens[0] == Token("word", "{"):
            if node.tokens[1:]:
                commands.appendleft(_Node(node.tokens[1:]))
            inner = _nodes(commands)
            closing = commands.popleft().tokens[1:] if commands else []
            node = _Node(closing, node.conditional, inner)
        nodes.append(node)
    return nodes


def _writes(nodes: list[_Node], file_name: str, *, certain: bool) -> Iterator[Write]:
    depth = 0
    for node in nodes:
        first = node.tokens[0].text if node.tokens else ""
        depth += first in BLOCK_BEGINS
        sure = certain and depth == 0 and not node.conditional
        yield from _writes_of(node, file_name, certain=sure)
        depth -= first in BLOCK_ENDS


def _writes_of(node: _Node, file_name: str, *, certain: bool) -> Iterator[Write]:
    append = _appends(node, file_name)
    if node.words[:2] in [[shell, "-c"] for shell in _SHELLS] and node.words[2:]:
        yield from writes_to(node.words[2], file_name) if certain else [Write(_shown(node), None)]
    elif append is not None:
        text = _output(node) if certain else None
        yield Write(_shown(node), text, append)
    elif node.inner is not None:
        yield from _writes(node.inner, file_name, certain=certain)
    elif _touches(node, file_name):
        yield Write(_shown(node), None)


def _appends(node: _Node, file_name: str) -> bool | None:
    """Whether the pipeline's last command appends to the file; None if it does not write to it."""
    last = _stages(node.tokens)[-1]
    for operator, path in pairwise(last):
        writes = operator.kind == "operator" and operator.text.lstrip("1&") in (">", ">>")
        if writes and path.text.endswith(file_name):
            return operator.text.endswith(">>")
    words = [word for word in _words(last) if word not in _PREFIXES]
    if words[:1] == ["tee"] and any(word.endswith(file_name) for word in words[1:]):
        return "-a" in words or "--append" in words
    return None


def _touches(node: _Node, file_name: str) -> bool:
    texts = [token.text for token in node.tokens]
    if any(file_name in token.text for token in node.tokens if token.kind == "heredoc"):
        return True
    if any(file_name in text for text in texts):
        return not (_is_assignment(node) or node.words[0] in _ONLY_READS)
    goes_anywhere = any(op in (">", ">>") and UNKNOWN in path for op, path in pairwise(texts))
    return goes_anywhere and any("ECS_" in text for text in texts)


def _is_assignment(node: _Node) -> bool:
    words = [word for word in node.words if word not in ("export", "readonly")]
    return all(re.match(r"[A-Za-z_]\w*=", word) for word in words)


def _output(node: _Node) -> str | None:
    """What the pipeline's first command prints, if a `tee` at most comes after it."""
    stages = _stages(node.tokens)
    if len(stages) > 2 or (len(stages) == 2 and "tee" not in _words(stages[1])[:2]):
        return None
    if node.inner is not None:
        printed = [_output(each) for each in node.inner]
        return None if None in printed else "".join(text or "" for text in printed)
    words = node.words or [""]
    if words[0] == "echo":
        return _echoed(words[1:])
    if words[0] == "printf":
        return _printed(words[1:])
    return _input(stages[0]) if words[0] in ("cat", "tee") else None


def _input(stage: list[Token]) -> str | None:
    """What here-documents and here-strings give a command to read."""
    bodies = [token.text for token in stage if token.kind == "heredoc"]
    for operator, word in pairwise(stage):
        if operator == Token("operator", "<<<"):
            bodies.append(f"{word.text}\n")
    return bodies[0] if len(bodies) == 1 else None


def _echoed(words: list[str]) -> str:
    flags = ""
    while words and re.fullmatch(r"-[neE]+", words[0]):
        flags += words[0][1:]
        words = words[1:]
    text = " ".join(words)
    return (_unescape(text) if "e" in flags else text) + ("" if "n" in flags else "\n")


def _printed(words: list[str]) -> str | None:
    """printf with %s, %b, %d and %%: the format is used again while arguments are left."""
    if words[:1] == ["--"]:
        words = words[1:]
    if not words or re.search(r"%(?![sbd%])", words[0]):
        return None
    pattern, arguments = _unescape(words[0]), deque(words[1:])
    printed = _filled(pattern, arguments)
    while arguments and re.search(r"%[sbd]", pattern):
        printed += _filled(pattern, arguments)
    return printed


def _filled(pattern: str, arguments: deque[str]) -> str:
    def fill(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        argument = arguments.popleft() if arguments else ""
        return _unescape(argument) if found[0] == "%b" else argument

    return re.sub(r"%[sbd%]", fill, pattern)


def _unescape(text: str) -> str:
    return re.sub(r"\\([ntra0\\])", lambda found: _ESCAPES[found[1]], text)


def _stages(tokens: list[Token]) -> list[list[Token]]:
    stages: list[list[Token]] = [[]]
    for token in tokens:
        if token == Token("operator", "|"):
            stages.append([])
        else:
            stages[-1].append(token)
    return stages


def _words(stage: list[Token]) -> list[str]:
    """The words of a command, redirections and their targets left out."""
    words: list[str] = []
    redirected = False
    for token in stage:
        if token.kind == "word" and not redirected:
            words.append(token.text)
        opens = token.kind == "operator" and token.text not in ("<<", "<<-")
        redirected = opens and not token.text[-1].isdigit()  # 2>&1 has its target in it
    return words


def _shown(node: _Node) -> str:
    return " ".join(token.text for token in node.tokens).replace(UNKNOWN, "$…").strip()
