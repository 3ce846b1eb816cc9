"""Pictures of statistics: which figures go into which picture, and what stands over it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from qs.application.statistics.drawing import (
    Chart,
    CompletionByDay,
    CompletionByOccasion,
    Drawing,
    Drawn,
    Heading,
    Look,
    Retention,
    Trend,
)
from qs.application.statistics.picture_words import ENGLISH, Words
from qs.application.statistics.reading import LONGEST_SPAN, FiguresView, StatisticsReading
from qs.domain.kernel.errors import Problem
from qs.domain.kernel.zones import zone
from qs.domain.statistics.errors import PictureUndated, RetentionNeedsPlan
from qs.domain.statistics.metrics import Counts, Dimension
from qs.domain.statistics.rates import Rate

Period = tuple[date | None, date | None]
"""The first and the last civil date; without one it goes as far as there are figures."""

ALWAYS: Period = (None, None)


class Picture(StrEnum):
    """Tasks a day; the part that was answered; how long people stay."""

    TREND = "trend"
    COMPLETION = "completion"
    RETENTION = "retention"


def dimensions_of(picture: Picture) -> tuple[Dimension, ...]:
    """Whose figures the picture can show."""
    return (Dimension.PLAN,) if picture is Picture.RETENTION else tuple(Dimension)


def is_by_date(picture: Picture, dimension: Dimension) -> bool:
    """Whether it shows civil dates: completion of a plan is by occasion, and retention by days since the first."""
    return picture is Picture.TREND or (picture is Picture.COMPLETION and dimension is not Dimension.PLAN)


class StatisticsPictures:
    """Every method sees only the given tenant, and raises NothingCounted for what is not there."""

    def __init__(self, reading: StatisticsReading, drawing: Drawing) -> None:
        self._reading = reading
        self._drawing = drawing

    def missing(self) -> str | None:
        """What to install before anything can be drawn; None where all is there."""
        return self._drawing.missing()

    async def draw(self, chart: Chart, look: Look) -> Drawn:
        """The file of it. Raises DrawingMissing, DrawingBusy."""
        return await self._drawing.draw(chart, look)

    async def chart(
        self,
        tenant_id: UUID,
        picture: Picture,
        dimension: Dimension,
        key: str,
        *,
        name: str | None = None,
        period: Period = ALWAYS,
        words: Words = ENGLISH,
    ) -> Chart:
        """The figures of the picture under their heading, which calls whose they are by ``name``, else by the key.

        By date it shows all dates there are, the last 400 where they are more, or those of the period.

        Raises:
            RetentionNeedsPlan: people stay in plans, and this is none.
            PictureUndated: a period is given, and the picture is not by date.
            SpanTooLong: the period is longer than 400 dates, or ends before it begins.
        """
        if dimension not in dimensions_of(picture):
            raise RetentionNeedsPlan
        subject = name or _called(dimension, key, words)
        if not is_by_date(picture, dimension):
            _refuse(period)
            return await self._of_plan(tenant_id, picture, UUID(key), subject, words)
        figures = await self._reading.figures(tenant_id, dimension, key)
        heading = _heading(subject, figures.as_of, figures.timezone, words)
        days = await self._days(tenant_id, figures, period)
        return Trend(heading, days) if picture is Picture.TREND else CompletionByDay(heading, days)

    async def _of_plan(
        self, tenant_id: UUID, picture: Picture, plan_id: UUID, subject: str, words: Words
    ) -> Chart:
        plan = await self._reading.plan(tenant_id, plan_id)
        zone_name = plan.figures.timezone
        if picture is Picture.RETENTION:
            # The curve is read from the tasks, and not from what was synced.
            return Retention(_heading(subject, plan.followed_at, zone_name, words), plan.survival)
        rates = {each["seq"]: Rate(each["completed"], each["closed"]) for each in plan.occasions}
        return CompletionByOccasion(_heading(subject, plan.as_of, zone_name, words), rates)

    async def _days(self, tenant_id: UUID, figures: FiguresView, period: Period) -> Mapping[date, Counts]:
        since, until = period
        if since and until:
            await self._reading.span(tenant_id, since, until)
        last = until or figures.through
        if last is None or figures.first_on is None:
            return {}
        first = since or _first_of_those_shown(figures.first_on, last)
        if first > last:
            return {}
        rows = await self._reading.daily(tenant_id, figures.dimension, figures.key, first, last)
        return {row.day: row.counts for row in rows}


def _called(dimension: Dimension, key: str, words: Words) -> str:
    # Never by a testee's name: pictures are passed on.
    said = {Dimension.TENANT: words.all_plans, Dimension.SCALE: words.scale, Dimension.TESTEE: words.testee}
    return said.get(dimension, "{key}").format(key=key)


def _heading(subject: str, as_of: datetime | None, zone_name: str, words: Words) -> Heading:
    at = f"{as_of.astimezone(zone(zone_name)):%Y-%m-%d %H:%M}" if as_of else words.never
    return Heading(subject, at, zone_name)


def _refuse(period: Period) -> None:
    given = [
        Problem(pointer, "is for pictures by date, which this is not; leave it out")
        for pointer, day in zip(("/from", "/to"), period, strict=True)
        if day
    ]
    if given:
        raise PictureUndated(given)


def _first_of_those_shown(first_on: date, last: date) -> date:
    too_many = (last - first_on).days - (LONGEST_SPAN - 1)
    return first_on + timedelta(days=max(too_many, 0))
