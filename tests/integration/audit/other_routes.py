"""One successful call of every mutating route about sessions, events, notifications and jobs."""

from uuid import UUID, uuid4

from dependency_injector import providers

from qs.application.identity.administering_users import UserAdministration
from qs.application.kernel.opt_out_links import OptOutWish
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.notification.receipt_reading import PostedReceipts
from qs.infra.plan.opt_out_links import SealedOptOutLinks
from qs.infra.postgres.heartbeats import Heartbeat
from qs.settings.sections import SmsReceiptSettings
from tests.integration.jobs_http.steps import ECRON, HOURLY, Worker, data_of, make_job, run_job
from tests.support.waiting import eventually

from .recorder import Recorder

V1 = "/api/v1"
WEB = {"target": {"http": {"url": "https://example.org"}}, "overlap": {"policy": "allow", "max": 9}}
PASSWORD = "correct horse battery staple of the audit"
NIGHTLY = {
    "job_name": "nightly",
    "job_cron_time": "0 0 2 * * ?",
    "job_context": {"mode": "http", "exec": "http://clinic.example.org/reports"},
}


async def call_identity(rec: Recorder) -> None:
    container = rec.container
    users: UserAdministration = container.user_administration()
    await users.create(DEFAULT_TENANT, "anna", PASSWORD, ["viewer"], actor="test")
    login = await rec.call(f"POST {V1}/auth/login", {"username": "anna", "password": PASSWORD})
    renewed = await rec.call(f"POST {V1}/auth/refresh", {"refresh_token": login.json()["refresh_token"]})
    await rec.call(f"POST {V1}/auth/logout", {"refresh_token": renewed.json()["refresh_token"]})
    keys = f"{V1}/admin/api-keys"
    key = data_of(await rec.call(f"POST {keys}", {"name": "export", "scopes": ["plans:read"]}), 201)
    await rec.call(f"DELETE {keys}/{{key_id}}", key_id=key["id"])
    await call_administration(rec)
    account = await container.service_account_administration().create(
        DEFAULT_TENANT, "crontab", ["tasks:schedule"], actor="test"
    )
    client = (account.account.client_id, account.client_secret)
    await rec.call("POST /oauth2/token", data={"grant_type": "client_credentials"}, auth=client)


async def call_administration(rec: Recorder) -> None:
    admin = f"{V1}/admin"
    clinic = {"slug": "clinic", "name": "Clinic", "timezone": "UTC"}
    tenant = data_of(await rec.call(f"POST {admin}/tenants", clinic), 201)
    await rec.call(f"PATCH {admin}/tenants/{{tenant_id}}", {"name": "Practice"}, tenant_id=tenant["id"])
    person = {"username": "bernd", "password": PASSWORD, "roles": ["viewer"]}
    user = data_of(await rec.call(f"POST {admin}/users", person), 201)["id"]
    one = f"{admin}/users/{{user_id}}"
    await rec.call(f"PUT {one}/password", {"password": f"{PASSWORD}!"}, user_id=user)
    await rec.call(f"PUT {one}/roles", {"roles": ["operator"]}, user_id=user)
    await rec.call(f"POST {one}/disable", user_id=user)
    machine = {"name": "export", "scopes": ["plans:read"]}
    account = data_of(await rec.call(f"POST {admin}/service-accounts", machine), 201)["id"]
    one = f"{admin}/service-accounts/{{account_id}}"
    await rec.call(f"POST {one}/secret", account_id=account)
    await rec.call(f"DELETE {one}", account_id=account)


async def call_messages(rec: Recorder) -> None:
    await rec.call(f"POST {V1}/events/replay", {"after": 0, "before": 10})
    dead = uuid4()
    await rec.truth.execute(
        "INSERT INTO delivery (id, tenant_id, event_id, event_name, recipient, channel, address_index, template, locale,"
        " data, status, reason) VALUES ($1, $2, $3, 'TaskOpened', 'staff', 'log', 0, 'task_opened', 'en', '{}', 'dead',"
        " 'permanent_failure')",
        dead,
        DEFAULT_TENANT,
        uuid4(),
    )
    await rec.call(f"POST {V1}/notifications/{{notification_id}}/replay", notification_id=dead)
    await rec.call(f"POST {V1}/notifications/replay", {"status": "dead", "channel": "log"})
    await call_reports(rec)
    template = f"{V1}/templates/{{key}}/{{locale}}"
    which = {"key": "task_expired", "locale": "en"}
    await rec.call(f"PUT {template}", {"subject": "It is over", "body": "{greeting}"}, **which)
    await rec.call(f"POST {template}/preview", {}, **which)
    await rec.call(f"DELETE {template}", **which)
    await rec.call(f"POST {template}/activate", {"version": 1}, **which)


async def call_reports(rec: Recorder) -> None:
    """What is heard of messages after they were handed over."""
    receipts = PostedReceipts(SmsReceiptSettings(secret="provider-0123456789"))
    rec.container.receipt_reading.override(providers.Object({"sms": receipts}))
    sent = {}
    for channel in ("email", "sms"):
        sent[channel] = uuid4()
        await rec.truth.execute(
            "WITH d AS (INSERT INTO delivery (id, tenant_id, event_id, event_name, recipient, channel, template, locale,"
            " status, epoch) VALUES ($1, $2, $3, 'TaskOpened', 'staff', $4, 'task_opened', 'en', 'sent', 1)"
            " RETURNING tenant_id, id, epoch) INSERT INTO delivery_attempt (tenant_id, delivery_id, number, outcome)"
            " SELECT tenant_id, id, epoch, 'sent' FROM d",
            sent[channel],
            DEFAULT_TENANT,
            uuid4(),
            channel,
        )
    await rec.call(f"POST {V1}/notifications/bounces", {"notification_id": str(sent["email"])})
    receipt = {"id": str(sent["sms"]), "status": "delivered"}
    route = f"POST {V1}/notifications/receipts/{{channel}}"
    await rec.call(route, receipt, query="?key=provider-0123456789", channel="sms")
    testee = data_of(await rec.api.post(f"{V1}/testees", json={"name": "Li Lei"}), 201)
    links = SealedOptOutLinks(rec.container.keyring(), "https://qs.example.org")
    url = links.url(OptOutWish(DEFAULT_TENANT, UUID(testee["id"]), "email", None))
    assert url is not None
    await rec.call("POST /unsubscribe/{token}", token=url.rpartition("/")[2])


async def call_jobs(rec: Recorder) -> None:
    jobs = f"{V1}/scheduler/jobs"
    one = f"{jobs}/{{job_id}}"
    job = data_of(await rec.call(f"POST {jobs}", HOURLY), 201)["id"]
    await rec.call(f"PUT {one}", HOURLY | {"schedule": "5 * * * *"}, job_id=job)
    await rec.call(f"PATCH {one}", {"remarks": "tidies"}, job_id=job)
    await rec.call(f"PUT {one}/enable", {"enabled": False}, job_id=job)
    await rec.call(f"PUT {one}/notify", {"webhook": "https://example.org", "on": ["failure"]}, job_id=job)
    await rec.call(f"POST {one}/run", job_id=job)
    filled = {"from": "2026-01-01T00:30:00Z", "to": "2026-01-01T04:00:00Z"}
    await rec.call(f"POST {one}/backfill", filled, job_id=job)
    await rec.call(f"DELETE {one}", job_id=job)
    several = {"jobs": [HOURLY | {"name": "first"}, HOURLY | {"name": "second"}], "owner": "files"}
    await rec.call(f"POST {jobs}/apply", several)
    await rec.call(
        f"POST {V1}/scheduler/preview",
        {"type": "cron", "schedule": "0 * * * *", "timezone": "UTC", "count": 2},
    )
    calendars = f"{V1}/scheduler/calendars"
    await rec.call(f"POST {calendars}", {"name": "rest", "holidays": ["2026-10-01"]})
    await rec.call(f"PUT {calendars}/{{name}}", {"holidays": ["2026-10-02"]}, name="rest")
    await rec.call(f"DELETE {calendars}/{{name}}", name="rest")
    secrets = f"{V1}/secrets/{{name}}"
    await rec.call(f"PUT {secrets}", {"value": "hunter22"}, name="token")
    await rec.call(f"DELETE {secrets}", name="token")
    await rec.call(f"POST {V1}/scheduler/stop")
    await rec.call(f"POST {V1}/scheduler/start")
    await Heartbeat(rec.container.engine(), "cron").beat()
    (node,) = data_of(await rec.api.get(f"{V1}/scheduler/nodes"))
    await rec.call(f"POST {V1}/scheduler/nodes/{{node_id}}/drain", node_id=node["id"])


async def call_executions(rec: Recorder) -> None:
    one = f"POST {V1}/scheduler/executions/{{execution_id}}"
    job = await make_job(rec.api, **WEB)
    worker = Worker(rec.container)
    try:
        reported, other = await run_job(rec.api, job), await run_job(rec.api, job)
        await worker.begin()

        async def awaited() -> bool:
            path = f"{V1}/scheduler/executions"
            found = [data_of(await rec.api.get(f"{path}/{each['id']}")) for each in (reported, other)]
            return all(each["awaited"] for each in found)

        await eventually(awaited)
        await rec.call(f"{one}/report", {"succeeded": True}, execution_id=reported["id"])
        await rec.call(f"PUT {ECRON}/jobstatus/{{ids}}", {"job_status": "success"}, ids=other["id"])
    finally:
        await worker.close()
    await rec.call(f"{one}/retry", execution_id=reported["id"])
    canceled = await run_job(rec.api, job)
    await rec.call(f"{one}/cancel", execution_id=canceled["id"])


async def call_ecron(rec: Recorder) -> None:
    """Routes that take several jobs leave a record for each; here it is one."""
    one = f"{ECRON}/job/{{job_ids}}"
    job = (await rec.call(f"POST {ECRON}/job", NIGHTLY)).json()["job_id"]
    await rec.call(f"PUT {one}", NIGHTLY | {"job_cron_time": "0 0 3 * * ?"}, job_ids=job)
    await rec.call(f"PUT {one}/enable", {"enable": False}, job_ids=job)
    await rec.call(f"PUT {one}/notify", {"webhook": "https://example.org"}, job_ids=job)
    await rec.call(f"POST {ECRON}/jobexecution", {"job_id": job})
    await rec.call(f"DELETE {one}", job_ids=job)
