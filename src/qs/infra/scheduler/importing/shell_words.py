"""A line that a shell would run, as the words of one program, or with the reason why only a shell can run it."""

import re
from dataclasses import dataclass, field

_DISCARDING = re.compile(
    r"(?:[12]?>>?[ \t]*/dev/null|&>>?[ \t]*/dev/null|>&[ \t]*/dev/null|0?<[ \t]*/dev/null|2>&1|1?>&2)(?=[ \t;&|)]|$)"
)
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=", re.ASCII)
_BRACES = re.compile(r"\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}")
_OPERATORS = {
    "|": "`|` hands its output to another program",
    "&": "`&` runs more than one program",
    ";": "`;` runs more than one program",
    "<": "`<` reads from a file",
    ">": "`>` writes to a file",
    "(": "`(` opens another shell",
    ")": "`)` closes another shell",
    "`": "a backquote runs another program",
    "$": "`$` is a variable or another program",
    "*": "`*` is a file pattern",
    "?": "`?` is a file pattern",
    "[": "`[` is a file pattern",
}
_IN_QUOTES = {"`": _OPERATORS["`"], "$": _OPERATORS["$"]}
_BUILTINS = (
    ". : [[ alias bg break case cd command continue do done elif else esac eval exec exit export fg fi for function getopts "
    "hash if jobs let local read readonly return set shift source then times trap type ulimit umask unalias unset until "
    "wait while { } !"
)
BUILTINS = frozenset(_BUILTINS.split())


@dataclass(slots=True)
class CommandLine:
    """``shell`` is the reason why this needs a shell, else None and ``argv`` is the program with its arguments.

    ``env`` are the assignments before it, ``discards`` says that it threw output away, ``comment`` is what followed #.
    """

    env: dict[str, str] = field(default_factory=dict)
    argv: list[str] = field(default_factory=list)
    shell: str | None = None
    discards: bool = False
    comment: str = ""


def read_command_line(text: str) -> CommandLine:
    """The words of a command line as POSIX sh would split them."""
    line = CommandLine()
    reader = _Reader(text, line)
    while line.shell is None and reader.word():
        pass
    if line.shell is None and not line.argv:
        line.shell = "there is no program in it"
    elif line.shell is None and line.argv[0] in BUILTINS:
        line.shell = f"`{line.argv[0]}` is a word of the shell and no program"
    return line


class _Reader:
    """Reads word after word from the text into the line."""

    def __init__(self, text: str, line: CommandLine) -> None:
        self._text = text
        self._line = line
        self._at = 0

    def word(self) -> bool:
        """Reads one; False at the end."""
        self._skip_blanks()
        if self._at >= len(self._text):
            return False
        if match := _DISCARDING.match(self._text, self._at):
            self._line.discards = True
            self._at = match.end()
            return True
        if self._text[self._at] == "#":
            self._line.comment = self._text[self._at + 1 :].strip()
            self._at = len(self._text)
            return False
        if self._text[self._at] == "~":
            self._line.shell = "`~` is a home directory"
            return False
        start = self._at
        word = self._read()
        if word is not None:
            self._keep(word, self._text[start : self._at])
        return word is not None

    def _skip_blanks(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in " \t":
            self._at += 1

    def _read(self) -> str | None:
        word: list[str] = []
        start = self._at
        while self._at < len(self._text) and (character := self._text[self._at]) not in " \t":
            if character in "'\"":
                quoted = self._quoted(character)
                if quoted is None:
                    return None
                word.append(quoted)
            elif character == "\\":
                word.append(self._text[self._at + 1 : self._at + 2])
                self._at += 2
            elif character in "<>&" and self._at > start and _DISCARDING.match(self._text, self._at):
                # As in `cmd>/dev/null`; a number before it would be part of the redirection.
                if "".join(word).isdecimal():
                    self._line.shell = _OPERATORS[character]
                    return None
                break
            elif character in _OPERATORS:
                self._line.shell = _OPERATORS[character]
                return None
            else:
                word.append(character)
                self._at += 1
        return "".join(word)

    def _quoted(self, quote: str) -> str | None:
        end = self._at + 1
        found: list[str] = []
        while end < len(self._text) and self._text[end] != quote:
            character = self._text[end]
            if quote == '"' and character in _IN_QUOTES:
                self._line.shell = _IN_QUOTES[character]
                return None
            if quote == '"' and character == "\\" and self._text[end + 1 : end + 2] in ("$", "`", '"', "\\"):
                end += 1
                character = self._text[end]
            found.append(character)
            end += 1
        if end >= len(self._text):
            self._line.shell = f"the quote {quote} is never closed"
            return None
        self._at = end + 1
        return "".join(found)

    def _keep(self, word: str, written: str) -> None:
        if _BRACES.search(written):
            self._line.shell = "`{…}` stands for several words"
        elif not self._line.argv and (match := _ASSIGNMENT.match(written)):
            self._line.env[match[0][:-1]] = word[match.end() :]
        else:
            self._line.argv.append(word)
