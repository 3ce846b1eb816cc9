"""Rows that a SQL dump inserts into one table: read as text, never run, in one pass and without backtracking.

Known are ``INSERT INTO t [(columns)] VALUES (…), (…);`` of mysqldump, pg_dump --inserts and people, ``COPY t (columns)
FROM stdin;`` of pg_dump, and the columns of ``CREATE TABLE t``.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from qs.infra.scheduler.importing.imported import ImportRefused
from qs.infra.scheduler.importing.sql_tokens import Token, Tokens

Row = tuple[int, dict[str, Any]]

_CONSTRAINTS = frozenset(
    {"PRIMARY", "UNIQUE", "KEY", "INDEX", "CONSTRAINT", "FOREIGN", "CHECK", "FULLTEXT", "SPATIAL", "EXCLUDE"}
)
_CHANGING = ("UPDATE", "DELETE", "TRUNCATE", "MERGE", "LOAD", "CALL", "EXECUTE", "DO", "WITH")
_WORDS = {"NULL": None, "DEFAULT": None, "TRUE": True, "FALSE": False}
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(slots=True)
class Dump:
    """``rows`` of the wanted table; ``others`` are the tables that were passed over, ``ignored`` the statements that
    would change rows and are not run; each with the first line."""

    rows: list[Row] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)


def read_dump(text: str, tables: Collection[str], usual: tuple[str, ...]) -> Dump:
    """What the dump inserts into one of ``tables``; ``usual`` are its columns where the dump does not tell.

    Raises:
        ImportRefused: a value of such a row cannot be read as a constant, or the dump breaks off; with the line.
    """
    return _Reading(text, tables, usual).dump()


class _Reading:
    def __init__(self, text: str, tables: Collection[str], usual: tuple[str, ...]) -> None:
        self._tokens = Tokens(text)
        self._tables = tables
        self._columns: dict[str, tuple[str, ...]] = {}
        self._usual = usual
        self._dump = Dump()

    def dump(self) -> Dump:
        while (token := self._tokens.next()) is not None:
            if token.is_word("INSERT", "REPLACE"):
                self._insert(token)
            elif token.is_word("COPY"):
                self._copy(token)
            elif token.is_word("CREATE"):
                self._create()
            elif not token.is_mark(";"):
                if token.is_word(*_CHANGING):
                    self._dump.ignored.setdefault(str(token.value).upper(), token.line)
                self._tokens.skip_statement()
        return self._dump

    def _insert(self, begin: Token) -> None:
        token = self._tokens.next()
        while token is not None and token.is_word("IGNORE", "INTO", "LOW_PRIORITY", "DELAYED"):
            token = self._tokens.next()
        table, token = self._table(token)
        if not self._wanted(table, begin.line):
            self._tokens.skip_statement(token)
            return
        columns, token = self._list_of_names(token)
        while token is not None and not token.is_word("VALUES", "VALUE"):
            if token.is_mark(";") or token.is_word("SELECT", "SET"):
                raise ImportRefused(
                    token.line, f"INSERT INTO {table} has no VALUES; export the table with its values"
                )
            token = self._tokens.next()
        if token is None:
            raise self._broken(begin)
        for line, values in self._tuples(begin):
            self._keep(line, table, columns, values)

    def _tuples(self, begin: Token) -> Iterator[tuple[int, list[Any]]]:
        while (token := self._tokens.next()) is not None:
            if token.is_mark("("):
                yield token.line, self._values(token)
            elif token.is_mark(";"):
                return
            elif token.is_word("ON", "AS", "RETURNING"):
                self._tokens.skip_statement()
                return
            elif not token.is_mark(","):
                raise ImportRefused(
                    token.line, f"{token.shown} stands where a row or ; should; export the table again"
                )
        raise self._broken(begin)

    def _values(self, begin: Token) -> list[Any]:
        values: list[Any] = []
        while (token := self._tokens.next()) is not None:
            values.append(self._constant(token))
            token = self._tokens.next()
            # A cast such as '…'::jsonb says nothing that matters here.
            while token is not None and token.kind in ("cast", "word"):
                token = self._tokens.next()
            if token is None:
                break
            if token.is_mark(")"):
                return values
            if not token.is_mark(","):
                raise ImportRefused(
                    token.line,
                    f"{token.shown} follows a value; only constants are read, export the rows anew",
                )
        raise self._broken(begin)

    def _constant(self, token: Token) -> Any:
        if token.kind in ("text", "number"):
            return token.value
        if token.kind == "word" and str(token.value).upper() in _WORDS:
            return _WORDS[str(token.value).upper()]
        if token.is_word("B") and self._tokens.peek("'"):
            text = self._tokens.next()
            return int(text.value, 2) if text and re.fullmatch("[01]{1,64}", str(text.value)) else None
        if token.is_word("NOW", "CURRENT_TIMESTAMP", "UNIX_TIMESTAMP", "UTC_TIMESTAMP"):
            # Of these columns nothing is carried over.
            if self._tokens.peek("("):
                self._tokens.skip_brackets()
            return None
        raise ImportRefused(
            token.line, f"{token.shown} is no constant and is never run; write the value it stands for"
        )

    def _copy(self, begin: Token) -> None:
        table, token = self._table(self._tokens.next())
        columns, token = self._list_of_names(token)
        reads_stdin = False
        while token is not None and not token.is_mark(";"):
            reads_stdin = reads_stdin or token.is_word("STDIN")
            token = self._tokens.next()
        if not reads_stdin:
            self._dump.ignored.setdefault("COPY", begin.line)
            return
        wanted = self._wanted(table, begin.line)
        for line, text in self._tokens.copied_lines():
            if wanted:
                values = [None if cell == "\\N" else _unescaped(cell) for cell in text.split("\t")]
                self._keep(line, table, columns, values)

    def _create(self) -> None:
        token = self._tokens.next()
        while token is not None and not token.is_word("TABLE"):
            if token.is_mark(";"):
                return
            token = self._tokens.next()
        token = self._tokens.next()
        while token is not None and token.is_word("IF", "NOT", "EXISTS"):
            token = self._tokens.next()
        table, token = self._table(token)
        if token is not None and token.is_mark("("):
            self._columns[table] = self._definitions()
        self._tokens.skip_statement(None if token is None or token.is_mark("(") else token)

    def _definitions(self) -> tuple[str, ...]:
        """The first word of each entry between the brackets, which is a column unless it is a constraint."""
        names: list[str] = []
        depth, first = 1, True
        while depth and (token := self._tokens.next()) is not None:
            if (
                first
                and token.is_name
                and not (token.kind == "word" and str(token.value).upper() in _CONSTRAINTS)
            ):
                names.append(str(token.value).lower())
            first = depth == 1 and token.is_mark(",")
            depth += token.is_mark("(") - token.is_mark(")")
        return tuple(names)

    def _table(self, token: Token | None) -> tuple[str, Token | None]:
        """The table's name without its schema, and the token after it."""
        name = ""
        while token is not None and token.is_name:
            name, token = str(token.value).lower(), self._tokens.next()
            if token is None or not token.is_mark("."):
                break
            token = self._tokens.next()
        return name, token

    def _list_of_names(self, token: Token | None) -> tuple[tuple[str, ...], Token | None]:
        if token is None or not token.is_mark("("):
            return (), token
        names: list[str] = []
        while (token := self._tokens.next()) is not None and not token.is_mark(")"):
            if token.is_name:
                names.append(str(token.value).lower())
        return tuple(names), self._tokens.next()

    def _wanted(self, table: str, line: int) -> bool:
        if table in self._tables:
            return True
        self._dump.others.setdefault(table or "?", line)
        return False

    def _keep(self, line: int, table: str, columns: tuple[str, ...], values: list[Any]) -> None:
        names = columns or self._columns.get(table) or self._usual
        if len(names) != len(values):
            raise ImportRefused(
                line,
                f"a row of {table} has {len(values)} values for {len(names)} columns ({', '.join(names)[:200]}); export the "
                "table with its column names",
            )
        self._dump.rows.append((line, dict(zip(names, values, strict=True))))

    def _broken(self, begin: Token) -> ImportRefused:
        return ImportRefused(
            begin.line,
            f"the statement that begins with {begin.shown} never ends; the dump is cut off, export it again",
        )


def _unescaped(cell: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), cell, flags=re.DOTALL)
