"""What the YAML parser complains of, in words that say what to do about it."""

import re

import yaml

_TAB = re.compile(r"\t")

# Both parsers of PyYAML, the one in C and the one in Python, have their own wordings.
_WORDS = (
    (
        "expected alphabetic or numeric",
        "a bare * or & means something of its own in YAML; quote the value, such as '*/5 * * * *'",
    ),
    (
        "escape code",
        'an escape in "…" stands for no character, or for half of one; write the character itself',
    ),
    (
        "mapping values are not allowed",
        "a colon stands where no key can begin; quote the value that holds it, or correct the indentation",
    ),
    ("could not find expected ':'", "is no `key: value`; write a colon and a blank after the key"),
    ("found unexpected end of stream", "a quote opens here and never closes; close it"),
    ("found unexpected document", "a quote opens here and never closes; close it"),
    (
        "expected ',' or",
        "a bracket opens and is not closed where it should be; check the commas and brackets",
    ),
    ("found unknown escape", "a backslash in \"…\" means something of its own; write it twice, or use '…'"),
    (
        "cannot start any token",
        "begins with a character that means something else in YAML (one of @ ` % | > & * ! and the like); quote the value",
    ),
    ("found undefined tag", "tags are not read; write the plain value"),
    (
        "did not find expected comment or line break",
        "a | or > must end its line; begin the text on the next one",
    ),
    ("expected a comment or a line break", "a | or > must end its line; begin the text on the next one"),
    ("expected <block end>", "is not indented like the lines it belongs to; align it with them"),
    ("did not find expected", "is not indented like the lines it belongs to; align it with them"),
    ("expected the node content", "a value is missing here; check the commas and brackets before it"),
)


def complaint(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str]:
    """The line, counted from 1, and what is wrong with it and how to mend it."""
    mark = error.problem_mark or error.context_mark
    at = mark.line if mark else 0
    for line in (at, at - 1):
        if 0 <= line < len(lines) and _TAB.search(lines[line]):
            return line + 1, "a tab stands where YAML takes blanks only; replace every tab by blanks"
    problem = str(error.problem or "")
    if "end of stream" in problem and error.context_mark is not None:
        at = error.context_mark.line
    for wording, words in _WORDS:
        if wording in problem:
            return min(at, max(len(lines) - 1, 0)) + 1, words
    return at + 1, f"is not YAML ({problem[:120] or 'it cannot be read'}); see the line and the one before it"
