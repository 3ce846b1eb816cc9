"""The words, texts, numbers and marks of a SQL dump, one after the other."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from qs.infra.scheduler.files.showing import shown
from qs.infra.scheduler.importing.imported import ImportRefused

Kind = Literal["word", "name", "text", "number", "mark", "cast"]

_PASSED_OVER = re.compile(r"[ \t\r\n\f\v]+|--[^\n]*|#[^\n]*|/\*![0-9]*|\*/")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_NUMBER = re.compile(r"[-+]?(?:0x[0-9A-Fa-f]+|\d+\.?\d*(?:[eE][-+]?\d+)?)", re.ASCII)
_CAST = re.compile(r"::[ ]?[A-Za-z_][A-Za-z0-9_ ]*(?:\(\d+\))?(?:\[\])?")
_DOLLAR = re.compile(r"\$[A-Za-z_]*\$")
_PREFIX = re.compile(r"(?:[eEnN]|_[A-Za-z0-9]+ ?)'")
# Of PostgreSQL and SQLite a backslash is a backslash, of MySQL the beginning of something else.
_OF_MYSQL = re.compile(r"`|\bENGINE\s*=|MySQL dump|MariaDB dump|\\'")
_OF_POSTGRESQL = re.compile(r"standard_conforming_strings|PostgreSQL database dump")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "0": "", "Z": ""}
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    value: Any
    line: int

    @property
    def is_name(self) -> bool:
        """Whether it may name a table or a column."""
        return self.kind in ("word", "name")

    @property
    def shown(self) -> str:
        return shown(str(self.value))

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and str(self.value).upper() in words

    def is_mark(self, mark: str) -> bool:
        return self.kind == "mark" and self.value == mark


class Tokens:
    """Reads the tokens of a dump; comments are passed over, and of ``/*!40000 … */`` the content is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._backslash_escapes = bool(_OF_MYSQL.search(text)) and not _OF_POSTGRESQL.search(text)

    def next(self) -> Token | None:
        """The next one; None at the end."""
        self._pass_over()
        if self._at >= len(self._text):
            return None
        character = self._text[self._at]
        if character in "'\"`":
            return self._quoted(character)
        if match := _PREFIX.match(self._text, self._at):
            return self._quoted("'", match.end() - 1 - self._at)
        for kind, pattern in _KINDS:
            if match := pattern.match(self._text, self._at):
                return self._matched(kind, match)
        if match := _DOLLAR.match(self._text, self._at):
            return self._between_dollars(match)
        self._at += 1
        return Token("mark", character, self._line)

    def peek(self, mark: str) -> bool:
        """Whether that mark comes next."""
        self._pass_over()
        return self._text.startswith(mark, self._at)

    def skip_statement(self, token: Token | None = None) -> None:
        """Goes on behind the next semicolon, unless ``token`` was one."""
        if token is not None and token.is_mark(";"):
            return
        while (found := self.next()) is not None and not found.is_mark(";"):
            pass

    def skip_brackets(self) -> None:
        """Goes on behind the bracket that closes the one that comes next."""
        depth = 0
        while (token := self.next()) is not None:
            depth += token.is_mark("(") - token.is_mark(")")
            if depth <= 0:
                return

    def copied_lines(self) -> Iterator[tuple[int, str]]:
        """The lines of data after COPY … FROM stdin;, up to the one that is ``\\.``."""
        self._move(self._after_line(self._at))
        while self._at < len(self._text):
            end = self._after_line(self._at)
            line, number = self._text[self._at : end].rstrip("\r\n"), self._line
            self._move(end)
            if line == "\\.":
                return
            yield number, line

    def _after_line(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end + 1

    def _pass_over(self) -> None:
        while self._at < len(self._text):
            if match := _PASSED_OVER.match(self._text, self._at):
                self._move(match.end())
            elif self._text.startswith("/*", self._at):
                end = self._text.find("*/", self._at + 2)
                if end < 0:
                    raise ImportRefused(self._line, "a comment opens with /* and never closes; close it")
                self._move(end + 2)
            else:
                return

    def _matched(self, kind: Kind, match: re.Match[str]) -> Token:
        token = Token(kind, match[0], self._line)
        if kind == "number":
            if len(match[0]) > _LONGEST_NUMBER:
                raise ImportRefused(self._line, f"{shown(match[0])} is too long for a number; quote it")
            token = Token(kind, _number(match[0]), self._line)
        self._move(match.end())
        return token

    def _quoted(self, quote: str, prefix: int = 0) -> Token:
        """A text in '…', or a name in "…" or `…`; a doubled quote is one, and a backslash escapes in '…'."""
        line, at, end = self._line, self._at + prefix + 1, -1
        escapes = quote == "'" and (self._backslash_escapes or prefix > 0)
        parts: list[str] = []
        while True:
            # A quote that was found stays the next one until it is passed, so that no text is searched twice.
            if end < at and (end := self._text.find(quote, at)) < 0:
                raise ImportRefused(
                    line, f"a {quote} opens here and never closes; the dump is cut off, export it again"
                )
            if escapes and (slash := self._text.find("\\", at, end)) >= 0:
                escaped = self._text[slash + 1 : slash + 2]
                parts += [self._text[at:slash], _ESCAPES.get(escaped, escaped)]
                at = slash + 2
            elif self._text.startswith(quote, end + 1):
                parts += [self._text[at:end], quote]
                at = end + 2
            else:
                parts.append(self._text[at:end])
                self._move(end + 1)
                return Token("text" if quote == "'" else "name", "".join(parts), line)

    def _between_dollars(self, match: re.Match[str]) -> Token:
        line, end = self._line, self._text.find(match[0], match.end())
        if end < 0:
            raise ImportRefused(
                line, f"{match[0]} opens here and never closes; the dump is cut off, export it again"
            )
        self._move(end + len(match[0]))
        return Token("text", self._text[match.end() : end], line)

    def _move(self, end: int) -> None:
        self._line += self._text.count("\n", self._at, end)
        self._at = end


_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (("cast", _CAST), ("number", _NUMBER), ("word", _WORD))


def _number(text: str) -> int | float:
    if text.lower().lstrip("+-").startswith("0x"):
        return int(text, 16)
    return float(text) if any(mark in text for mark in ".eE") else int(text)
