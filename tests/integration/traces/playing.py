"""A day of an installation, with everything in it that knows a secret and much that goes wrong."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from secrets import randbelow
from typing import Any
from uuid import uuid4

import httpx

from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.integration.plan_http.steps import V1, WEEKLY, data_of, make_due, soon
from tests.integration.traces.installation import Installation
from tests.support.waiting import eventually

PLAN = "Follow-up of the traces"
SPANS = (b"run job", b"send notification", b"GET /entry", b"duty sweep", b"http.route")
# All occasions are open at once, and none for long.
TERMS = {"name": PLAN, "entry_ttl_days": 2, "catch_up": "all", "catch_up_days": None}
JOBS = f"{V1}/scheduler/jobs"


@asynccontextmanager
async def opened(at: Installation) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, beside which every role is at work."""
    _by_verbs(at)
    async with at.api() as address, at.process("worker", "worker"), _client(address) as api:
        yield api


async def play(at: Installation, api: httpx.AsyncClient) -> str:
    """Plays the day; the id of the testee it is about."""
    await _come_in(at, api)
    await _misuse(at, api)
    testee = await _follow(at, api)
    await _work(at, api)
    await _notified(at)
    await _traced(at)
    return testee


async def ask_a_provider(at: Installation) -> None:
    """An API that leaves people to an identity provider, which is away."""
    async with at.api("introspecting", **_elsewhere(at)) as address, _client(address) as api:
        token = at.secrets.plant("token of a provider", "ory_at_{}")
        answer = await api.get(f"{V1}/plans", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 503


async def erase(api: httpx.AsyncClient, testee: str) -> None:
    """The testee is erased, and that was told."""
    data_of(await api.delete(f"{V1}/testees/{testee}"))

    async def told() -> bool:
        feed = await api.get(f"{V1}/events", params={"page_size": 100})
        return "testee_erased" in feed.text

    await eventually(told)


def _client(address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=address, timeout=60, trust_env=False)


def _elsewhere(at: Installation) -> dict[str, str]:
    """Settings by which people log in at a provider that is away."""
    for name in ("QS_ADMIN_USERNAME", "QS_ADMIN_PASSWORD"):
        at.environment.pop(name)
    return {
        "QS_AUTH_MODE": "introspection",
        "QS_AUTH__ISSUER": "https://id.example.org",
        "QS_AUTH__AUDIENCE": "qs",
        "QS_AUTH__INTROSPECTION_URL": "http://127.0.0.1:9/introspect",
        "QS_AUTH__CLIENT_ID": "qs",
        "QS_AUTH__CLIENT_SECRET": at.secrets.plant("client secret at the provider"),
    }


def _by_verbs(at: Installation) -> None:
    planted = at.secrets.plant
    at.verb("secret", "set", "stored", stdin=planted("stored secret") + "\n")
    at.verb("secret", "set", "stored-again", stdin=planted("stored secret, replaced"))
    at.verb("secret", "set", "stored-again", stdin=planted("stored secret of several lines", "one {}\ntwo"))
    at.verb("user", "create", "anna", "--role", "coordinator", QS_USER_PASSWORD=planted("user's password"))
    made = at.verb("service-account", "create", "machine", "--scope", "tasks:schedule", "--json")
    at.secrets.know("service account's secret", json.loads(made)["client_secret"])
    at.secrets.know(
        "token of an operator",
        json.loads(at.verb("token", "create", "--scope", "plans:read", "--json"))["token"],
    )
    for words in (("doctor",), ("config", "show"), ("secret", "list"), ("keys", "list"), ("keys", "rotate")):
        at.keep(f"shown by {' '.join(words)}", at.verb(*words))
    away = planted("password of a database that is away")
    at.keep("away", at.verb("clock", "show", QS_DATABASE_URL=f"postgresql://u:{away}@127.0.0.1:9/d"))
    broken = planted("password of an address that is none")
    at.keep("broken", at.verb("clock", "show", QS_DATABASE_URL=f"postgresql:/u:{broken}@nowhere/d"))
    nameless = planted("key without an id")
    at.keep("nameless", at.verb("clock", "show", QS_SECRET_KEY=nameless))


async def _log_in(at: Installation, api: httpx.AsyncClient, username: str, password: str) -> dict[str, Any]:
    body = {"username": username, "password": at.secrets[password]}
    answer = await api.post(f"{V1}/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    api.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    session: dict[str, Any] = answer.json()
    return session


async def _come_in(at: Installation, api: httpx.AsyncClient) -> None:
    known = at.secrets.know
    await _log_in(at, api, "anna", "user's password")
    session = await _log_in(at, api, "admin", "administrator's password")
    known("access token", session["access_token"])
    known("refresh token", session["refresh_token"])
    renewed = (await api.post(f"{V1}/auth/refresh", json={"refresh_token": session["refresh_token"]})).json()
    known("renewed access token", renewed["access_token"])
    known("renewed refresh token", renewed["refresh_token"])
    api.headers["Authorization"] = f"Bearer {renewed['access_token']}"
    once = {"Idempotency-Key": str(uuid4())}
    body = {"name": "export", "scopes": ["plans:read"]}
    made = await api.post(f"{V1}/admin/api-keys", json=body, headers=once)
    key = known("API key", data_of(made, 201)["key"])
    known("API key, without what names it", key[37:])
    assert (await api.post(f"{V1}/admin/api-keys", json=body, headers=once)).status_code == 409
    assert (await api.get(f"{V1}/plans", headers={"Authorization": f"Bearer {key}"})).status_code == 200
    async with at.container() as container:
        account = (await container.service_account_administration().list(DEFAULT_TENANT))[0]
    client = (account.client_id, at.secrets["service account's secret"])
    granted = await api.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=client)
    known("token of a service account", granted.json()["access_token"])


async def _misuse(at: Installation, api: httpx.AsyncClient) -> None:
    """Calls that fail, each with a secret in it."""
    planted = at.secrets.plant
    testees, elsewhere = f"{V1}/testees", {"Authorization": "Bearer " + planted("token that is none")}
    again = {"refresh_token": at.secrets["refresh token"]}
    wrong = {"username": "admin", "password": planted("password that was mistyped")}
    login, refresh, token = f"{V1}/auth/login", f"{V1}/auth/refresh", "/oauth2/token"
    machine = {"grant_type": "client_credentials"}
    cookies = {"Cookie": "session=" + planted("cookie"), "X-Api-Key": planted("key in a header")}
    contact = {"channel": "email", "address": planted("address that is none")}
    strange = {"name": "x", planted("unknown field"): planted("value of an unknown field")}
    half = '{"name": "' + planted("body that is no JSON")
    asked = {"token": planted("unknown parameter"), "status": planted("status that is none")}
    links = [at.secrets.know(f"link that is none {number}", str(uuid4())) for number in range(2)]
    as_nobody = ("nobody", planted("client secret that is none"))
    calls: list[tuple[int, Any]] = [
        (401, api.post(login, json=wrong)),
        (401, api.post(login, json={"username": planted("password typed as a name"), "password": "x"})),
        (401, api.get(testees, headers=elsewhere)),
        (401, api.get(testees, headers={"Authorization": "Basic " + planted("basic credentials")})),
        (200, api.get(testees, headers=cookies)),
        (422, api.post(testees, json=strange)),
        (422, api.post(testees, json={"name": planted("name that is too long", "{}" + "x" * 300)})),
        (422, api.post(testees, json={"contacts": [contact]})),
        (400, api.post(testees, content=half, headers={"Content-Type": "application/json"})),
        (415, api.post(testees, content=planted("text"), headers={"Content-Type": "text/plain"})),
        (422, api.get(f"{V1}/plans", params=asked)),
        (422, api.put(f"{V1}/secrets/UPPER", json={"value": planted("secret under a wrong name")})),
        (422, api.put(f"{V1}/secrets/good", json={"value": planted("long secret", "{}" + "x" * 9000)})),
        (404, api.get(f"{V1}/entries", params={"token": links[0], "task_id": str(uuid4())})),
        (404, api.get("/entry", params={"token": links[1], "task_id": str(uuid4())})),
        (404, api.get(f"{testees}/ext:" + at.person.plant("external id of nobody", "P/{}"))),
        (401, api.post(token, data=machine, auth=as_nobody)),
        (401, api.post(refresh, json={"refresh_token": planted("refresh token that is none", "qsr_{}")})),
        (401, api.post(refresh, json=again)),
    ]
    for status, call in calls:
        answer = await call
        assert answer.status_code == status, answer.text
    # Whoever used a refresh token twice has ended the session.
    await _log_in(at, api, "admin", "administrator's password")


async def _follow(at: Installation, api: httpx.AsyncClient) -> str:
    """Somebody follows a plan, answers, and lets a link run out."""
    planted = at.person.plant
    body = {
        "external_id": planted("external id", "P-{}"),
        "name": planted("name", "李雷-{}"),
        "contacts": [
            {"channel": "email", "address": planted("e-mail", "{}@example.org")},
            {"channel": "phone", "address": at.person.know("phone", f"+86{randbelow(10**11):011d}")},
        ],
        "guardians": [
            {
                "name": planted("guardian", "Li Ming {}"),
                "contacts": [
                    {"channel": "email", "address": planted("e-mail of the guardian", "{}@example.org")}
                ],
            }
        ],
    }
    once = {"Idempotency-Key": str(uuid4())}
    testee = data_of(await api.post(f"{V1}/testees", json=body, headers=once), 201)
    repeated = data_of(await api.post(f"{V1}/testees", json=body, headers=once), 201)
    assert repeated == testee
    assert (await api.post(f"{V1}/testees", json={"external_id": body["external_id"]})).status_code == 409
    plan = data_of(await api.post(f"{V1}/plans", json=WEEKLY | TERMS), 201)
    csv = f"external_id,start_date,name\n{planted('external id in a table', 'Q-{}')},2026-13-01,x\n"
    refused = await api.post(
        f"{V1}/plans/{plan['id']}/enrollments/bulk", content=csv, headers={"Content-Type": "text/csv"}
    )
    assert refused.status_code == 200
    enroll = {"plan_id": plan["id"], "external_id": body["external_id"], "start_date": soon()}
    tasks = data_of(await api.post(f"{V1}/plans/enroll", json=enroll), 201)["tasks"]
    async with at.container() as container:
        await make_due(container, tasks[-1])
    for number, task in enumerate(tasks):
        path = f"{V1}/plans/tasks/{task['id']}"
        await _until(api, task, "opened")
        link = data_of(await api.get(f"{path}/entry"))
        _know_link(at, f"link {number}", link)
        if number == 1:
            again = data_of(await api.post(f"{path}/reissue"))
            _know_link(at, "link that was issued again", again["entry"])
            gone = {"token": link["token"], "task_id": task["id"]}
            assert (await api.get(f"{V1}/entries", params=gone)).status_code == 410
            link = again["entry"]
        shown = {"token": link["token"], "task_id": task["id"]}
        data_of(await api.get(f"{V1}/entries", params=shown))
        assert (await api.get("/entry", params=shown)).status_code == 200
        if number == 3:
            async with at.container() as container:
                await container.clock_advancing().advance_by(timedelta(days=3), actor="test")
            await _until(api, task, "expired")
        elif number == 2:
            data_of(await api.post(f"{path}/cancel", json={"reason": "moved_away"}))
        else:
            data_of(await api.post(f"{V1}/entries/submit", json=shown | {"assessment_id": f"a-{number}"}))
    return str(testee["id"])


def _know_link(at: Installation, name: str, link: dict[str, Any]) -> None:
    at.secrets.know(name, link["token"])


async def _until(api: httpx.AsyncClient, task: dict[str, Any], status: str) -> None:
    """The worker has moved the task."""
    path = f"{V1}/plans/tasks/{task['id']}"

    async def is_so() -> bool:
        return bool(data_of(await api.get(path))["status"] == status)

    await eventually(is_so)


async def _work(at: Installation, api: httpx.AsyncClient) -> None:
    """Jobs that are given secrets, whose receivers repeat them; and one that lacks its own."""
    revealed = [
        at.secrets[name] for name in ("stored secret", "secret:// in a file", "secret:// in the environment")
    ]
    said = json.dumps({"you sent": revealed}).encode() + "|".join(revealed).encode()
    head = b"Content-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(said)
    at.target.answers = [b"HTTP/1.1 200 OK\r\n" + head + said, b"HTTP/1.1 404 Gone\r\n" + head + said]
    http = {
        "url": f"{at.target.url}?key=secret://from-env",
        "headers": {"Authorization": "Bearer secret://stored", "X-Other": "secret://on-disk"},
        "body": {"again": "secret://stored"},
    }
    ended = [await _run(api, f"call {number}", {"http": http}) for number in range(2)]
    ended.append(await _run(api, "without", {"http": {"url": f"{at.target.url}?key=secret://absent"}}))
    assert ended == ["succeeded", "failed", "failed"]
    assert at.target.received[0].headers["authorization"] == f"Bearer {revealed[0]}"
    refused = at.secrets.plant("credential written into a job")
    clear = {"http": {"url": at.target.url, "headers": {"Authorization": f"Bearer {refused}"}}}
    assert (await api.post(JOBS, json=_job("clear", clear))).status_code == 422
    user = {"http": {"url": f"https://u:{at.secrets.plant('password in the address of a job')}@example.org"}}
    assert (await api.post(JOBS, json=_job("user", user))).status_code == 422
    assert data_of(await api.delete(f"{V1}/secrets/stored"))["used_by"] == ["call 0", "call 1"]


def _job(name: str, target: dict[str, Any]) -> dict[str, Any]:
    told = {"on": ["failure", "success"]}
    return {"name": name, "type": "cron", "schedule": "0 0 1 1 *", "target": target, "notify": told}


async def _run(api: httpx.AsyncClient, name: str, target: dict[str, Any]) -> str:
    job = data_of(await api.post(JOBS, json=_job(name, target)), 201)
    execution = data_of(await api.post(f"{JOBS}/{job['id']}/run"))

    async def over() -> str | None:
        shown = data_of(await api.get(f"{V1}/scheduler/executions/{execution['id']}"))
        return str(shown["status"]) if shown["finished_at"] else None

    ended = await eventually(over)
    assert (await api.get(f"{V1}/scheduler/executions/{execution['id']}/log")).status_code == 200
    assert ended is not None
    return ended


async def _notified(at: Installation) -> None:
    """Messages have gone out, or failed for good."""

    async def settled() -> bool:
        async with at.container() as container, container.engine().connect() as connection:
            from sqlalchemy import text

            await connection.execute(
                text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": str(DEFAULT_TENANT)}
            )
            left = await connection.scalar(
                text("SELECT count(*) FROM delivery WHERE status IN ('queued', 'sending')")
            )
            notices = await connection.scalar(text("SELECT count(*) FROM job_notice WHERE status = 'queued'"))
        return not left and not notices and bool(at.web.received)

    await eventually(settled)


async def _traced(at: Installation) -> None:
    """Each process has sent its spans, which it does now and then."""

    async def all_came() -> bool:
        raw = b"\n".join(list(at.collector.raw))
        return all(name in raw for name in SPANS)

    await eventually(all_came)
