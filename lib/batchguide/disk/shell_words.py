"""A shell script split into words and operators: as much of the grammar as user data needs.

What a shell would only know on the instance (`$HOSTNAME`, `$(curl …)`) becomes the character
`UNKNOWN` in the word; a variable that the script itself set to a known text is put in.
Left out: globs, arithmetic, arrays, `${name:-default}` and other parameter operators.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

UNKNOWN: Final = "\0"
BLOCK_BEGINS: Final = ("if", "for", "while", "until", "case")
BLOCK_ENDS: Final = ("fi", "done", "esac")

_OPERATOR: Final = re.compile(r"\n|&&|\|\||;;|&>>|&>|\d?>>|\d?>&\d?|\d?>|<<<|<<-|<<|<|\||;|&|\(|\)")
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_OPENS_COMMAND: Final = ("export", "readonly", "then", "else", "do", "{", "!")
_PLAIN: Final = re.compile(r"[^\s'\"\\$`|&;<>()]+")


class ShellError(ValueError):
    """The script can't be split: a quote, a substitution or a here-document has no end."""


@dataclass(frozen=True)
class Token:
    """A word, an operator (`>>`, `|`, newline …), or the text of a here-document."""

    kind: str
    text: str


@dataclass
class _Lexer:
    text: str
    position: int = 0
    depth: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    waiting: list[tuple[str, bool, bool]] = field(default_factory=list)

    def tokens(self) -> Iterator[Token]:
        heredoc = ""
        while self._skip_blanks():
            operator = _OPERATOR.match(self.text, self.position)
            if operator is None:
                yield from self._word_or_delimiter(heredoc)
                heredoc = ""
                continue
            self.position = operator.end()
            yield Token("operator", operator[0])
            heredoc = operator[0] if operator[0] in ("<<", "<<-") else ""
            if operator[0] == "\n":
                yield from self._heredocs()
        yield from self._heredocs()

    def _skip_blanks(self) -> bool:
        blank = re.compile(r"(?:[ \t\r]|\\\n|(?<![^\s;|&()])#[^\n]*)*").match(
            self.text, self.position
        )
        self.position = blank.end() if blank else self.position
        return self.position < len(self.text)

    def _word_or_delimiter(self, heredoc: str) -> Iterator[Token]:
        start = self.position
        word = self._word()
        if heredoc:
            quoted = any(mark in self.text[start : self.position] for mark in "'\"\\")
            self.waiting.append((word, heredoc == "<<-", quoted))
            return
        if self._begins_command(start):
            self.depth += (word in BLOCK_BEGINS) - (word in BLOCK_ENDS)
            self._remember(word)
        yield Token("word", word)

    def _remember(self, word: str) -> None:
        """Keep a variable only if it is set once, and whatever the instance is like."""
        assignment = _ASSIGNMENT.fullmatch(word)
        if assignment is None:
            return
        again = assignment[1] in self.variables
        known = not (again or self.depth or UNKNOWN in word)
        self.variables[assignment[1]] = assignment[2] if known else UNKNOWN

    def _begins_command(self, start: int) -> bool:
        before = self.text[:start].rstrip(" \t")
        return not before or before[-1] in "\n;&|()" or before.split()[-1] in _OPENS_COMMAND

    def _word(self) -> str:
        parts: list[str] = []
        while self.position < len(self.text):
            mark = self.text[self.position]
            if mark.isspace() or mark in "|&;<>()":
                break
            parts.append(self._part(mark))
        return "".join(parts)

    def _part(self, mark: str) -> str:
        if mark == "'":
            end = self._find("'", self.position + 1)
            return self._take(end + 1)[1:-1]
        if mark == '"':
            return self._double_quoted()
        if mark == "\\":
            taken = self._take(self.position + 2)
            return "" if taken == "\\\n" else taken[1:]
        if mark in "$`":
            return self._substitution()
        plain = _PLAIN.match(self.text, self.position)
        return self._take(plain.end() if plain else self.position + 1)

    def _double_quoted(self) -> str:
        self.position += 1
        parts: list[str] = []
        while (mark := self._peek()) != '"':
            if mark == "\\":
                escaped = self._take(self.position + 2)
                parts.append(_unescaped(escaped))
            elif mark in "$`":
                parts.append(self._substitution())
            else:
                parts.append(self._take(self.position + 1))
        self.position += 1
        return "".join(parts)

    def _substitution(self) -> str:
        if self.text.startswith("$(", self.position):
            self._take(self._closing_parenthesis())
            return UNKNOWN
        if self._peek() == "`":
            self._take(self._find("`", self.position + 1) + 1)
            return UNKNOWN
        variable = _VARIABLE.match(self.text, self.position)
        if variable:
            self.position = variable.end()
            return self.variables.get(variable[1] or variable[2], UNKNOWN)
        if self.text.startswith("${", self.position):
            self._take(self._find("}", self.position) + 1)
            return UNKNOWN
        return self._take(self.position + 1)

    def _closing_parenthesis(self) -> int:
        depth, position = 0, self.position + 1
        while position < len(self.text):
            depth += {"(": 1, ")": -1}.get(self.text[position], 0)
            position += 1
            if depth == 0:
                return position
        raise ShellError("a substitution $( has no end")

    def _heredocs(self) -> Iterator[Token]:
        for delimiter, strips_tabs, quoted in self.waiting:
            lines: list[str] = []
            while (line := self._line(strips_tabs)) != delimiter:
                lines.append(line)
            body = "".join(f"{line}\n" for line in lines)
            yield Token("heredoc", body if quoted else _expanded(body, self.variables))
        self.waiting.clear()

    def _line(self, strips_tabs: bool) -> str:
        if self.position >= len(self.text):
            raise ShellError("a here-document has no end")
        end = self.text.find("\n", self.position)
        line = self._take(len(self.text) if end < 0 else end)
        self.position += 1
        return line.lstrip("\t") if strips_tabs else line

    def _peek(self) -> str:
        if self.position >= len(self.text):
            raise ShellError("a quote has no end")
        return self.text[self.position]

    def _find(self, mark: str, start: int) -> int:
        found = self.text.find(mark, start)
        if found < 0:
            raise ShellError(f"{mark} has no end")
        return found

    def _take(self, end: int) -> str:
        taken = self.text[self.position : end]
        self.position = end
        return taken


def shell_tokens(script: str) -> list[Token]:
    """The script's words, operators and here-documents; a here-document follows its line.

    >>> [token.text for token in shell_tokens("A=1; echo X=$A >> /etc/f # why")]
    ['A=1', ';', 'echo', 'X=1', '>>', '/etc/f']
    """
    return list(_Lexer(script.replace("\r\n", "\n")).tokens())


def _unescaped(pair: str) -> str:
    """A backslash and what follows it, inside double quotes."""
    if pair == "\\\n":
        return ""
    return pair[1:] if pair[1:] and pair[1] in '$`"\\' else pair


def _expanded(body: str, variables: dict[str, str]) -> str:
    """An unquoted here-document's text, with what only the instance knows as UNKNOWN."""
    substituted = re.sub(r"(?<!\\)(\$\([^)]*\)|`[^`]*`|\$\{\w+[^}\w][^}]*\})", UNKNOWN, body)
    known = re.sub(
        r"(?<!\\)\$(?:\{(\w+)\}|(\w+))",
        lambda found: variables.get(found[1] or found[2], UNKNOWN),
        substituted,
    )
    return re.sub(r"\\([$`\\])", r"\1", known)
