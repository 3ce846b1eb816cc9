"""Which concrete class stands behind each port. The only package that knows the DI library."""

from datetime import timedelta
from functools import partial

from dependency_injector import providers

from qs import making, making_brokers, making_notifications
from qs.application.kernel.background import BackgroundWork
from qs.application.kernel.feed import EventFeed, EventReplay
from qs.application.kernel.publishing import Publishing
from qs.application.kernel.relaying import Relay
from qs.application.kernel.republishing import Republishing
from qs.application.kernel.retention import RetentionService
from qs.application.kernel.streams import Envelopes
from qs.application.kernel.subscribing import Subscribing
from qs.application.notification import announcing as notifications
from qs.application.notification.alert_reading import AlertReading
from qs.application.notification.alert_watching import AlertWatching
from qs.application.notification.alerting import Alerting
from qs.application.notification.composing import Composing
from qs.application.notification.granting import GrantKeeping
from qs.application.notification.hearing import Hearing
from qs.application.notification.range_replay import NotificationRangeReplay
from qs.application.notification.reading import NotificationReading, NotificationReplay
from qs.application.notification.reporting import Reporting
from qs.application.notification.template_authoring import TemplateAuthoring
from qs.application.notification.template_previewing import TemplatePreviewing
from qs.application.plan.authoring import PlanAuthoring
from qs.application.plan.before import BeforeReading
from qs.application.plan.bulk_enrolling import BulkEnrolling
from qs.application.plan.cataloguing import Cataloguing
from qs.application.plan.enrolling import Enrolling
from qs.application.plan.entering import EntryAdmission
from qs.application.plan.holdings import PlanHoldings
from qs.application.plan.keeping import TesteeKeeping
from qs.application.plan.operating import TaskOperating
from qs.application.plan.opting_out import OptingOut
from qs.application.plan.reading import PlanReading
from qs.application.plan.rehearsing import SteeringRehearsal
from qs.application.plan.scheduling import TaskScheduling
from qs.application.plan.steering import PlanSteering
from qs.application.plan.sweep_report import Phase
from qs.application.scheduler.authoring import JobAuthoring
from qs.application.scheduler.compiling import JobCompiling
from qs.application.scheduler.duties import retention_work, sweeping_work, syncing_work, validating_work
from qs.application.scheduler.duty_troubles import DutyTroubles
from qs.application.scheduler.executing import DutyExecutions
from qs.application.scheduler.firing import DutyFiring
from qs.application.scheduler.job_ending import JobEnding
from qs.application.scheduler.job_firing import JobFiring
from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.job_running import JobRunning
from qs.application.scheduler.keeping_secrets import SecretKeeping
from qs.application.scheduler.nodes import NodeDraining, NodeReading
from qs.application.scheduler.operating import JobOperating
from qs.application.scheduler.reading import DutyReading
from qs.application.scheduler.recovering import ExecutionRecovery
from qs.application.scheduler.rescuing import RunRescue
from qs.application.scheduler.run_ends import RunEnds
from qs.application.scheduler.switching import JobSwitching
from qs.application.statistics import counting
from qs.application.webhook import fanning_out
from qs.collecting import collect_seldom
from qs.container.foundation import Foundation
from qs.container.statistics import Statistics
from qs.container.webhooks import Webhooks
from qs.domain.scheduler.duty import standing_duties
from qs.domain.scheduler.notice_texts import language_of
from qs.infra.http.guarded import GuardedClient
from qs.infra.identity.staff_reader import SqlStaffReader
from qs.infra.notification.alert_directories import (
    OperatedStaff,
    RecordedDuties,
    RecordedEndpoints,
    RecordedJobs,
    RecordedRuns,
)
from qs.infra.notification.alert_sources import SqlAlertOverview, SqlDeadLetters, SqlDueAlerts
from qs.infra.notification.channels.choosing import ADDRESSED
from qs.infra.notification.delivery_conditions import SqlDeliveryConditions
from qs.infra.notification.directories import RecordedPreferences, RecordedStaff, RecordedTestees
from qs.infra.notification.ledger import SqlDueDeliveries, SqlNotificationUnitOfWork
from qs.infra.notification.present import RecordedPresent, SqlSendingUnitOfWork
from qs.infra.notification.receipt_reading import PostedReceipts
from qs.infra.notification.receipts import SqlWhereabouts
from qs.infra.notification.samples import RecordedTaskSamples
from qs.infra.notification.standing import SqlMessageStandings
from qs.infra.notification.templates import SqlTemplateUnitOfWork
from qs.infra.plan.across_tenants import SqlDueTenants, SqlTaskTenants
from qs.infra.plan.entry_links import KeyedEntryGenerator
from qs.infra.plan.missed_runs import SqlMissedRuns
from qs.infra.plan.notices import MessageNotices
from qs.infra.plan.one_task import SqlOneTask
from qs.infra.plan.opt_out_links import SealedOptOutLinks
from qs.infra.plan.readers import OpenEntries, SqlPlanReader, SqlTesteeReader
from qs.infra.plan.scale_mentions import SqlScaleMentions
from qs.infra.plan.standing import SqlTaskStandings
from qs.infra.plan.unit_of_work import PlanUnitsOfWork
from qs.infra.postgres.audit_sealing import SqlUnsealedAudit
from qs.infra.postgres.event_backlog import SqlEventBacklog
from qs.infra.postgres.event_log import SqlEventLogUnitOfWork
from qs.infra.postgres.event_standing import SqlEventStandings
from qs.infra.postgres.failures import is_away
from qs.infra.postgres.inbox import SqlDueAttempts
from qs.infra.postgres.outbox_relay import SqlRelayOutbox
from qs.infra.postgres.outbox_republishing import SqlRepublishingOutbox
from qs.infra.postgres.retention import SqlForgettableRows, SqlMonths
from qs.infra.redis.stream_reader import RedisStreamReader
from qs.infra.redis.streams import RedisEventStreams
from qs.infra.scheduler.across_jobs import SqlAcrossTenants
from qs.infra.scheduler.conditions import SqlJobConditions
from qs.infra.scheduler.executions import SqlLostExecutions
from qs.infra.scheduler.failing_jobs import SqlFailingJobs
from qs.infra.scheduler.meter import RedisMeter
from qs.infra.scheduler.nodes import NodeUnitsOfWork, SqlNodeBook
from qs.infra.scheduler.service_conditions import SqlServiceConditions
from qs.infra.scheduler.standing import SqlJobStandings
from qs.infra.scheduler.unit_of_work import JobUnitsOfWork, SchedulerUnitsOfWork
from qs.infra.webhook.disabled_endpoints import SqlDisabledEndpoints
from qs.settings import Settings

# After the 12 s that the API gives its requests this is the rest of the 20 s in which a process ends.
_BACKGROUND_ENDS_WITHIN = timedelta(seconds=8)


class Container(Webhooks, Statistics):
    """Everything that lives as long as the process; a unit of work is made per use by its factory."""

    settings = Foundation.settings
    engine = Foundation.engine
    redis = Foundation.redis
    keyring = Foundation.keyring
    personal_cipher = Foundation.personal_cipher
    new_id = Foundation.new_id
    secret_uow = Foundation.secret_uow

    # plan
    entry_generator = providers.Singleton(
        lambda keyring, settings: KeyedEntryGenerator(keyring, making.entry_base_url(settings)),
        keyring,
        settings,
    )
    plan_uow = providers.Singleton(PlanUnitsOfWork, engine, personal_cipher)
    task_tenants = providers.Singleton(SqlTaskTenants, engine)
    # The plan's explanation of a task reads what it was told about, so this part of notification comes first.
    notification_uow = providers.Singleton(partial, SqlNotificationUnitOfWork, engine)
    notification_reading = providers.Singleton(NotificationReading, notification_uow)
    notices = providers.Singleton(MessageNotices, notification_reading)
    plan_authoring = providers.Singleton(
        PlanAuthoring,
        plan_uow,
        new_id,
        default_timezone=settings.provided.timezone,
        default_entry_ttl_days=settings.provided.entry.ttl_days,
    )
    plan_steering = providers.Singleton(PlanSteering, plan_uow)
    steering_rehearsal = providers.Singleton(SteeringRehearsal, plan_uow)
    enrolling = providers.Singleton(Enrolling, plan_uow, new_id)
    bulk_enrolling = providers.Singleton(BulkEnrolling, plan_uow, new_id)
    task_scheduling = providers.Singleton(
        TaskScheduling,
        plan_uow,
        providers.Singleton(SqlDueTenants, engine),
        entry_generator,
        batch=settings.provided.sweep.batch,
        max_seconds=settings.provided.sweep.max_seconds,
    )
    before_reading = providers.Singleton(BeforeReading, plan_uow, default_timezone=settings.provided.timezone)
    task_operating = providers.Singleton(TaskOperating, plan_uow, entry_generator)
    entry_admission = providers.Singleton(EntryAdmission, plan_uow, task_tenants, entry_generator)
    testee_keeping = providers.Singleton(TesteeKeeping, plan_uow, new_id)
    opt_out_links = providers.Singleton(
        lambda keyring, settings: SealedOptOutLinks(keyring, making.opt_out_base_url(settings)),
        keyring,
        settings,
    )
    opting_out = providers.Singleton(OptingOut, plan_uow, opt_out_links)
    cataloguing = providers.Singleton(Cataloguing, plan_uow)
    plan_reading = providers.Singleton(
        PlanReading, plan_uow, providers.Singleton(SqlOneTask, engine), notices
    )

    # events
    readiness_checks = providers.Singleton(making.readiness_checks, engine, settings, redis.provider)
    entry_links = providers.Singleton(OpenEntries, plan_uow, entry_generator)
    subscriptions = providers.Object(
        (notifications.SUBSCRIPTION, counting.SUBSCRIPTION, fanning_out.SUBSCRIPTION)
    )
    event_streams = providers.Singleton(
        RedisEventStreams, redis, keep_hours=settings.provided.retention.stream_hours
    )
    _envelopes = providers.Singleton(
        lambda settings, links: Envelopes(links if settings.events.entry_url else None), settings, entry_links
    )
    _republish_after = providers.Singleton(
        lambda settings: timedelta(seconds=settings.events.republish_after_s), settings
    )
    publishing = providers.Singleton(
        Publishing,
        providers.Singleton(Relay, providers.Singleton(SqlRelayOutbox, engine), event_streams, _envelopes),
        providers.Singleton(
            Republishing,
            providers.Singleton(SqlRepublishingOutbox, engine),
            event_streams,
            _envelopes,
            subscriptions,
            after=_republish_after,
        ),
        after=_republish_after,
    )
    _event_log_uow = providers.Singleton(partial, SqlEventLogUnitOfWork, engine)
    event_feed = providers.Singleton(EventFeed, _event_log_uow)
    event_replay = providers.Singleton(EventReplay, _event_log_uow, event_streams, _envelopes)
    all_subscriptions = providers.Singleton(making_brokers.all_subscriptions, settings, subscriptions)
    event_backlog = providers.Singleton(SqlEventBacklog, engine, all_subscriptions)
    event_standings = providers.Singleton(SqlEventStandings, engine, all_subscriptions)
    task_standings = providers.Singleton(SqlTaskStandings, engine)
    plan_holdings = providers.Singleton(PlanHoldings, plan_uow)
    message_standings = providers.Singleton(SqlMessageStandings, engine)
    job_standings = providers.Singleton(SqlJobStandings, engine)
    retention = providers.Singleton(
        RetentionService,
        providers.Singleton(SqlForgettableRows, engine, all_subscriptions),
        event_streams,
        providers.Singleton(making.how_long_to_keep, settings),
        providers.Singleton(SqlMonths, engine),
    )
    event_broker = providers.Singleton(making_brokers.make_event_broker, settings)
    forwarding = providers.Singleton(making_brokers.make_forwarding, engine, event_broker)
    forwarding_again = providers.Singleton(
        making_brokers.make_forwarding_again, engine, event_broker, settings.provided.events.max_attempts
    )
    request_queue = providers.Singleton(making_brokers.make_request_queue, settings)
    audit_reading = providers.Singleton(making.make_audit_reading, engine)
    audit_sealing = providers.Singleton(making.make_audit_sealing, engine)
    unsealed_audit = providers.Singleton(SqlUnsealedAudit, engine)

    # notification
    _testee_reader = providers.Singleton(SqlTesteeReader, engine, personal_cipher)
    _testees = providers.Singleton(RecordedTestees, _testee_reader)
    _staff_reader = providers.Singleton(
        OperatedStaff,
        providers.Singleton(SqlStaffReader, engine, personal_cipher),
        settings.provided.notification.alerts.operator_email,
    )
    _staff = providers.Singleton(RecordedStaff, _staff_reader)
    notification_rules = providers.Singleton(making_notifications.make_rules, settings)
    guarded_http = providers.Singleton(
        lambda settings: GuardedClient(settings.outbound.allow_networks), settings
    )
    channels = providers.Singleton(making.make_channels, settings, guarded_http, notification_uow)
    alerting = providers.Singleton(
        Alerting,
        providers.Singleton(RecordedRuns, providers.Singleton(SqlMissedRuns, engine)),
        new_id,
        missed_in_a_row=settings.provided.notification.alerts.missed_in_a_row,
    )
    _announcing = providers.Singleton(
        notifications.Announcing,
        _testees,
        providers.Singleton(RecordedPreferences, providers.Singleton(SqlPlanReader, engine)),
        _staff,
        channels=settings.provided.notification_channels,
        addressed=providers.Object(ADDRESSED),
        lang=settings.provided.lang,
        rules=notification_rules,
    )
    announcing = providers.Singleton(
        Subscribing,
        providers.Singleton(Hearing, _announcing, alerting),
        notification_uow,
        providers.Singleton(RedisStreamReader, redis, notifications.SUBSCRIPTION),
        providers.Singleton(SqlDueAttempts, engine),
        max_attempts=settings.provided.events.max_attempts,
        is_away=providers.Object(is_away),
    )
    sending = providers.Singleton(
        making_notifications.sending_by_channel,
        settings,
        channels,
        notification_uow,
        providers.Singleton(
            partial,
            SqlSendingUnitOfWork,
            engine,
            providers.Singleton(RecordedPresent, _testee_reader, entry_links, _staff_reader),
        ),
        providers.Singleton(SqlDueDeliveries, engine),
        providers.Singleton(Composing, opt_out_links),
        notification_rules,
        providers.Singleton(
            making_notifications.make_pacing, settings, Foundation.quick_redis, Foundation.monotonic_time
        ),
    )
    reporting = providers.Singleton(Reporting, notification_uow, providers.Singleton(SqlWhereabouts, engine))
    receipt_reading = providers.Dict(
        sms=providers.Singleton(PostedReceipts, settings.provided.notification.sms.receipts)
    )
    notification_replay = providers.Singleton(NotificationReplay, notification_uow)
    notification_range_replay = providers.Singleton(NotificationRangeReplay, notification_uow)
    alert_telling = providers.Singleton(
        making_notifications.make_alert_telling,
        settings,
        notification_uow,
        providers.Singleton(SqlDueAlerts, engine),
        _staff,
        new_id,
    )
    alert_reading = providers.Singleton(AlertReading, notification_uow)
    grant_keeping = providers.Singleton(
        GrantKeeping, notification_uow, providers.Singleton(making.templates_with_grants, settings)
    )
    _template_uow = providers.Singleton(partial, SqlTemplateUnitOfWork, engine)
    _scale_mentions = providers.Singleton(SqlScaleMentions, engine)
    template_authoring = providers.Singleton(TemplateAuthoring, _template_uow, _scale_mentions)
    template_previewing = providers.Singleton(
        TemplatePreviewing,
        _template_uow,
        _scale_mentions,
        providers.Singleton(RecordedTaskSamples, plan_reading, _testees),
        timezone=settings.provided.timezone,
    )

    # scheduler
    background = providers.Singleton(BackgroundWork)
    duties = providers.Singleton(
        standing_duties, settings.provided.clock.sweep_every, settings.provided.timezone
    )
    duty_registry = providers.Dict(
        {
            "sync-daily": providers.Singleton(syncing_work, Statistics.sync_daily),
            "sync-accumulated": providers.Singleton(syncing_work, Statistics.sync_accumulated),
            "sync-plan": providers.Singleton(syncing_work, Statistics.sync_plan),
        },
        validate=providers.Singleton(validating_work, Statistics.validation.provided.validate),
        sweep=providers.Singleton(sweeping_work, task_scheduling.provided.sweep, settings.provided.timezone),
        expiry=providers.Singleton(
            sweeping_work,
            providers.Singleton(partial, task_scheduling.provided.sweep, phases=(Phase.EXPIRE,)),
            settings.provided.timezone,
        ),
        retention=providers.Singleton(retention_work, retention),
    )
    scheduler_uow = providers.Singleton(SchedulerUnitsOfWork, engine)
    duty_executions = providers.Singleton(
        DutyExecutions,
        scheduler_uow,
        duty_registry,
        new_id,
        providers.Singleton(making.worker_name),
        background,
    )
    duty_recovery = providers.Singleton(
        ExecutionRecovery,
        scheduler_uow,
        providers.Singleton(SqlLostExecutions, engine),
        duty_executions,
        new_id,
    )
    duty_firing = providers.Singleton(
        DutyFiring,
        duties,
        scheduler_uow,
        duty_executions,
        new_id,
        internal_clock=settings.provided.clock.internal,
    )
    duty_reading = providers.Singleton(
        DutyReading, duties, scheduler_uow, internal_clock=settings.provided.clock.internal
    )
    _duty_troubles = providers.Singleton(
        DutyTroubles, duties, scheduler_uow, internal_clock=settings.provided.clock.internal
    )
    # Trouble is looked for in all contexts, so this part of notification comes last.
    alert_watching = providers.Singleton(
        AlertWatching,
        notification_uow,
        providers.Singleton(SqlAlertOverview, engine),
        providers.List(
            providers.Singleton(SqlDeadLetters.of_notifications, engine),
            providers.Singleton(SqlDeadLetters.of_events, engine),
            providers.Singleton(RecordedEndpoints, providers.Singleton(SqlDisabledEndpoints, engine)),
            providers.Singleton(RecordedDuties, _duty_troubles),
            providers.Singleton(RecordedJobs, providers.Singleton(SqlFailingJobs, engine)),
        ),
        alerting,
    )

    # jobs
    __self__ = providers.Self()
    job_uow = providers.Singleton(JobUnitsOfWork, engine)
    _across_jobs = providers.Singleton(SqlAcrossTenants, engine)
    _scheduler_timezone = providers.Callable(
        lambda settings: settings.scheduler.timezone or settings.timezone, settings
    )
    builtins = providers.Singleton(making.make_builtins, __self__)
    # Of its own: long calls of jobs must not take the connections that messages need.
    _jobs_http = providers.Singleton(
        lambda settings: GuardedClient(
            settings.outbound.allow_networks,
            max_connections=settings.worker.concurrency,
            keep_alive=False,
        ),
        settings,
    )
    job_executors = providers.Singleton(
        making.make_executors, settings, _jobs_http, builtins.provider, secret_uow
    )
    secret_keeping = providers.Singleton(SecretKeeping, secret_uow)
    job_compiling = providers.Singleton(JobCompiling, job_executors, _scheduler_timezone)
    job_meter = providers.Singleton(RedisMeter, redis.provider)
    _notice_writing = providers.Singleton(making.make_notice_writing, settings, new_id)
    job_ending = providers.Singleton(JobEnding, job_compiling, new_id, _notice_writing, job_meter)
    job_firing = providers.Singleton(
        JobFiring, job_uow, _across_jobs, job_compiling, new_id, _notice_writing, job_meter
    )
    run_ends = providers.Singleton(RunEnds, job_uow, job_ending, measure=job_meter.provided.timed)
    job_running = providers.Singleton(
        JobRunning,
        job_uow,
        _across_jobs,
        job_executors,
        run_ends,
        providers.Singleton(making.worker_name),
        concurrency=settings.provided.worker.concurrency,
        limits=providers.Singleton(making.queue_limits, settings),
    )
    run_rescue = providers.Singleton(RunRescue, job_uow, _across_jobs, job_ending)
    job_authoring = providers.Singleton(JobAuthoring, job_uow, job_compiling, new_id)
    job_sources = providers.Singleton(
        making.make_job_sources, settings, engine, job_authoring, builtins.provider
    )
    job_operating = providers.Singleton(JobOperating, job_uow, job_compiling, job_ending, new_id)
    job_requests = providers.Singleton(
        making_brokers.make_accepting,
        settings,
        job_operating,
        Foundation.account_directory.provided.active_tenant,
    )
    job_reading = providers.Singleton(JobReading, job_uow, job_compiling, _scheduler_timezone)
    job_switching = providers.Singleton(JobSwitching, job_uow)
    _node_uow = providers.Singleton(NodeUnitsOfWork, engine)
    node_reading = providers.Singleton(NodeReading, providers.Singleton(SqlNodeBook, engine), _node_uow)
    node_draining = providers.Singleton(NodeDraining, _node_uow)
    mailer = providers.Singleton(making.make_mailer, settings)
    language = providers.Callable(lambda settings: language_of(settings.lang), settings)
    staff_contacts = providers.Singleton(SqlStaffReader, engine, personal_cipher)
    notice_sending = providers.Singleton(
        making.make_notice_sending, settings, engine, job_uow, guarded_http, mailer, job_meter
    )
    job_conditions = providers.Singleton(SqlJobConditions, engine)
    service_conditions = providers.Singleton(SqlServiceConditions, engine, duties)
    delivery_conditions = providers.Singleton(SqlDeliveryConditions, engine)


def build_container(settings: Settings) -> Container:
    """A container for one process, made from its settings."""
    collect_seldom()
    return Container(settings=settings)


async def close(container: Container) -> None:
    """Ends background work and gives back what the container opened; calling it twice does no harm."""
    await container.background().drain(_BACKGROUND_ENDS_WITHIN)
    await container.guarded_http().aclose()
    await container.provider_http().aclose()
    await container.job_meter().aclose()
    await container.webhook_http().aclose()
    await container.webhook_counts().aclose()
    await container.quick_redis().aclose()
    if container.settings().redis.url is not None:
        await container.redis().aclose()
    if container.engine.initialized if hasattr(container.engine, "initialized") else True:
        await container.engine().dispose()
