"""What the verbs of `qs job` have in common: whom they ask, jobs by name or id, and what was typed."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from qs.application.scheduler.document_fields import Fields
from qs.application.scheduler.job_ports import JobFilter
from qs.domain.kernel.errors import Invalid, QsError
from qs.domain.scheduler.errors import JobAbsent, JobBusy
from qs.domain.scheduler.job import Job
from qs.interface.cli.output import fail, misuse, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import tenant_of
from qs.interface.rest.parsing import is_storable, parse_json

if TYPE_CHECKING:
    from qs.container import Container

T = TypeVar("T")

JobName = Annotated[str, typer.Argument(metavar="NAME", help="The job's name, or its id.")]
ExecutionId = Annotated[str, typer.Argument(metavar="EXECUTION", help="The id of an execution.")]

_NEAR = 3


def ask(tenant: str, question: Callable[["Container", UUID], Awaitable[T]]) -> T:
    """The answer, with a container and the tenant's id; what was refused on purpose ends the verb with 1."""

    async def work() -> T:
        async with open_container() as container:
            return await question(container, await tenant_of(container, tenant))

    return run_async(work())


async def job_named(container: "Container", tenant_id: UUID, text: str) -> Job:
    """The job of that name, else of that id. Raises JobAbsent, with the names that come near."""
    reading = container.job_reading()
    try:
        return await reading.named(tenant_id, storable(text, "NAME"))
    except JobAbsent:
        if (wanted := _uuid(text)) is None:
            raise JobAbsent(await _nothing_named(container, tenant_id, text)) from None
    return (await reading.job(tenant_id, wanted)).job


@contextmanager
def busy_plainly() -> Iterator[None]:
    """Inside the block a job that is active already ends the verb with 1, and the option that runs it all the same."""
    try:
        yield
    except JobBusy as error:
        fail(error.sentence.replace("force=true", "--force"))


def execution_named(text: str) -> UUID:
    """The id that was typed; anything else is misuse."""
    found = _uuid(text)
    if found is None:
        misuse(f"{text[:60]} is no execution id; copy one from `qs job executions`")
    return found


def storable(text: str, option: str) -> str:
    """The text, which a database can hold; anything else is misuse."""
    if not is_storable(text):
        misuse(f"{option} is no UTF-8 text; write it anew")
    return text


def read_payload(text: str | None) -> dict[str, Any] | None:
    """The object that was given by ``--payload``; anything else is misuse."""
    if text is None:
        return None
    fields = Fields({"payload": read_object(text, "--payload")})
    payload = dict(fields.object("payload"))
    if fields.problems:
        misuse(f"--payload {fields.problems[0].detail}")
    return payload


def read_object(text: str, option: str) -> dict[str, Any]:
    """The JSON object in the text; anything else is misuse of that option."""
    try:
        value = parse_json(storable(text, option).encode())
    except Invalid as error:
        misuse(f"{option}{error.problems[0].pointer} {error.problems[0].detail}")
    except QsError as error:
        misuse(error.sentence.replace("the body", option, 1))
    if not isinstance(value, dict):
        misuse(f"""{option} must be a JSON object, such as '{{"days": 7}}'""")
    return dict(value)


def read_instant(text: str, option: str, tz: ZoneInfo) -> datetime:
    """The instant that was typed, by the clocks of ``tz`` where it has no offset; anything else is misuse."""
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=tz)).astimezone(tz)
    except (ValueError, OverflowError):
        misuse(
            f"{option} {text[:60]} is no instant; write 2026-03-01, 2026-03-01T09:00 or 2026-03-01T09:00:00+08:00"
        )


def default_zone(container: "Container") -> str:
    """The name of the zone that jobs without one of their own follow."""
    settings = container.settings()
    return settings.scheduler.timezone or settings.timezone


async def _nothing_named(container: "Container", tenant_id: UUID, text: str) -> str:
    from difflib import get_close_matches

    async with container.job_uow()(tenant_id) as uow:
        names = [job.name for job in await uow.jobs.list(JobFilter(), offset=0, size=1000)]
    near = get_close_matches(text, names, n=_NEAR)
    meant = f"did you mean {' or '.join(map(repr, near))}?" if near else "`qs job list` shows those there are"
    return f"there is no job {text[:200]!r}; {meant}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
