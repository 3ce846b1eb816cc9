"""The lines of a crontab as cron reads them: variables, entries, comments, and lines that are none of these."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Form = Literal["auto", "user", "system"]

_VARIABLE = re.compile(r"""\s*("[^"]*"|'[^']*'|[^\s"'=]+)\s*=\s*(.*)""")
_ALIAS = re.compile(r"(@[A-Za-z_0-9]+)\s+(.*)")
_FIELDS = re.compile(r"(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)")
_USER = re.compile(r"([a-z_][a-z0-9_-]{0,31}\$?)(?::\S+)?\s+([A-Za-z0-9./\[_:\"'].*)")
_LOOKS_LIKE_AN_ENTRY = re.compile(r"#\s*(?:@[a-z]+|[-*0-9,/]+(?:\s+[-*0-9A-Za-z,/]+){4})\s+\S")
_HEADING = re.compile(r"#.*\bdom\s+mon\s+dow\b(\s+user\b)?")

# What cron.d is usually written for, besides the accounts of the machine this runs on.
_USUAL_USERS = (
    "root daemon bin sys nobody www-data apache nginx http mysql postgres redis ubuntu debian centos admin deploy app "
    "backup git jenkins nagios munin list"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    line: int
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """``spec`` are the five fields or the alias. ``stdin`` is what stood after an unescaped percent sign."""

    line: int
    spec: str
    user: str | None
    command: str
    stdin: str | None
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A line that is no entry: a comment that belongs to none, an entry that is commented out, or what cron refuses."""

    line: int
    text: str
    kind: Literal["comment", "commented out", "refused"]


Line = Variable | Entry | Leftover


def read_lines(text: str, form: Form, users: Iterable[str] = ()) -> Iterator[Line]:
    """The lines in their order; a comment right above an entry belongs to that."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    is_system = form == "system" or (form == "auto" and _is_system(lines, {*_USUAL_USERS.split(), *users}))
    above: list[Leftover] = []
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if _HEADING.match(stripped):
            continue
        if stripped.startswith("#") and not _LOOKS_LIKE_AN_ENTRY.match(stripped):
            above.append(Leftover(line=number, text=stripped.lstrip("#").strip(), kind="comment"))
            continue
        read = _read_line(number, line, is_system, " ".join(each.text for each in above if each.text))
        if not isinstance(read, Entry):
            yield from (each for each in above if each.text)
        above = []
        if read is not None:
            yield read
    yield from (each for each in above if each.text)


def _read_line(number: int, line: str, is_system: bool, comment: str) -> Line | None:
    stripped = line.strip()
    if not stripped:
        return None
    if stripped.startswith("#"):
        return Leftover(line=number, text=stripped.lstrip("#").strip(), kind="commented out")
    if match := _VARIABLE.fullmatch(line):
        return Variable(line=number, name=_unquoted(match[1]), value=_unquoted(match[2].strip()))
    match = _ALIAS.fullmatch(stripped) or _FIELDS.fullmatch(stripped)
    if match is None:
        return Leftover(line=number, text=stripped, kind="refused")
    user, command = None, match[2]
    if is_system:
        user, *rest = command.split(None, 1)
        if not rest:
            return Leftover(line=number, text=stripped, kind="refused")
        command = rest[0]
    command, stdin = _without_stdin(command)
    return Entry(
        line=number,
        spec=" ".join(match[1].split()),
        user=user,
        command=command.strip(),
        stdin=stdin,
        comment=comment,
    )


def _is_system(lines: Iterable[str], users: Collection[str]) -> bool:
    """Whether every entry names a user before its command; a crontab that says so in its heading need not be asked."""
    found = False
    for line in lines:
        stripped = line.strip()
        if (heading := _HEADING.match(stripped)) and heading[1]:
            return True
        if stripped.startswith("#") or _VARIABLE.fullmatch(line):
            continue
        match = _ALIAS.fullmatch(stripped) or _FIELDS.fullmatch(stripped)
        if match is None:
            continue
        named = _USER.fullmatch(match[2])
        if named is None or named[1] not in users:
            return False
        found = True
    return found


def _without_stdin(command: str) -> tuple[str, str | None]:
    """The command, and what cron hands it on stdin: what follows the first %, each further one being a new line."""
    parts = re.split(r"(?<!\\)%", command)
    plain = [part.replace("\\%", "%") for part in parts]
    return plain[0], "\n".join(plain[1:]) + "\n" if len(plain) > 1 else None


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
