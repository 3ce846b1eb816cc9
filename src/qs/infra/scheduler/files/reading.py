"""Job documents in files: a list, a list under ``jobs:``, or ``scheduler.jobs`` of a qs.yaml, each with its line."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qs.application.scheduler.job_documents import read_job, write_job
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.job import JobDefinition, Target
from qs.domain.scheduler.policies import Retry
from qs.domain.scheduler.triggers.spec import TriggerKind, TriggerSpec
from qs.infra.scheduler.files.problems import FileProblem, JobFileInvalid
from qs.infra.scheduler.files.showing import shown
from qs.infra.scheduler.files.strict_yaml import LARGEST_BYTES, Tree, YamlRefused, nearest_line, read_yaml

MOST_JOBS = 10_000

_ABSENT = object()
_EXPECTED = "expected a list of jobs, each beginning with `- name:`, or `jobs:` and the list below it"
_FIELDS = write_job(
    JobDefinition(
        name="job",
        trigger=TriggerSpec(type=TriggerKind.CRON, schedule="@daily"),
        target=Target(kind="builtin", spec={"name": "job"}),
    )
)

Check = Callable[[JobDefinition], object]


@dataclass(frozen=True, slots=True)
class LocatedJob:
    """A job document as it was written, and where it stands."""

    document: Any
    file: str
    at: str
    lines: Mapping[str, int]

    @property
    def line(self) -> int:
        """The line it begins on, counted from 1."""
        return self.lines[self.at]

    def locate(self, problems: Iterable[Problem]) -> Iterator[FileProblem]:
        """The problems that readers of the document raise, each with its line, field and value."""
        for problem in problems:
            field = problem.pointer.strip("/").replace("/", ".").replace("~1", "/").replace("~0", "~")
            yield FileProblem(
                file=self.file,
                line=nearest_line(self.lines, self.at + problem.pointer),
                field=field,
                value=self._shown(problem.pointer, field),
                detail=_with_a_way_out(problem),
            )

    def _shown(self, pointer: str, field: str) -> str | None:
        value = _value_at(self.document, pointer)
        if value is _ABSENT:
            # Of a policy that is given by its name alone the reader tells as if it stood under policy.
            value = _value_at(self.document, pointer.rpartition("/")[0])
            return shown(value, field) if isinstance(value, str) else None
        return None if not field and isinstance(value, Mapping) else shown(value, field)


@dataclass(frozen=True, slots=True)
class JobFile:
    """The jobs of one file, in its order."""

    name: str
    jobs: tuple[LocatedJob, ...] = ()

    def definitions(self, defaults: Retry | None = None, check: Check | None = None) -> list[JobDefinition]:
        """All of them read; ``check`` looks at each and raises Invalid where a schedule or a target cannot be.

        Raises:
            JobFileInvalid: with every problem of every job; then none of them may be taken.
        """
        found: list[JobDefinition] = []
        problems: list[FileProblem] = []
        lines: dict[str, int] = {}
        for job in self.jobs:
            try:
                definition = read_job(job.document, defaults)
                if check is not None:
                    check(definition)
            except Invalid as invalid:
                problems += job.locate(invalid.problems)
                continue
            if definition.name in lines:
                taken = f"is the name of the job in line {lines[definition.name]} too; give each a name of its own"
                problems += job.locate([Problem("/name", taken)])
            lines.setdefault(definition.name, job.line)
            found.append(definition)
        if problems:
            raise JobFileInvalid(problems)
        return found


def read_job_file(source: Path | str | bytes, name: str | None = None) -> JobFile:
    """The jobs in a file, or in text that is called ``name`` in complaints.

    Whether a document is a job is for ``JobFile.definitions``. A file without a word is refused, since it is more
    likely cut off than meant; `jobs: []` means no jobs.

    Raises:
        JobFileInvalid: it cannot be read, or is no such YAML.
    """
    name = name or (str(source) if isinstance(source, Path) else "the text")
    tree = _tree(source, name)
    if tree.empty or tree.value is None:
        raise JobFileInvalid(
            [FileProblem(file=name, line=1, detail="is empty; write `jobs: []` for no jobs at all")]
        )
    value = tree.value
    if isinstance(value, dict) and "scheduler" in value:
        return _of_settings(tree, name)
    if isinstance(value, dict) and "jobs" in value:
        for key in value:
            if key != "jobs":
                raise _refused(
                    tree, name, f"/{key}", "is not read beside jobs; take it out, or put it into each job"
                )
        return _located(tree, name, "/jobs", value["jobs"])
    if isinstance(value, dict) and "name" in value:
        raise _refused(tree, name, "", f"is one job and no list; {_EXPECTED}")
    return _located(tree, name, "", value)


def read_declared_jobs(settings: Path | bytes, name: str | None = None) -> JobFile:
    """``scheduler.jobs`` of a qs.yaml; none where it has no such section. What else is in it is for the settings.

    Raises:
        JobFileInvalid: it cannot be read, is empty or is no such YAML: the last good jobs must stay.
    """
    name = name or (str(settings) if isinstance(settings, Path) else "the settings")
    tree = _tree(settings, name)
    if tree.empty:
        raise JobFileInvalid(
            [FileProblem(file=name, line=1, detail="is empty; it may be half written, so save it again")]
        )
    return _of_settings(tree, name)


def _of_settings(tree: Tree, name: str) -> JobFile:
    settings = tree.value if isinstance(tree.value, dict) else {}
    section = settings.get("scheduler")
    if section is None:
        return JobFile(name)
    if not isinstance(section, dict):
        raise _refused(tree, name, "/scheduler", "is a section; write `jobs:` below it, indented")
    if section.get("jobs") is None:
        return JobFile(name)
    return _located(tree, name, "/scheduler/jobs", section["jobs"])


def _tree(source: Path | str | bytes, name: str) -> Tree:
    try:
        return read_yaml(_content(source) if isinstance(source, Path) else source)
    except OSError as error:
        detail = f"cannot be read ({error.strerror}); check the path and who may read it"
        raise JobFileInvalid([FileProblem(file=name, line=1, detail=detail)]) from error
    except YamlRefused as refused:
        problem = FileProblem(file=name, line=refused.line, value=refused.value, detail=refused.detail)
        raise JobFileInvalid([problem]) from refused


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_BYTES + 1)


def _located(tree: Tree, name: str, at: str, value: Any) -> JobFile:
    if value is None and at:
        raise _refused(tree, name, at, "is empty; write `jobs: []` for no jobs at all")
    if not isinstance(value, list):
        raise _refused(tree, name, at, f"is no list; {_EXPECTED}")
    if len(value) > MOST_JOBS:
        raise _refused(
            tree,
            name,
            f"{at}/{MOST_JOBS}",
            f"is job {MOST_JOBS + 1}, and {MOST_JOBS} are the most; make it several files",
        )
    return JobFile(
        name, tuple(LocatedJob(each, name, f"{at}/{index}", tree.lines) for index, each in enumerate(value))
    )


def _refused(tree: Tree, name: str, at: str, detail: str) -> JobFileInvalid:
    value = _value_at(tree.value, at)
    problem = FileProblem(
        file=name,
        line=tree.line_of(at),
        field=at.strip("/").replace("/", "."),
        value=None if value is _ABSENT else shown(value, at),
        detail=detail,
    )
    return JobFileInvalid([problem])


def _value_at(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _ABSENT
    return value


def _with_a_way_out(problem: Problem) -> str:
    """What read_job says in a form that shows the line beside it is enough; here the way out is added."""
    if problem.detail == "is missing":
        return "is missing; add it to the job"
    if problem.detail != "is not a field here":
        return problem.detail
    *around, key = problem.pointer.split("/")[1:]
    known = _value_at(_FIELDS, "".join(f"/{part}" for part in around))
    near = difflib.get_close_matches(key, list(known) if isinstance(known, dict) else [], n=1)
    return f"is not a field here; {f'did you mean {near[0]}?' if near else 'take it out'}"
