"""Which figures go into which picture, and what stands over them."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from qs.application.statistics.drawing import (
    CompletionByDay,
    CompletionByOccasion,
    Heading,
    Retention,
    Trend,
)
from qs.application.statistics.following import LagView, LatencyView, SurvivalView
from qs.application.statistics.picture_words import CHINESE, ENGLISH
from qs.application.statistics.picturing import (
    ALWAYS,
    Period,
    Picture,
    StatisticsPictures,
    dimensions_of,
    is_by_date,
)
from qs.application.statistics.ports import DailyRow
from qs.application.statistics.reading import FiguresView, PlanView, StatisticsReading
from qs.domain.statistics.errors import PictureUndated, RetentionNeedsPlan, SpanTooLong
from qs.domain.statistics.metrics import Dimension
from qs.domain.statistics.rates import Rate

TENANT, PLAN = UUID(int=1), UUID(int=2)
SYNCED, COUNTED, NOW = (datetime(2026, 6, 1, hour, tzinfo=UTC) for hour in (1, 2, 3))
FIRST, THROUGH = date(2026, 1, 1), date(2026, 5, 31)
NOBODY = SurvivalView([], [], [], [], [], [], [], 0.95)
LAG = LagView(0, None, None, None)


class FakeReading(StatisticsReading):
    """Figures of one opened task a day, from ``first_on`` through 31 May."""

    def __init__(self, *, first_on: date | None = FIRST, as_of: datetime | None = SYNCED) -> None:
        self._first_on = first_on
        self._as_of = as_of

    async def figures(self, tenant_id: UUID, dimension: str, key: str) -> FiguresView:
        through = THROUGH if self._as_of else None
        return FiguresView(
            dimension, key, self._as_of, "Asia/Shanghai", 1, through, {}, {}, {}, {}, self._first_on, through
        )

    async def plan(self, tenant_id: UUID, plan_id: UUID) -> PlanView:
        occasions = [{"seq": 1, "completed": 3, "closed": 4}, {"seq": 2, "completed": 0, "closed": 0}]
        return PlanView(
            figures=await self.figures(tenant_id, Dimension.PLAN, str(plan_id)),
            counts={},
            rates={},
            occasions=occasions,
            retention=[],
            followup=Rate(0, 0),
            survival=NOBODY,
            latency=LatencyView(None, 0, 0),
            opening=LAG,
            followed_at=NOW,
            as_of=COUNTED,
        )

    async def daily(
        self, tenant_id: UUID, dimension: str, key: str, from_: date | None = None, to: date | None = None
    ) -> Sequence[DailyRow]:
        first, last = await self.span(tenant_id, from_, to)
        days = [first + timedelta(n) for n in range((last - first).days + 1)]
        return [DailyRow(day, {"opened": 1}, 0, None, SYNCED) for day in days]


@pytest.fixture
def pictures() -> Callable[..., StatisticsPictures]:
    def make(**given: Any) -> StatisticsPictures:
        nothing: Any = None
        return StatisticsPictures(FakeReading(**given), nothing)

    return make


@pytest.mark.parametrize(
    ("picture", "dimension", "kind", "at"),
    [
        (Picture.TREND, Dimension.TENANT, Trend, "2026-06-01 09:00"),
        (Picture.TREND, Dimension.PLAN, Trend, "2026-06-01 09:00"),
        (Picture.COMPLETION, Dimension.SCALE, CompletionByDay, "2026-06-01 09:00"),
        (Picture.COMPLETION, Dimension.TESTEE, CompletionByDay, "2026-06-01 09:00"),
        # Of a plan its tasks are counted by themselves, and the curve is read as it is asked for.
        (Picture.COMPLETION, Dimension.PLAN, CompletionByOccasion, "2026-06-01 10:00"),
        (Picture.RETENTION, Dimension.PLAN, Retention, "2026-06-01 11:00"),
    ],
)
async def test_a_picture_shows_what_there_is_as_of_when_it_was_counted(
    pictures, picture, dimension, kind, at
):
    chart = await pictures().chart(TENANT, picture, dimension, str(PLAN), name="x")

    assert type(chart) is kind
    assert chart.heading == Heading("x", at, "Asia/Shanghai")


@pytest.mark.parametrize(
    ("dimension", "words", "said"),
    [
        (Dimension.TENANT, ENGLISH, "all plans"),
        (Dimension.TENANT, CHINESE, "全部计划"),
        (Dimension.SCALE, ENGLISH, "scale {k}"),
        (Dimension.SCALE, CHINESE, "量表 {k}"),
        (Dimension.TESTEE, ENGLISH, "testee {k}"),
        (Dimension.TESTEE, CHINESE, "受试者 {k}"),
        (Dimension.PLAN, ENGLISH, "{k}"),
    ],
)
async def test_without_a_name_figures_are_called_by_their_key_as_it_is(pictures, dimension, words, said):
    chart = await pictures().chart(TENANT, Picture.TREND, dimension, "{k}", words=words)

    assert chart.heading.subject == said


@pytest.mark.parametrize(("words", "said"), [(ENGLISH, "never"), (CHINESE, "尚未统计")])
async def test_what_was_never_counted_has_no_days_and_says_so(pictures, words, said):
    chart = await pictures(first_on=None, as_of=None).chart(
        TENANT, Picture.TREND, Dimension.TENANT, "k", words=words
    )

    assert (chart.days, chart.heading.as_of) == ({}, said)


@pytest.mark.parametrize(
    ("first_on", "period", "first", "last", "count"),
    [
        (FIRST, ALWAYS, FIRST, THROUGH, 151),
        (date(2020, 1, 1), ALWAYS, date(2025, 4, 27), THROUGH, 400),
        (FIRST, (date(2026, 5, 30), None), date(2026, 5, 30), THROUGH, 2),
        (FIRST, (None, date(2026, 1, 2)), FIRST, date(2026, 1, 2), 2),
        (date(2020, 1, 1), (None, date(2025, 1, 1)), date(2023, 11, 29), date(2025, 1, 1), 400),
        (FIRST, (date(2025, 12, 1), date(2025, 12, 2)), date(2025, 12, 1), date(2025, 12, 2), 2),
    ],
)
async def test_days_are_those_of_the_period_and_else_all_there_are_up_to_four_hundred(
    pictures, first_on, period, first, last, count
):
    chart = await pictures(first_on=first_on).chart(
        TENANT, Picture.TREND, Dimension.TENANT, "k", period=period
    )

    assert (min(chart.days), max(chart.days), len(chart.days)) == (first, last, count)


@pytest.mark.parametrize(
    "period", [(date(2026, 6, 2), None), (None, date(2025, 12, 31)), (None, date.min), (date.max, None)]
)
async def test_a_period_without_figures_is_an_empty_picture(pictures, period):
    chart = await pictures().chart(TENANT, Picture.COMPLETION, Dimension.TENANT, "k", period=period)

    assert chart.days == {}


@pytest.mark.parametrize("first_on", [FIRST, None])
@pytest.mark.parametrize(
    "period", [(date(2026, 5, 2), date(2026, 5, 1)), (date(2025, 1, 1), date(2026, 2, 5))]
)
async def test_a_period_that_is_too_long_or_the_wrong_way_round_is_refused_whatever_there_is(
    pictures, period, first_on
):
    with pytest.raises(SpanTooLong):
        await pictures(first_on=first_on).chart(TENANT, Picture.TREND, Dimension.TENANT, "k", period=period)


async def test_a_period_that_begins_too_early_is_refused(pictures):
    with pytest.raises(SpanTooLong):
        await pictures().chart(TENANT, Picture.TREND, Dimension.TENANT, "k", period=(date(1900, 1, 1), None))


@pytest.mark.parametrize("picture", [Picture.COMPLETION, Picture.RETENTION])
@pytest.mark.parametrize(
    ("period", "pointers"),
    [((FIRST, None), ["/from"]), ((None, FIRST), ["/to"]), ((FIRST, FIRST), ["/from", "/to"])],
)
async def test_a_picture_of_a_plan_that_is_not_by_date_takes_no_dates(
    pictures, picture, period: Period, pointers
):
    with pytest.raises(PictureUndated) as refused:
        await pictures().chart(TENANT, picture, Dimension.PLAN, str(PLAN), period=period)

    assert [each.pointer for each in refused.value.problems] == pointers


@pytest.mark.parametrize("dimension", [Dimension.TENANT, Dimension.SCALE, Dimension.TESTEE])
async def test_people_stay_in_plans_alone(pictures, dimension):
    with pytest.raises(RetentionNeedsPlan):
        await pictures().chart(TENANT, Picture.RETENTION, dimension, "k")

    assert dimensions_of(Picture.RETENTION) == (Dimension.PLAN,)
    assert not is_by_date(Picture.RETENTION, dimension)


async def test_a_rate_is_that_of_the_occasion(pictures):
    chart = await pictures().chart(TENANT, Picture.COMPLETION, Dimension.PLAN, str(PLAN))

    assert chart.occasions == {1: Rate(3, 4), 2: Rate(0, 0)}
