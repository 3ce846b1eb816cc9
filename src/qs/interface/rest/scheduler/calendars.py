"""``/scheduler/calendars``: named holidays and make-up workdays that jobs may follow."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import FromPath
from msgspec import Meta, Struct, field

from qs.application.kernel.preconditions import PreconditionFailed
from qs.application.scheduler.authoring import JobAuthoring
from qs.application.scheduler.job_reading import JobReading
from qs.domain.identity.principal import Principal
from qs.domain.scheduler.calendars import MOST_DATES, Calendar
from qs.domain.scheduler.errors import CalendarNameTaken
from qs.interface.rest.bodies import Body, Day
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import expected_version, versioned
from qs.interface.rest.paging import Page, PageRequest, counted_pages
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.scheduler.permissions import READING, WRITING

CalendarName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        extra={"expected": "text without control characters"},
    ),
]
Days = Annotated[list[Day], Meta(max_length=MOST_DATES)]


class CalendarDays(Body):
    """All days of a calendar. A date is in one of the lists at most."""

    holidays: Days = field(default_factory=list)
    workdays: Days = field(default_factory=list)


class CalendarBody(Body):
    """A calendar. A date is in one of the lists at most."""

    name: CalendarName
    holidays: Days = field(default_factory=list)
    workdays: Days = field(default_factory=list)


class CalendarItem(Struct):
    """A calendar as a row of the list."""

    name: str
    holiday_count: int
    workday_count: int
    version: int


class CalendarView(Struct):
    """A calendar: days on which jobs rest, and days off that are worked after all."""

    name: str
    holidays: list[date]
    workdays: list[date]
    version: int

    @classmethod
    def of(cls, calendar: Calendar, version: int) -> "CalendarView":
        return cls(calendar.name, sorted(calendar.holidays), sorted(calendar.workdays), version)


NewCalendar = Annotated[
    CalendarBody,
    a_body_like(name="china-2026", holidays=["2026-10-01", "2026-10-02"], workdays=["2026-10-10"]),
]
CalendarChange = Annotated[CalendarDays, a_body_like(holidays=["2026-10-01"], workdays=[])]


class CalendarController(Controller):
    path = "/scheduler/calendars"
    tags = ("scheduler",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "authoring": given("job_authoring"),
        "reading": given("job_reading"),
        "paging": counted_pages,
    }

    @get("/", opt=READING, summary="List the calendars by name")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[JobReading],
        paging: Given[PageRequest],
    ) -> Response[Success[Page[CalendarItem]]]:
        found = await reading.calendars(request.user.home_tenant)
        shown = found[paging.offset : paging.offset + paging.page_size]
        items = [
            CalendarItem(calendar.name, len(calendar.holidays), len(calendar.workdays), version)
            for calendar, version in shown
        ]
        return success(Page(items, len(found), paging.page, paging.page_size))

    @post("/", opt={**WRITING, "idempotent": True}, summary="Create a calendar")
    async def create(
        self, data: NewCalendar, request: Request[Principal, Any, Any], authoring: Given[JobAuthoring]
    ) -> Response[Success[CalendarView]]:
        calendar = _calendar(data.name, data.holidays, data.workdays)
        try:
            version = await authoring.save_calendar(
                request.user.home_tenant, calendar, version=None, create=True, actor=request.user.actor
            )
        except PreconditionFailed as error:
            raise CalendarNameTaken(data.name) from error
        response = versioned(request, CalendarView.of(calendar, version), version, 201)
        response.headers["Location"] = f"/api/v1/scheduler/calendars/{quote(data.name, safe='')}"
        return response

    @get("/{name:str}", opt=READING, summary="Show a calendar")
    async def show(
        self, name: FromPath[str], request: Request[Principal, Any, Any], reading: Given[JobReading]
    ) -> Response[Success[CalendarView]]:
        calendar, version = await reading.calendar(request.user.home_tenant, name)
        return versioned(request, CalendarView.of(calendar, version), version)

    @put("/{name:str}", opt=WRITING, summary="Replace the days of a calendar")
    async def replace(
        self,
        name: FromPath[str],
        data: CalendarChange,
        request: Request[Principal, Any, Any],
        authoring: Given[JobAuthoring],
        reading: Given[JobReading],
    ) -> Response[Success[CalendarView]]:
        """The next slots of the jobs that follow it are computed anew; what has fired stays."""
        # Asked first: a name that cannot be one names nothing either.
        await reading.calendar(request.user.home_tenant, name)
        calendar = _calendar(name, data.holidays, data.workdays)
        version = await authoring.save_calendar(
            request.user.home_tenant,
            calendar,
            version=expected_version(request),
            create=False,
            actor=request.user.actor,
        )
        return versioned(request, CalendarView.of(calendar, version), version)

    @delete("/{name:str}", opt=WRITING, status_code=200, summary="Delete a calendar")
    async def remove(
        self, name: FromPath[str], request: Request[Principal, Any, Any], authoring: Given[JobAuthoring]
    ) -> Response[Success[None]]:
        """409 while a job follows it."""
        await authoring.remove_calendar(
            request.user.home_tenant, name, actor=request.user.actor, version=expected_version(request)
        )
        return success(None)


def _calendar(name: str, holidays: Iterable[date], workdays: Iterable[date]) -> Calendar:
    return Calendar(name=name, holidays=frozenset(holidays), workdays=frozenset(workdays))
