"""``GET /overview``: how a tenant stands at a moment, each part for those who may read it."""

from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Request, Response, get
from msgspec import Meta, Struct

from qs.application.kernel.event_standing import EventStandings
from qs.application.notification.standing import MessageStandings
from qs.application.plan.standing import TaskStandings
from qs.application.scheduler.standing import JobStandings
from qs.domain.identity.principal import Principal
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success

Counted = Annotated[int, Meta(description="Up to 10000; what is more is told as that.", examples=[12])]


class TasksOverview(Struct, kw_only=True):
    """Instants are business time."""

    now: datetime
    due: Counted
    oldest_due_at: Annotated[datetime | None, Meta(description="Null where nothing is due.")]
    opened: Counted
    closing: Annotated[int, Meta(description="Of the opened ones, those that expire within 24 hours.")]


class EventsOverview(Struct, kw_only=True):
    unpublished: int
    unacknowledged: Annotated[int, Meta(description="What a subscriber inside qs has not acted on yet.")]
    dead: Annotated[int, Meta(description="Given up, until they are replayed.")]


class MessagesOverview(Struct, kw_only=True):
    waiting: Counted
    dead: Annotated[int, Meta(description="Given up, until they are replayed; up to 10000.")]


class JobsOverview(Struct, kw_only=True):
    failing: Annotated[int, Meta(description="Jobs switched on that failed since they last succeeded.")]
    active: Annotated[int, Meta(description="Executions that wait or run.")]


class Overview(Struct, kw_only=True):
    """A part is null for callers without its scope: `tasks:read`, `events:read`, `notifications:read`, `scheduler:read`."""

    tasks: TasksOverview | None
    events: EventsOverview | None
    messages: MessagesOverview | None
    jobs: JobsOverview | None


@get(
    "/overview",
    opt={"scope": ("tasks:read", "events:read", "notifications:read", "scheduler:read")},
    tags=["overview"],
    summary="Show how the tenant stands",
    dependencies={
        "tasks": given("task_standings"),
        "events": given("event_standings"),
        "messages": given("message_standings"),
        "jobs": given("job_standings"),
    },
)
async def overview(
    request: Request[Principal, Any, Any],
    tasks: Given[TaskStandings],
    events: Given[EventStandings],
    messages: Given[MessageStandings],
    jobs: Given[JobStandings],
) -> Response[Success[Overview]]:
    """What is due, what waits, what was given up and what fails: counts, each of which a list shows one by one."""
    who = request.user
    return success(
        Overview(
            tasks=await _tasks(tasks, who) if who.may_any(("tasks:read",)) else None,
            events=await _events(events, who) if who.may_any(("events:read",)) else None,
            messages=await _messages(messages, who) if who.may_any(("notifications:read",)) else None,
            jobs=await _jobs(jobs, who) if who.may_any(("scheduler:read",)) else None,
        )
    )


async def _tasks(standings: TaskStandings, who: Principal) -> TasksOverview:
    found = await standings.of(who.home_tenant)
    oldest = found.oldest_due_at
    return TasksOverview(
        now=found.now.astimezone(UTC),
        due=found.due,
        oldest_due_at=oldest and oldest.astimezone(UTC),
        opened=found.opened,
        closing=found.closing,
    )


async def _events(standings: EventStandings, who: Principal) -> EventsOverview:
    found = await standings.of(who.home_tenant)
    return EventsOverview(unpublished=found.unpublished, unacknowledged=found.unacknowledged, dead=found.dead)


async def _messages(standings: MessageStandings, who: Principal) -> MessagesOverview:
    found = await standings.of(who.home_tenant)
    return MessagesOverview(waiting=found.waiting, dead=found.dead)


async def _jobs(standings: JobStandings, who: Principal) -> JobsOverview:
    found = await standings.of(who.home_tenant)
    return JobsOverview(failing=found.failing, active=found.active)
