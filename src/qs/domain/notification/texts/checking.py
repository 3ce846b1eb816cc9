"""What a tenant's text must be like before it is kept, and before it is sent by a release that may know other variables."""

import unicodedata
from collections.abc import Iterator
from itertools import chain, islice

from qs.domain.kernel.errors import Problem
from qs.domain.notification.texts.catalogue import LONGEST_SUBJECT, VARIABLES, TextKind
from qs.domain.notification.texts.template import Slip, uses
from qs.domain.notification.texts.text import Text

# Controls, halves of characters, and what ends a line or a paragraph in some readers only.
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})

# Embeddings, overrides and isolates (UAX 9) can make a link read as another one.
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_MOST_PROBLEMS = 100


def problems_of(kind: TextKind, text: Text) -> list[Problem]:
    """What keeps the text from being one of that kind, each with the line and column it is found at; 100 at most."""
    return list(islice(chain(_of_subject(kind, text.subject), _of_body(kind, text.body)), _MOST_PROBLEMS))


def plain(value: str) -> str:
    """The value on one line, without characters that change how what surrounds it is read."""
    return "".join(
        " " if unicodedata.category(each) in _NO_TEXT else each
        for each in value
        if each not in _BIDI_CONTROLS
    )


def _of_subject(kind: TextKind, subject: str) -> Iterator[Problem]:
    if not kind.has_subject:
        if subject:
            yield Problem("/subject", "must be left out: this text has none")
        return
    if not subject.strip():
        yield Problem("/subject", "must not be blank")
    if len(subject) > LONGEST_SUBJECT:
        yield Problem("/subject", f"must have at most {LONGEST_SUBJECT} characters")
        return
    allowed = frozenset(name for name in kind.variables if VARIABLES[name].in_subject)
    yield from _of_content("/subject", subject, allowed, line_breaks=False)


def _of_body(kind: TextKind, body: str) -> Iterator[Problem]:
    if not body.strip():
        yield Problem("/body", "must not be blank")
    if len(body) > kind.longest_body:
        yield Problem("/body", f"must have at most {kind.longest_body} characters")
        return
    yield from _of_content("/body", body, kind.variables, line_breaks=True)
    used = {each.name for each in uses(body) if not isinstance(each, Slip)}
    for name in sorted(kind.required - used):
        yield Problem("/body", f"must show {{{name}}}: {VARIABLES[name].description}")


def _of_content(
    pointer: str, content: str, allowed: frozenset[str], *, line_breaks: bool
) -> Iterator[Problem]:
    for position, character in enumerate(content):
        if character == "\n" and line_breaks:
            continue
        if unicodedata.category(character) in _NO_TEXT or character in _BIDI_CONTROLS:
            detail = f"must not hold the character U+{ord(character):04X}"
            yield Problem(pointer, f"{_where(content, position)}: {detail}")
            break
    for each in uses(content):
        where = _where(content, each.position)
        if isinstance(each, Slip):
            yield Problem(pointer, f"{where}: a brace that is no variable such as {{link}} must be doubled")
        elif each.name not in allowed:
            yield Problem(pointer, f"{where}: {{{each.name}}} is no variable here; {_offer(allowed)}")


def _offer(allowed: frozenset[str]) -> str:
    if not allowed:
        return "there are none"
    return "use " + ", ".join(f"{{{name}}}" for name in sorted(allowed))


def _where(content: str, position: int) -> str:
    line = content.count("\n", 0, position) + 1
    column = position - content.rfind("\n", 0, position)
    return f"line {line}, column {column}"
