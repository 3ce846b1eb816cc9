"""What is wrong with a file that people write, line by line."""

from collections.abc import Iterable
from dataclasses import dataclass

from qs.domain.kernel.errors import Invalid, Problem

_MOST_TOLD = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """One thing wrong in one place. ``field`` is dotted and empty where no field is meant; ``value`` as it may be shown.

    Its text is ``file:line: field: value: detail``, and ``detail`` says what would be right.
    """

    file: str
    line: int
    field: str = ""
    value: str | None = None
    detail: str

    def __str__(self) -> str:
        parts = (f"{self.file}:{self.line}", self.field, self.value or "", self.detail)
        return ": ".join(part for part in parts if part)


class JobFileInvalid(Invalid):
    """Jobs in a file break rules, so that none of the file is taken; ``found`` names every line."""

    code = "job_file.invalid"

    def __init__(self, found: Iterable[FileProblem]) -> None:
        self.found = tuple(found)
        first = self.found[0]
        told = "".join(f"\n  {problem}" for problem in self.found[:_MOST_TOLD])
        if len(self.found) > _MOST_TOLD:
            told += f"\n  and {len(self.found) - _MOST_TOLD} more"
        super().__init__(
            [
                Problem(problem.field.replace(".", "/"), f"{problem.file}:{problem.line}: {problem.detail}")
                for problem in self.found[:_MOST_TOLD]
            ],
            f"the jobs in {first.file} cannot be read, so none of them was taken; correct these lines and try again:{told}",
        )
