"""The statistics context: counted as it happens, synced with what is true, and read."""

from datetime import timedelta
from functools import partial

from dependency_injector import providers

from qs.application.kernel.subscribing import Subscribing
from qs.application.statistics.comparing import Comparing
from qs.application.statistics.counting import SUBSCRIPTION, Counting
from qs.application.statistics.daily_sync import DailySync
from qs.application.statistics.following import PlanFollowing
from qs.application.statistics.holding import SyncHolding
from qs.application.statistics.mending import CounterMending
from qs.application.statistics.picturing import StatisticsPictures
from qs.application.statistics.ports import Kind
from qs.application.statistics.reading import StatisticsReading
from qs.application.statistics.syncing import AccumulatedSync, PlanSync, StatisticsSyncing
from qs.application.statistics.validating import Validation
from qs.container.foundation import Foundation
from qs.infra.identity.zones import SqlZoneReader
from qs.infra.plan.course import SqlCourse
from qs.infra.plan.recounting import SqlRecount
from qs.infra.postgres.failures import is_away
from qs.infra.postgres.inbox import SqlDueAttempts
from qs.infra.redis.stream_reader import RedisStreamReader
from qs.infra.statistics.calendars import RecordedCalendars
from qs.infra.statistics.comparing import SqlComparisons
from qs.infra.statistics.counters import RedisCounters
from qs.infra.statistics.courses import RecordedCourse
from qs.infra.statistics.matplotlib_drawing import MatplotlibDrawing
from qs.infra.statistics.survival import ScipyEstimator
from qs.infra.statistics.truth import SqlTruths
from qs.infra.statistics.unit_of_work import SqlCountedTenants, SqlStatisticsUnitOfWork

_COUNTED_AT_ONCE = 1000


class Statistics(Foundation):
    """The part of the container that this context is made of."""

    statistics_uow = providers.Singleton(partial, SqlStatisticsUnitOfWork, Foundation.engine)
    counters = providers.Singleton(RedisCounters, Foundation.redis)
    _calendars = providers.Singleton(RecordedCalendars, providers.Singleton(SqlZoneReader, Foundation.engine))
    _truths = providers.Singleton(SqlTruths, Foundation.engine, providers.Object(SqlRecount))
    counted_tenants = providers.Singleton(SqlCountedTenants, Foundation.engine)
    _sync_holding = providers.Singleton(SyncHolding, statistics_uow)
    counting = providers.Singleton(
        Subscribing,
        providers.Singleton(Counting, counters, _calendars),
        statistics_uow,
        providers.Singleton(RedisStreamReader, Foundation.redis, SUBSCRIPTION),
        providers.Singleton(SqlDueAttempts, Foundation.engine),
        max_attempts=Foundation.settings.provided.events.max_attempts,
        batch=_COUNTED_AT_ONCE,
        first_delay=timedelta(milliseconds=250),
        is_away=providers.Object(is_away),
    )
    counter_mending = providers.Singleton(
        CounterMending,
        statistics_uow,
        counters,
        _truths,
        _calendars,
        counted_tenants,
        _sync_holding,
        Foundation.new_id,
    )
    daily_sync = providers.Singleton(
        DailySync, statistics_uow, counters, _truths, _calendars, counter_mending, _sync_holding
    )
    accumulated_sync = providers.Singleton(
        AccumulatedSync, statistics_uow, _calendars, _sync_holding, daily_sync
    )
    plan_sync = providers.Singleton(PlanSync, statistics_uow, _truths, _sync_holding)
    statistics_syncing = providers.Singleton(
        StatisticsSyncing, daily_sync, accumulated_sync, plan_sync, counted_tenants
    )
    sync_daily = providers.Singleton(partial, statistics_syncing.provided.sync, Kind.DAILY)
    sync_accumulated = providers.Singleton(partial, statistics_syncing.provided.sync, Kind.ACCUMULATED)
    sync_plan = providers.Singleton(partial, statistics_syncing.provided.sync, Kind.PLAN)
    comparing = providers.Singleton(
        Comparing,
        statistics_uow,
        counters,
        providers.Singleton(SqlComparisons, Foundation.engine, providers.Object(SqlRecount)),
        counter_mending,
    )
    validation = providers.Singleton(
        Validation,
        statistics_uow,
        _truths,
        _calendars,
        comparing,
        counter_mending,
        _sync_holding,
        accumulated_sync,
        plan_sync,
        counted_tenants,
    )

    _course = providers.Singleton(RecordedCourse, providers.Singleton(SqlCourse, Foundation.engine))
    statistics_reading = providers.Singleton(
        StatisticsReading,
        statistics_uow,
        _calendars,
        _course,
        providers.Singleton(PlanFollowing, _course, providers.Singleton(ScipyEstimator)),
    )
    statistics_pictures = providers.Singleton(
        StatisticsPictures, statistics_reading, providers.Singleton(MatplotlibDrawing)
    )
