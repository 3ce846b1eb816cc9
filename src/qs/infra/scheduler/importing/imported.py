"""What an importer gives: jobs as documents, drafted commands, and a note for everything that is not the same any more."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from qs.application.scheduler.ecron import command_name
from qs.application.scheduler.job_documents import read_job
from qs.domain.kernel.errors import Invalid, Problem, QsError
from qs.domain.scheduler.duty import DUTY_NAMES
from qs.domain.scheduler.triggers.reading import read_trigger
from qs.infra.scheduler.executors import http_target
from qs.infra.scheduler.files.showing import shown

MOST_JOBS = 10_000

_LONGEST_NAME = 200
_LONGEST_REMARKS = 2000
_LONGEST_COMMAND = 64
_ORDER = ("type", "schedule", "timezone", "enabled", "target", "payload")
_ANY_JOB = UUID(int=0)


class ImportRefused(QsError):
    """The file is not what the importer reads, so nothing of it is taken."""

    code = "import.refused"

    def __init__(self, line: int | None, why: str) -> None:
        self.line = line
        at = f"line {line}: " if line else ""
        super().__init__(f"nothing was imported: {at}{why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that is not carried over as it is. ``needs_person``: it is not done until somebody has acted."""

    line: int | None
    what: str
    why: str
    what_to_do: str
    needs_person: bool = True

    def __str__(self) -> str:
        at = f"line {self.line}: " if self.line else ""
        return f"{at}{self.what}: {self.why}; {self.what_to_do}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """``jobs`` are documents for a job file, ``commands`` entries for the allow-list, ``scripts`` files to create."""

    jobs: tuple[dict[str, Any], ...] = ()
    commands: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nobody has to do anything about it."""
        return not any(note.needs_person for note in self.notes)


class Draft:
    """Collects what is imported, and refuses to collect what could not be applied."""

    def __init__(self) -> None:
        self._jobs: list[dict[str, Any]] = []
        self._names = _Names(_LONGEST_NAME)
        self._command_names = _Names(_LONGEST_COMMAND)
        self._script_names = _Names(_LONGEST_COMMAND)
        self._commands: dict[str, dict[str, Any]] = {}
        self._entries: dict[str, str] = {}
        self._scripts: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._notes: list[Note] = []

    def note(
        self, line: int | None, what: str, why: str, what_to_do: str, *, needs_person: bool = True
    ) -> None:
        """Something for the person to know; each is told once."""
        note = Note(line=line, what=what, why=why, what_to_do=what_to_do, needs_person=needs_person)
        if note not in self._notes[-20:]:
            self._notes.append(note)

    def carried(
        self, line: int | None, what: str, why: str, what_to_do: str = "nothing has to be done"
    ) -> None:
        """The same of what works without anybody's help."""
        self.note(line, what, why, what_to_do, needs_person=False)

    def add(self, document: Mapping[str, Any], line: int | None) -> bool:
        """Takes a job, under a name of its own; one that qs would refuse is noted and left out, which gives False."""
        if len(self._jobs) >= MOST_JOBS:
            raise ImportRefused(line, f"there are more than {MOST_JOBS} jobs; import the file in parts")
        if not self.takes(document, line):
            return False
        job = _clean(document)
        job["name"] = self._named(str(document.get("name") or ""), line)
        self._jobs.append(job)
        return True

    def takes(self, document: Mapping[str, Any], line: int | None) -> bool:
        """Whether qs would take such a job; if not, that and why is noted."""
        problems = list(_problems(_clean(document)))
        for problem in problems:
            field = problem.pointer.strip("/").replace("/", ".") or "it"
            self.note(
                line,
                f"job {shown(str(document.get('name') or ''))} was left out",
                f"{field}: {problem.detail}",
                "write this job by hand",
            )
        return not problems

    def command(self, wanted: str, entry: dict[str, Any]) -> str:
        """The name under which the allow-list is to have this entry; equal entries share one."""
        key = json.dumps(entry, sort_keys=True)
        if key not in self._entries:
            self._entries[key] = self._command_names.give(slug(wanted))
            self._commands[self._entries[key]] = entry
        return self._entries[key]

    def script(self, wanted: str, content: str) -> str:
        """The path of a script that somebody has to create; equal scripts share one."""
        if content in self._paths:
            return self._paths[content]
        path = f"/usr/local/lib/qs/jobs/{self._script_names.give(slug(wanted))}.sh"
        self._scripts[path] = content
        self._paths[content] = path
        return path

    def imported(self) -> Imported:
        """All of it."""
        return Imported(
            jobs=tuple(self._jobs), commands=self._commands, scripts=self._scripts, notes=tuple(self._notes)
        )

    def _named(self, wanted: str, line: int | None) -> str:
        clean = _clean_name(wanted)
        name = self._names.give(clean)
        if name != wanted:
            why = "a name is 1 to 190 printable characters"
            if name != clean:
                why = "another job has that name already"
            elif wanted.strip() in DUTY_NAMES:
                why = "a duty of qs has that name"
            self.carried(
                line, f"job {shown(wanted)} is called {shown(name)} now", why, "rename it if you like"
            )
        return name


def slug(text: str) -> str:
    """A name for a command: small letters, digits and hyphens, as ECron's command lines are named."""
    return command_name(text) or "command"


def decoded(content: bytes, most_bytes: int) -> str:
    """The text of a file that somebody hands in. Raises ImportRefused with the line."""
    if len(content) > most_bytes:
        raise ImportRefused(
            None,
            f"the file is {len(content)} bytes, and {most_bytes} are the most; export only what is to be imported",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ImportRefused(
            line,
            f"byte 0x{content[error.start]:02x} is not UTF-8; convert the file, for example with iconv -t UTF-8",
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ImportRefused(line, "NUL is no text; this is a binary file, hand in the text it was made from")
    return text


def _problems(document: Mapping[str, Any]) -> Iterable[Problem]:
    try:
        definition = read_job(document)
        read_trigger(definition.trigger, job_id=_ANY_JOB, default_timezone="UTC")
    except Invalid as invalid:
        return invalid.problems
    check = _CHECKS.get(definition.target.kind)
    return check(definition.target.spec) if check else ()


def _of_http(spec: Mapping[str, Any]) -> Iterable[Problem]:
    return [Problem(f"/target/http{each.pointer}", each.detail) for each in http_target.check(spec).problems]


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[Problem]]] = {"http": _of_http}


class _Names:
    """Names that are given once; the second who wants one gets it with a number."""

    def __init__(self, longest: int) -> None:
        self._given: dict[str, int] = {}
        self._longest = longest

    def give(self, wanted: str) -> str:
        name, number = wanted, self._given.get(wanted, 0)
        while name in self._given:
            number = max(2, number + 1)
            name = f"{wanted[: self._longest - 6]}-{number}"
        self._given[wanted] = number
        self._given.setdefault(name, 0)
        return name


def _clean(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with a name and remarks that may be, and without what is None."""
    job = {"name": _clean_name(str(document.get("name") or ""))}
    rest = sorted((key for key in document if key != "name"), key=_place)
    job |= {key: document[key] for key in rest if document[key] is not None}
    if "remarks" in job:
        job["remarks"] = _printable(job["remarks"], multiline=True)[:_LONGEST_REMARKS]
    return job


def _place(key: str) -> int:
    return _ORDER.index(key) if key in _ORDER else len(_ORDER)


def _clean_name(wanted: str) -> str:
    name = _printable(wanted).strip()[: _LONGEST_NAME - 10].strip() or "job"
    return f"{name}-job" if name in DUTY_NAMES else name


def _printable(text: str, *, multiline: bool = False) -> str:
    kept = "\n\t" if multiline else ""
    return "".join(each if each.isprintable() or each in kept else " " for each in text)
