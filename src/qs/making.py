"""How settings become the things that live as long as the process; the container says what goes with what."""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.audit_reading import AuditReading
from qs.application.kernel.audit_sealing import AuditSealing
from qs.application.kernel.limiting import KINDS, Limiter, LocalLimiter, RateLimits, parse_limit
from qs.application.kernel.mailing import Mailer, UnsetMailer
from qs.application.kernel.readiness import Check
from qs.application.kernel.retention import Keep
from qs.application.notification.granting import GrantSpending
from qs.application.notification.ports import Channel, NotificationUnitOfWorkFactory
from qs.application.scheduler.authoring import JobAuthoring
from qs.application.scheduler.builtins import Builtin
from qs.application.scheduler.declaring import CodeJobs, DesiredJobs, JobSources
from qs.application.scheduler.executors import Executor
from qs.application.scheduler.job_ports import JobUnitOfWorkFactory, QueueLimits
from qs.application.scheduler.metering import Meter
from qs.application.scheduler.notice_writing import NoticeWriting
from qs.application.scheduler.noticing import NoticeSending
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT, IdGenerator
from qs.domain.scheduler.notices import NoticeChannel
from qs.domain.scheduler.policies import Retry
from qs.infra.http.guarded import GuardedClient
from qs.infra.mail.smtp import MailServer, SmtpMailer
from qs.infra.notification.channels import choosing
from qs.infra.notification.channels.apprise_posts import ApprisePosts
from qs.infra.notification.channels.kit import Kit, MiniProgram, WebhookReceiver
from qs.infra.notification.channels.sms_gateway import SmsGateway
from qs.infra.notification.channels.wechat_templates import WechatTemplates
from qs.infra.postgres.audit_book import SqlAuditUnitOfWork
from qs.infra.postgres.audit_sealing import SqlUnsealedAudit
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.readiness import PostgresReadiness
from qs.infra.postgres.revisions import application_name
from qs.infra.redis.client import create_redis
from qs.infra.redis.limiter import RedisLimiter
from qs.infra.redis.quick import QuickRedis
from qs.infra.scheduler.executors.builtin import BuiltinExecutor
from qs.infra.scheduler.executors.command import CommandExecutor
from qs.infra.scheduler.executors.command_file import read_command_list
from qs.infra.scheduler.executors.http import HttpExecutor
from qs.infra.scheduler.executors.kubernetes import KubernetesExecutor, KubernetesRules
from qs.infra.scheduler.executors.secrets import SettingsSecrets
from qs.infra.scheduler.job_notices import SqlDueNotices
from qs.infra.scheduler.notice_carriers import MailCarrier, WebhookCarrier
from qs.infra.scheduler.sources.files import FileJobs
from qs.infra.scheduler.sources.sys_crontab import SysCrontabJobs
from qs.infra.scheduler.stored_secrets import SecretUnitsOfWork, StoredSecretReader
from qs.interface.jobs import REGISTRATIONS
from qs.settings import Settings
from qs.settings.sources import find_file

_log = structlog.get_logger()


def make_engine(settings: Settings) -> AsyncEngine:
    database = settings.database
    if database.url is None:
        raise RuntimeError("no database is set: set QS_DATABASE_URL, or use `qs up`, which brings its own")
    return create_engine(
        database.url,
        pool_size=database.pool_size,
        max_overflow=database.max_overflow,
        pool_recycle=database.pool_recycle,
        log_sql=database.log_sql,
        application_name=application_name(),
    )


def make_audit_reading(engine: AsyncEngine) -> AuditReading:
    return AuditReading(lambda tenant_id: SqlAuditUnitOfWork(engine, tenant_id))


def make_audit_sealing(engine: AsyncEngine) -> AuditSealing:
    return AuditSealing(SqlUnsealedAudit(engine))


def readiness_checks(
    engine: AsyncEngine, settings: Settings, redis: Callable[[], Redis]
) -> tuple[Check, ...]:
    """What /health/ready asks after: without PostgreSQL nothing works, without Redis events and wake-ups wait."""

    async def redis_answers() -> None:
        await redis().ping()

    postgres = PostgresReadiness(engine).checks(internal_clock=settings.clock.internal)
    return (*postgres, Check("redis", redis_answers, essential=False))


def entry_base_url(settings: Settings) -> str:
    """Where entry links point: the configured page, else the API's own."""
    if settings.entry.base_url:
        return settings.entry.base_url
    return f"{_own_address(settings)}/entry"


def opt_out_base_url(settings: Settings) -> str | None:
    """Where the links lead that stop messages: the configured page, else the API's own where entry links lead there too.

    Where entries have a page elsewhere the API's own address is known to nobody outside.
    """
    if settings.notification.unsubscribe_url is not None:
        return settings.notification.unsubscribe_url
    return None if settings.entry.base_url else f"{_own_address(settings)}/unsubscribe"


def _own_address(settings: Settings) -> str:
    server = settings.server
    scheme = "https" if server.tls.cert_file else "http"
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"{scheme}://{host}:{server.port}"


def worker_name() -> str:
    # Who holds an execution: where to look for the process, and no name an earlier one had.
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def make_builtins(container: Any) -> dict[str, Builtin]:
    """The builtin jobs by name, each with its services from the container."""
    made = [
        registration.make(
            **{name: getattr(container, provider)() for name, provider in registration.needs.items()}
        )
        for registration in REGISTRATIONS
    ]
    return {builtin.name: builtin for builtin in made}


def make_executors(
    settings: Settings,
    client: GuardedClient,
    builtins: Callable[[], Mapping[str, Builtin]],
    stored: SecretUnitsOfWork,
) -> dict[str, Executor]:
    """What this installation can run, by kind. What is off still says so to whoever writes such a job."""
    scheduler = settings.scheduler
    # What the operator put into the environment is his own and no other tenant's. What a command finds in its own is
    # for him to say, so no tenant can lay a value there.
    own = SettingsSecrets({}, os.environ, tenants=(DEFAULT_TENANT, PLATFORM_TENANT))
    secrets = SettingsSecrets(
        {},
        os.environ,
        tenants=(DEFAULT_TENANT, PLATFORM_TENANT),
        stored=StoredSecretReader(stored),
        redactions=own.redactions,
    )
    commands = None if scheduler.commands_file is None else read_command_list(scheduler.commands_file)
    for name, why in (commands.refused if commands else {}).items():
        _log.warning("command_refused", command=name, reason=why)
    executors: list[Executor] = [
        BuiltinExecutor(builtins),
        HttpExecutor(client, secrets, scheduler.results_path),
        CommandExecutor(commands, own),
        KubernetesExecutor(_kubernetes_rules(settings)),
    ]
    return {executor.kind: executor for executor in executors}


def _kubernetes_rules(settings: Settings) -> KubernetesRules | None:
    rules = settings.scheduler.kubernetes
    if rules.namespace is None:
        return None
    return KubernetesRules(
        namespace=rules.namespace,
        kubeconfig=rules.kubeconfig,
        context=rules.context,
        images=rules.images,
        template_file=rules.template_file,
        max_cpu=rules.max_cpu,
        max_memory=rules.max_memory,
        ttl=timedelta(seconds=rules.ttl_s),
        grace=timedelta(seconds=rules.grace_s),
        start=timedelta(seconds=rules.start_s),
        max_deadline=timedelta(seconds=rules.max_deadline_s),
    )


def job_retry(settings: Settings) -> Retry:
    """How jobs are retried that say nothing of it."""
    return Retry(max_attempts=settings.scheduler.defaults.max_attempts)


def make_job_sources(
    settings: Settings,
    engine: AsyncEngine,
    authoring: JobAuthoring,
    builtins: Callable[[], Mapping[str, Builtin]],
) -> JobSources:
    """Everything that declares jobs, in the order of its claim to a name."""
    retry = job_retry(settings)
    sources: list[DesiredJobs] = []
    if (file := find_file(None, os.environ)) is not None:
        sources.append(FileJobs(file, "settings", retry, settings_file=True))
    if settings.scheduler.jobs_file is not None:
        sources.append(FileJobs(settings.scheduler.jobs_file, "jobs_file", retry, settings_file=False))
    sources += [SysCrontabJobs(engine, retry), CodeJobs(builtins, retry)]
    return JobSources(authoring, sources)


def queue_limits(settings: Settings) -> QueueLimits:
    """Raises nothing: what ``scheduler.queues`` holds was checked when the settings were read."""
    scheduler = settings.scheduler
    by_queue = {name: int(limit) for name, _, limit in (each.partition("=") for each in scheduler.queues)}
    return QueueLimits(by_queue, scheduler.tenant_concurrency)


def make_redis(settings: Settings) -> Redis:
    if settings.redis.url is None:
        raise RuntimeError("no Redis is set: set QS_REDIS_URL, or use `qs up`, which brings its own")
    return create_redis(settings.redis.url)


def make_rate_limits(settings: Settings, redis: QuickRedis, monotonic: Callable[[], float]) -> RateLimits:
    """The limits of ``limits``, shared by all processes where there is a Redis."""
    texts = {name: getattr(settings.limits, name) for name in KINDS}
    limits = {name: limit for name, text in texts.items() if (limit := parse_limit(name, text)) is not None}
    limiter: Limiter = LocalLimiter(monotonic)
    if settings.redis.url is not None:
        limiter = RedisLimiter(redis, LocalLimiter(monotonic), processes=settings.limits.processes)
    return RateLimits(limiter, limits)


def how_long_to_keep(settings: Settings) -> Keep:
    retention = settings.retention
    return Keep(
        timedelta(retention.outbox_days),
        timedelta(retention.inbox_days),
        timedelta(retention.executions_days),
        webhooks=timedelta(retention.webhooks_days),
        webhooks_dead=timedelta(retention.webhooks_dead_days),
        messages=timedelta(retention.messages_days),
    )


def mail_server(settings: Settings) -> MailServer | None:
    smtp = settings.smtp
    if smtp.host is None or smtp.sender is None:
        return None
    return MailServer(smtp.host, smtp.port, smtp.tls, smtp.sender, smtp.username, smtp.password)


def mini_program(settings: Settings) -> MiniProgram | None:
    wechat = settings.notification.wechat
    if wechat.appid is None or wechat.secret is None:
        return None
    templates = WechatTemplates.read(wechat.templates)
    return MiniProgram(wechat.base_url.rstrip("/"), wechat.appid, wechat.secret, wechat.state, templates)


def templates_with_grants(settings: Settings) -> dict[str, frozenset[str]]:
    """By channel, the templates of its provider that are sent with as often as somebody agreed to."""
    program = mini_program(settings)
    return {} if program is None else {"wechat": program.templates.ids}


def make_apprise(settings: Settings) -> ApprisePosts:
    """Where nothing is allowed, it says so of every address."""
    return ApprisePosts(
        settings.notification.apprise.schemas,
        settings.outbound.allow_networks,
        deadline=timedelta(seconds=settings.notification.timeout_s),
    )


def make_channels(
    settings: Settings, client: GuardedClient, unit_of_work: NotificationUnitOfWorkFactory
) -> dict[str, Channel]:
    webhook = settings.notification.webhook
    kit = Kit(
        client,
        timedelta(seconds=settings.notification.timeout_s),
        mail=mail_server(settings),
        webhook=None if webhook.url is None else WebhookReceiver(webhook.url, webhook.secrets),
        wechat=mini_program(settings),
        grants=GrantSpending(unit_of_work),
        apprise=make_apprise(settings) if settings.notification.apprise.schemas else None,
        unsubscribe_mail=settings.notification.unsubscribe_mail,
        sms=SmsGateway.of(settings.notification.sms),
    )
    return choosing.make_channels(settings.notification_channels, kit)


def make_mailer(settings: Settings) -> Mailer:
    server = mail_server(settings)
    if server is None:
        return UnsetMailer()
    return SmtpMailer(server, deadline=timedelta(seconds=settings.notification.timeout_s))


def make_notice_writing(settings: Settings, ids: IdGenerator) -> NoticeWriting:
    return NoticeWriting(ids, default_webhook=settings.scheduler.defaults.webhook is not None)


def make_notice_sending(
    settings: Settings,
    engine: AsyncEngine,
    unit_of_work: JobUnitOfWorkFactory,
    client: GuardedClient,
    mailer: Mailer,
    meter: Meter,
) -> NoticeSending:
    timezone = settings.scheduler.timezone or settings.timezone
    deadline = timedelta(seconds=settings.notification.timeout_s)
    webhook = WebhookCarrier(
        client,
        settings.notification.webhook.secrets,
        deadline=deadline,
        default_url=settings.scheduler.defaults.webhook,
    )
    mail = MailCarrier(mailer, lang=settings.lang, timezone=timezone)
    return NoticeSending(
        unit_of_work,
        SqlDueNotices(engine),
        {NoticeChannel.WEBHOOK: webhook, NoticeChannel.EMAIL: mail},
        meter,
        concurrency=settings.worker.concurrency,
        # A little more than the deadline of the call itself, which can tell better what did not answer.
        limit=deadline + timedelta(seconds=2),
    )
