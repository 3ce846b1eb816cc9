"""Jobs that are written down in the code or in a table: what of them cannot be is seen, and keeps nothing else back."""

from dataclasses import dataclass, field
from typing import Any

from qs.application.scheduler.builtins import CodeSchedule
from qs.application.scheduler.declaring import CodeJobs, Desired
from qs.domain.scheduler.policies import Retry
from qs.infra.scheduler.importing.builtins_known import SHIPPED
from qs.infra.scheduler.sources.sys_crontab import desired
from qs.making import make_builtins


@dataclass
class Daily:
    name: str
    schedule: CodeSchedule | None = field(default_factory=lambda: CodeSchedule("0 2 * * *"))

    async def execute(self, context: Any, payload: Any) -> None: ...


def problems(found: Desired) -> list[str]:
    return [] if found.problem is None else [f"{p.pointer} {p.detail}" for p in found.problem.problems]


async def test_a_builtin_with_a_schedule_cannot_have_the_name_of_a_duty() -> None:
    builtins = {name: Daily(name) for name in ("retention", "tidy")}

    taken, tidy = await CodeJobs(lambda: builtins, Retry()).look() or ()

    assert taken.definition.name == "retention"
    assert "choose another, such as my-retention" in problems(taken)[0]
    assert problems(taken)[0].startswith("/name ")
    assert problems(tidy) == []


def test_a_row_of_sys_crontab_cannot_have_the_name_of_a_duty() -> None:
    rows = [
        (1, "sync-plan", "hello_job", "@daily", "", 1, None),
        (2, "mine", "hello_job", "@daily", "", 1, None),
    ]

    taken, mine = desired(rows, Retry())

    assert "choose another, such as my-sync-plan" in problems(taken)[0]
    assert problems(mine) == []


class _Anything:
    """A container that has every provider."""

    def __getattr__(self, name: str) -> Any:
        return lambda: None


def test_importers_know_the_builtins_that_are_registered() -> None:
    """They cannot ask: what is registered lies further out than they do."""
    assert make_builtins(_Anything()).keys() == SHIPPED
