"""Jobs written in Python: how they are registered, and what those that ship do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from qs.application.kernel.mailing import Mail, MailFailure
from qs.application.scheduler.builtins import (
    BuiltinContext,
    CodeSchedule,
    PermanentFailure,
    Registration,
    builtin,
)
from qs.application.statistics.ports import DailyRow
from qs.application.statistics.reading import Basis
from qs.interface.jobs import REGISTRATIONS
from qs.interface.jobs.daily_report import DailyReport
from qs.interface.jobs.daily_stats import daily_stats

TENANT = uuid4()
NOW = datetime(2026, 3, 9, 18, 30, tzinfo=UTC)  # the tenth, half past two, in Shanghai
COUNTS = {"enrolled": 2, "opened": 10, "completed": 7, "on_time": 6, "expired": 1}


class Quiet:
    """A log that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Mapping[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))


@dataclass
class FakeStatistics:
    """Figures of one tenant whose business date is ``today``."""

    today: date = date(2026, 3, 10)
    figures: Mapping[date, Mapping[str, int]] = field(default_factory=lambda: {date(2026, 3, 9): COUNTS})
    as_of: datetime | None = NOW

    async def daily(
        self,
        tenant_id: UUID,
        dimension: str,
        key: str,
        from_: date | None = None,
        to: date | None = None,
    ) -> Sequence[DailyRow]:
        assert (tenant_id, dimension, key) == (TENANT, "tenant", str(TENANT))
        assert from_ is not None
        counts = self.figures.get(from_)
        return [] if counts is None else [DailyRow(from_, dict(counts), 1, None, NOW)]

    async def span(self, tenant_id: UUID, from_: date | None, to: date | None) -> tuple[date, date]:
        return self.today - timedelta(days=29), self.today

    async def basis(self, tenant_id: UUID) -> Basis:
        return Basis(self.as_of, "Asia/Shanghai", 1)


@dataclass
class Address:
    channel: str
    address: str


class FakeStaff:
    def __init__(self, *contacts: Address) -> None:
        self._contacts = contacts

    async def contacts(self, tenant_id: UUID) -> Sequence[Address]:
        return self._contacts


class FakeMailer:
    """Accepts everything but what ``failures`` names by address."""

    def __init__(self, **failures: MailFailure) -> None:
        self.sent: list[Mail] = []
        self._failures = failures

    async def send(self, mail: Mail) -> str:
        if failure := self._failures.get(mail.to.partition("@")[0]):
            raise failure
        self.sent.append(mail)
        return "250 OK"


def a_context(scheduled_at: datetime | None = None, execution_id: UUID | None = None) -> BuiltinContext:
    return BuiltinContext(
        execution_id=execution_id or uuid4(),
        job_id=uuid4(),
        job_name="daily",
        tenant_id=TENANT,
        actor="clock:jobs",
        attempt=1,
        scheduled_at=scheduled_at,
        idempotency_key="key",
        deadline=monotonic() + 60,
        log=Quiet(),
    )


def report(mailer: FakeMailer, *staff: Address, language: str = "en") -> DailyReport:
    return DailyReport(FakeStatistics(), FakeStaff(*staff), mailer, lambda: NOW, language)


def stats(statistics: FakeStatistics | None = None) -> Any:
    return daily_stats.make(statistics=statistics or FakeStatistics(), clock=lambda: NOW)


def test_no_builtin_that_ships_fires_unasked_and_each_has_a_name_of_its_own():
    made = [registration.make(**dict.fromkeys(registration.needs)) for registration in REGISTRATIONS]

    assert [each.name for each in made] == [
        "hello_job",
        "cleanup_job",
        "task:daily-stats",
        "task:daily-report",
    ]
    assert {each.schedule for each in made} == {None}


async def test_a_function_is_a_builtin_with_its_services():
    @builtin("tidy", cron="0 2 * * *", timezone="UTC", needs={"shelf": "shelves"})
    async def tidy(
        context: BuiltinContext, payload: Mapping[str, Any], *, shelf: list[str]
    ) -> Mapping[str, Any]:
        shelf.append(str(payload["what"]))
        return {"on the shelf": len(shelf)}

    made = tidy.make(shelf=(shelf := ["a cup"]))

    assert (made.name, made.schedule, tidy.needs) == (
        "tidy",
        CodeSchedule("0 2 * * *", "UTC"),
        {"shelf": "shelves"},
    )
    assert await made.execute(a_context(), {"what": "a book"}) == {"on the shelf": 2}
    assert shelf == ["a cup", "a book"]


async def test_a_class_is_a_builtin_and_stays_a_class():
    @builtin("greet", cron="@hourly", needs={"whom": "people"})
    class Greeting:
        def __init__(self, whom: str) -> None:
            self.whom = whom

        async def execute(self, context: BuiltinContext, payload: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"hello": self.whom}

    registration = Registration.of(Greeting)
    made = registration.make(whom="Eva")

    assert isinstance(made, Greeting)
    assert (made.name, made.schedule) == ("greet", CodeSchedule("@hourly"))  # type: ignore[attr-defined]
    assert registration.needs == {"whom": "people"}
    assert await made.execute(a_context(), {}) == {"hello": "Eva"}


async def test_yesterdays_figures_are_those_of_the_day_before_in_the_tenants_zone():
    told = await stats().execute(a_context(), {})

    assert (told["date"], told["timezone"]) == ("2026-03-09", "Asia/Shanghai")
    assert told["counts"]["completed"] == 7
    assert told["counts"]["missed"] == 0
    assert told["rates"]["completion"] == {"n": 7, "d": 8, "rate": 7 / 8}


@pytest.mark.parametrize(
    ("scheduled_at", "day"),
    [
        (datetime(2026, 3, 9, 18, 0, tzinfo=UTC), "2026-03-09"),
        # A slot of the eighth, run two days late, tells of the seventh.
        (datetime(2026, 3, 7, 18, 0, tzinfo=UTC), "2026-03-07"),
        (datetime(2026, 3, 9, 15, 59, tzinfo=UTC), "2026-03-08"),
    ],
)
async def test_a_slot_that_is_run_late_tells_of_its_own_day(scheduled_at: datetime, day: str):
    assert (await stats().execute(a_context(scheduled_at), {}))["date"] == day


async def test_where_the_business_clock_is_ahead_its_yesterday_counts():
    ahead = FakeStatistics(today=date(2026, 6, 1))

    assert (await stats(ahead).execute(a_context(NOW), {}))["date"] == "2026-05-31"


async def test_a_date_may_be_asked_for_and_must_be_one():
    assert (await stats().execute(a_context(), {"date": "2026-01-02"}))["counts"]["completed"] == 0
    for wrong in ("yesterday", 20260309, "2026-02-30"):
        with pytest.raises(PermanentFailure, match="date"):
            await stats().execute(a_context(), {"date": wrong})


async def test_the_report_goes_to_the_staff_one_mail_each_under_ids_that_stay_the_same():
    mailer, context = FakeMailer(), a_context()
    job = report(mailer, Address("email", "a@x.org"), Address("pager", "7"), Address("email", "b@x.org"))

    first = await job.execute(context, {})
    await job.execute(context, {})

    assert first == {"date": "2026-03-09", "mailed": 2, "refused": 0}
    assert [mail.to for mail in mailer.sent[:2]] == ["a@x.org", "b@x.org"]
    assert [mail.id for mail in mailer.sent[:2]] == [
        uuid5(context.execution_id, "a@x.org"),
        uuid5(context.execution_id, "b@x.org"),
    ]
    assert [mail.id for mail in mailer.sent[2:]] == [mail.id for mail in mailer.sent[:2]]


async def test_the_report_is_in_english_or_chinese():
    mailer = FakeMailer()
    await report(mailer).execute(a_context(), {"to": "a@x.org"})
    await report(mailer, language="zh").execute(a_context(), {"to": ["a@x.org"]})
    await report(mailer).execute(a_context(), {"to": "a@x.org", "lang": "zh"})

    english, chinese, asked_for = mailer.sent
    assert (english.subject, english.language) == ("Figures of 2026-03-09", "en")
    assert "Tasks completed: 7" in english.text
    assert "Completion: 7 of 8 (87.5 %)" in english.text
    assert "as of 2026-03-10 02:30" in english.text
    assert (chinese.subject, chinese.language) == ("2026-03-09 数据日报", "zh")
    assert "已完成任务：7" in chinese.text
    assert (asked_for.subject, asked_for.text) == (chinese.subject, chinese.text)


@pytest.mark.parametrize(
    "payload", [{}, {"to": []}, {"to": 7}, {"to": ["a@x.org", 7]}, {"to": "a@x.org", "lang": "fr"}]
)
async def test_what_no_further_attempt_would_mend_fails_for_good(payload: Mapping[str, Any]):
    mailer = FakeMailer()

    with pytest.raises(PermanentFailure):
        await report(mailer).execute(a_context(), payload)

    assert mailer.sent == []


async def test_one_refused_address_keeps_the_report_from_nobody_else():
    mailer = FakeMailer(bad=MailFailure("550 unknown", permanent=True))

    told = await report(mailer).execute(a_context(), {"to": ["bad@x.org", "a@x.org"]})

    assert told == {"date": "2026-03-09", "mailed": 1, "refused": 1}


async def test_a_mail_server_that_is_away_fails_the_attempt_for_now():
    mailer = FakeMailer(late=MailFailure("451 later", permanent=False))

    with pytest.raises(MailFailure) as failure:
        await report(mailer).execute(a_context(), {"to": ["late@x.org", "a@x.org"]})

    assert not failure.value.permanent
    assert [mail.to for mail in mailer.sent] == ["a@x.org"]


async def test_when_all_are_refused_the_report_fails_for_good():
    mailer = FakeMailer(bad=MailFailure("550 unknown", permanent=True))

    with pytest.raises(MailFailure) as failure:
        await report(mailer).execute(a_context(), {"to": "bad@x.org"})

    assert failure.value.permanent


async def test_no_address_is_in_what_the_report_returns_or_logs():
    context = a_context()

    told = await report(FakeMailer()).execute(context, {"to": "anna@x.org"})

    assert "anna" not in repr(told) + repr(context.log.__dict__)
