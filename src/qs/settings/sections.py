"""Every setting there is, with its default: what `qs.yaml` may hold and what the environment may override."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from qs.settings.types import (
    Days,
    File,
    Flag,
    Hours,
    Network,
    Port,
    Rate,
    Secret,
    SecretUrl,
    Share,
    Text,
    length_of_time,
    seconds,
    whole,
)

Environment = Literal["development", "test", "demo", "production"]
Role = Literal["cron", "relay", "notifications", "ticker", "executions", "statistics"]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A group of settings. Its repr names no value, since a traceback or a log line may carry it."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class TlsSettings(Section, frozen=True):
    """Both or neither; with them the API speaks HTTPS."""

    cert_file: File | None = None
    key_file: File | None = None


class ServerSettings(Section, frozen=True):
    """Where the API listens (``addr`` in the file is ``host:port``) and whose ``X-Forwarded-*`` it believes.

    ``grpc_port`` of the same host serves the duties over gRPC; without it nothing does. Asked to end, the API says for
    ``drain_s`` that it is not ready and still takes what comes, so that a load balancer learns of it in time.
    """

    host: Text = "127.0.0.1"
    port: Port = 8080
    grpc_port: Port | None = None
    tls: TlsSettings = msgspec.field(default_factory=TlsSettings)
    trusted_proxies: tuple[Network, ...] = ()
    cors_origins: tuple[Text, ...] = ()
    metrics_public: Flag = False
    drain_s: Annotated[float, seconds(0, 5)] = 0.0


class DatabaseSettings(Section, frozen=True):
    """PostgreSQL; without ``url`` an embedded one is used. ``pool_recycle`` is in seconds."""

    url: SecretUrl | None = None
    migration_url: SecretUrl | None = None
    pool_size: Annotated[int, whole(1, 500)] = 20
    max_overflow: Annotated[int, whole(0, 500)] = 0
    pool_recycle: Annotated[int, whole(1, 86400)] = 1800
    log_sql: Flag = False


class RedisSettings(Section, frozen=True):
    """Redis or Valkey; without ``url`` an embedded one is used."""

    url: SecretUrl | None = None


class EmbeddedSettings(Section, frozen=True):
    """Which programs run as embedded servers and where their sockets live, when not the ones found."""

    pg_bin: File | None = None
    redis_bin: File | None = None
    dir: File | None = None


class LogSettings(Section, frozen=True):
    """Console and, with ``path``, a file that is rotated daily and at ``max_size_mb``."""

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    format: Literal["console", "json"] = "console"
    console: Flag = True
    path: File | None = None
    max_size_mb: Annotated[int, whole(1, 10240)] = 100
    days: Days = 30
    compress: Flag = True


class WorkerSettings(Section, frozen=True):
    roles: tuple[Role, ...] = ("cron", "relay", "notifications", "statistics", "ticker", "executions")
    concurrency: Annotated[int, whole(1, 1000)] = 10


class FeatureSettings(Section, frozen=True):
    """``dashboard``: pages for people under ``/dashboard``, behind a login; ``queue_dashboard``: ``/queue`` leads there."""

    dashboard: Flag = True
    queue_dashboard: Flag = False


class AuthSettings(Section, frozen=True):
    """Who issues access tokens, how long ours live, and the first administrator.

    ``builtin`` issues its own, under the names ``qs`` unless told otherwise. ``jwks`` and ``introspection`` leave people
    to an identity provider: ``tenant_claim`` and ``roles_claim`` (names, or paths with dots) say where it puts them.
    ``ca_file`` holds the only authorities whose certificates are believed of it; without it the usual ones are.
    """

    mode: Literal["builtin", "jwks", "introspection"] = "builtin"
    issuer: Text | None = None
    audience: Text | None = None
    jwks_url: Text | None = None
    introspection_url: Text | None = None
    client_id: Text | None = None
    client_secret: Secret | None = None
    tenant_claim: Text = "tenant"
    default_tenant: Text | None = None
    roles_claim: Text = "roles"
    role_prefix: Text | None = None
    ca_file: File | None = None
    admin_username: Text | None = None
    admin_password: Secret | None = None
    access_ttl_s: Annotated[float, seconds(60, 86400)] = 3600.0
    refresh_ttl_days: Days = 30


class MqSettings(Section, frozen=True):
    """A message broker that events go out through: off without ``type``. Every name there begins with ``prefix``.

    With ``accept_jobs`` whoever may write to its queue runs the jobs of ``tenant``. ``mechanism`` is Kafka's,
    ``virtual_host`` RabbitMQ's; NSQ takes ``password`` alone, as its secret.
    """

    type: Literal["kafka", "nats", "rabbitmq", "nsq"] | None = None
    host: Text | None = None
    port: Port | None = None
    username: Text | None = None
    password: Secret | None = None
    tls: Flag = False
    ca_file: File | None = None
    mechanism: Literal["plain", "scram-sha-256", "scram-sha-512"] = "plain"
    virtual_host: Text = "/"
    prefix: Text = "qs"
    accept_jobs: Flag = False
    tenant: Text | None = None


class EntrySettings(Section, frozen=True):
    """The link's base (without it, the API's own ``/entry``) and how long a link lives by default."""

    base_url: Text | None = None
    ttl_days: Days = 7


class EventsSettings(Section, frozen=True):
    """``entry_url`` puts links into the stream, for those who trust everybody who can read their Redis."""

    entry_url: Flag = False
    republish_after_s: Annotated[float, seconds(0.1, 3600)] = 5.0
    poll_s: Annotated[float, seconds(0.01, 60)] = 0.1
    max_attempts: Annotated[int, whole(1, 100)] = 5


class SmtpSettings(Section, frozen=True):
    host: Text | None = None
    port: Port = 587
    tls: Literal["none", "starttls", "tls"] = "starttls"
    username: Text | None = None
    password: Secret | None = None
    sender: Text | None = msgspec.field(name="from", default=None)


class WebhookSettings(Section, frozen=True):
    """Where notifications are posted; the first secret signs first, two may be active during rotation."""

    url: SecretUrl | None = None
    secrets: tuple[Secret, ...] = ()


class WechatSettings(Section, frozen=True):
    """The mini-program that sends subscribe messages, and its message template for each of ours.

    ``templates`` are ``{message, id, page, fields}``, as ``docs/notifications/wechat.md`` has it.
    """

    appid: Text | None = None
    secret: Secret | None = None
    base_url: Text = "https://api.weixin.qq.com"
    state: Literal["formal", "trial", "developer"] = "formal"
    templates: tuple[Any, ...] = ()


class AppriseSettings(Section, frozen=True):
    """Which kinds of apprise address staff contacts may have, such as ``slack`` and ``dingtalk``; none without it."""

    schemas: tuple[Text, ...] = ()


class SmsReceiptSettings(Section, frozen=True):
    """What the provider of text messages reports later, and how it shows that it is the provider.

    The ``secret`` stands in ``header``, or without one in the query as ``key``; with a ``signature`` the header holds one
    of the body made with it. ``reports``, ``id`` and ``status`` are JSON pointers.
    """

    secret: Secret | None = None
    header: Text | None = None
    signature: Literal["none", "hmac-sha256"] = "none"
    reports: Text | None = None
    id: Text = "/id"
    status: Text = "/status"
    delivered: tuple[Text, ...] = ("delivered",)
    failed: tuple[Text, ...] = ("failed", "undelivered")


class SmsSettings(Section, frozen=True):
    """The HTTP gateway that text messages go out by: what it is sent, and how it says that it took a message.

    ``headers`` are lines such as ``Authorization: Bearer …``; ``body`` is JSON or a form with ``{to}``, ``{text}`` and
    ``{id}``. ``code`` and ``id`` are JSON pointers into its answer, ``accepted`` and ``permanent`` values of ``code``.
    """

    url: SecretUrl | None = None
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: tuple[Secret, ...] = ()
    format: Literal["json", "form"] = "json"
    body: Secret | None = None
    code: Text | None = None
    accepted: tuple[Text, ...] = ()
    permanent: tuple[Text, ...] = ()
    id: Text | None = None
    max_segments: Annotated[int, whole(1, 20)] = 5
    receipts: SmsReceiptSettings = msgspec.field(default_factory=SmsReceiptSettings)


class AlertSettings(Section, frozen=True):
    """What staff are told of when it goes wrong. ``missed_in_a_row`` holds where a plan says nothing; 0 is never.

    ``operator_email`` hears of what concerns the whole installation. ``api_url`` is where the API is reached from outside,
    for links in messages.
    """

    missed_in_a_row: Annotated[int, whole(0, 100)] = 2
    per_hour: Annotated[int, whole(1, 1000)] = 10
    operator_email: Text | None = None
    api_url: Text | None = None


class NotificationSettings(Section, frozen=True):
    """Without ``channels``: the log, and each other channel that is set up, as by ``webhook.url`` or ``smtp.host``.

    ``null`` is a channel that throws everything away; it is used only where it is named. ``unsubscribe_url`` is where
    ``/unsubscribe`` is reached from outside, ``unsubscribe_mail`` an address for those who would rather write.

    In ``quiet_hours`` testees and guardians get nothing, by the clock of their own zone. ``max_per_day`` is how many
    messages arrive at one address on a day, ``digest`` puts openings of one minute into one message, and
    ``rate`` is how fast messages go out over each channel, by all processes together.
    """

    channels: tuple[Literal["log", "webhook", "email", "sms", "wechat", "apprise", "null"], ...] | None = None
    webhook: WebhookSettings = msgspec.field(default_factory=WebhookSettings)
    sms: SmsSettings = msgspec.field(default_factory=SmsSettings)
    wechat: WechatSettings = msgspec.field(default_factory=WechatSettings)
    apprise: AppriseSettings = msgspec.field(default_factory=AppriseSettings)
    unsubscribe_url: Text | None = None
    unsubscribe_mail: Text | None = None
    alerts: AlertSettings = msgspec.field(default_factory=AlertSettings)
    max_attempts: Annotated[int, whole(1, 100)] = 8
    backoff_s: Annotated[float, seconds(0.01, 3600)] = 5.0
    backoff_max_s: Annotated[float, seconds(0.01, 86400)] = 3600.0
    timeout_s: Annotated[float, seconds(0.1, 300)] = 10.0
    quiet_hours: Hours | None = None
    max_per_day: Annotated[int, whole(1, 1000)] | None = None
    digest: Flag = False
    rate: Rate = "0"


class EndpointSettings(Section, frozen=True):
    """How tenants' webhook endpoints are called: how many calls at a time in one process, all together and to each.

    A delivery is tried again after ``backoff_s`` and ever more rarely, for ``give_up_s`` in all, after which an endpoint that
    did nothing but fail is disabled. One that fails is tried every ``probe_max_s`` at least.
    """

    timeout_s: Annotated[float, seconds(0.1, 60)] = 15.0
    concurrency: Annotated[int, whole(1, 1000)] = 64
    per_endpoint: Annotated[int, whole(1, 100)] = 10
    backoff_s: Annotated[float, seconds(0.01, 3600)] = 5.0
    backoff_max_s: Annotated[float, seconds(0.01, 604800)] = 86400.0
    probe_max_s: Annotated[float, seconds(0.01, 86400)] = 300.0
    give_up_s: Annotated[float, seconds(1, 2592000)] = 432000.0


class OutboundSettings(Section, frozen=True):
    """Networks that outgoing calls may reach although they are not public."""

    allow_networks: tuple[Network, ...] = ()


class SweepSettings(Section, frozen=True):
    """Tasks per transaction, and the longest one sweep may take."""

    batch: Annotated[int, whole(1, 50000)] = 2000
    max_seconds: Annotated[float, seconds(1, 3600)] = 120.0


class RetentionSettings(Section, frozen=True):
    """How long what is no longer needed is kept; the inbox must outlive the outbox and the stream, messages the inbox."""

    outbox_days: Days = 7
    inbox_days: Days = 30
    stream_hours: Annotated[int, whole(1, 8784)] = 24
    executions_days: Days = 90
    webhooks_days: Days = 30
    webhooks_dead_days: Days = 90
    messages_days: Annotated[int, whole(1, 36525)] = 366


class LimitsSettings(Section, frozen=True):
    """How often one caller may call, by the kind of call. While Redis is away, or takes longer than ``patience_s``, each
    process allows its share of a limit, of which there are ``processes``.
    """

    reading: Rate = "12000/1m"
    writing: Rate = "6000/1m"
    duties: Rate = "600/1m"
    login: Rate = "300/1m"
    misses: Rate = "60/1m"
    processes: Annotated[int, whole(1, 1000)] = 4
    patience_s: Annotated[float, seconds(0.01, 10)] = 0.25


class ClockSettings(Section, frozen=True):
    """Whether the workers' own clock fires the duties, and how often; off for those who call over HTTP."""

    internal: Flag = True
    sweep_every: Annotated[timedelta, length_of_time(1, 86400)] = timedelta(minutes=1)


class SchedulerDefaults(Section, frozen=True):
    max_attempts: Annotated[int, whole(1, 100)] = 3
    webhook: SecretUrl | None = None


class KubernetesSettings(Section, frozen=True):
    """Pods as jobs: off without a ``namespace``. Without ``kubeconfig`` the cluster is the one qs runs in."""

    namespace: Text | None = None
    kubeconfig: File | None = None
    context: Text | None = None
    images: tuple[Text, ...] = ()
    template_file: File | None = None
    max_cpu: Text = "2"
    max_memory: Text = "2Gi"
    ttl_s: Annotated[float, seconds(60, 2592000)] = 3600.0
    grace_s: Annotated[float, seconds(1, 3600)] = 30.0
    start_s: Annotated[float, seconds(1, 3600)] = 120.0
    max_deadline_s: Annotated[float, seconds(1, 604800)] = 86400.0


class SchedulerSettings(Section, frozen=True):
    """Jobs. ``jobs`` are those declared here, ``jobs_file`` names another file of them; both are read again when they
    change. ``queues`` are limits for the whole cluster such as ``reports=2``; ``commands_file`` lists what may be run.
    ``results_path`` is where ECron's targets report their results: ``POST {results_path}/{execution_id}``.
    """

    enabled: Flag = True
    timezone: Text | None = None
    defaults: SchedulerDefaults = msgspec.field(default_factory=SchedulerDefaults)
    jobs: tuple[Any, ...] = ()
    jobs_file: File | None = None
    queues: tuple[Text, ...] = ()
    tenant_concurrency: Annotated[int, whole(1, 100000)] | None = None
    commands_file: File | None = None
    results_path: Text | None = None
    kubernetes: KubernetesSettings = msgspec.field(default_factory=KubernetesSettings)


class TracingSettings(Section, frozen=True):
    """Traces go to the OTLP/HTTP collector at ``endpoint``, such as ``http://127.0.0.1:4318``; without it none are kept.

    ``sample_ratio`` is the share of the traces that begin here to be kept; whoever calls with a trace has decided already.
    """

    endpoint: Text | None = None
    sample_ratio: Share = 1.0
    service_name: Text = "qs"


def _default_home() -> Path:
    try:
        return Path("~/.qs").expanduser()
    except RuntimeError:
        # A container may run under a number that no account has.
        return Path("/var/lib/qs")


class Settings(Section, frozen=True):
    """All settings of one process. Made by ``load_settings``; tests may make one directly."""

    env: Environment = "development"
    home: File = msgspec.field(default_factory=_default_home)
    timezone: Text = "Asia/Shanghai"
    lang: Literal["en", "zh_CN"] = "en"
    secret_key: Secret | None = None
    server: ServerSettings = msgspec.field(default_factory=ServerSettings)
    database: DatabaseSettings = msgspec.field(default_factory=DatabaseSettings)
    redis: RedisSettings = msgspec.field(default_factory=RedisSettings)
    embedded: EmbeddedSettings = msgspec.field(default_factory=EmbeddedSettings)
    log: LogSettings = msgspec.field(default_factory=LogSettings)
    worker: WorkerSettings = msgspec.field(default_factory=WorkerSettings)
    feature: FeatureSettings = msgspec.field(default_factory=FeatureSettings)
    auth: AuthSettings = msgspec.field(default_factory=AuthSettings)
    mq: MqSettings = msgspec.field(default_factory=MqSettings)
    entry: EntrySettings = msgspec.field(default_factory=EntrySettings)
    events: EventsSettings = msgspec.field(default_factory=EventsSettings)
    smtp: SmtpSettings = msgspec.field(default_factory=SmtpSettings)
    notification: NotificationSettings = msgspec.field(default_factory=NotificationSettings)
    webhooks: EndpointSettings = msgspec.field(default_factory=EndpointSettings)
    outbound: OutboundSettings = msgspec.field(default_factory=OutboundSettings)
    limits: LimitsSettings = msgspec.field(default_factory=LimitsSettings)
    sweep: SweepSettings = msgspec.field(default_factory=SweepSettings)
    retention: RetentionSettings = msgspec.field(default_factory=RetentionSettings)
    clock: ClockSettings = msgspec.field(default_factory=ClockSettings)
    scheduler: SchedulerSettings = msgspec.field(default_factory=SchedulerSettings)
    tracing: TracingSettings = msgspec.field(default_factory=TracingSettings)

    @property
    def notification_channels(self) -> tuple[str, ...]:
        """The channels that messages go out over."""
        if self.notification.channels is not None:
            return self.notification.channels
        set_up = {
            "webhook": self.notification.webhook.url,
            "email": self.smtp.host,
            "sms": self.notification.sms.url,
            "wechat": self.notification.wechat.appid,
            "apprise": self.notification.apprise.schemas or None,
        }
        return ("log", *(name for name, where in set_up.items() if where is not None))
