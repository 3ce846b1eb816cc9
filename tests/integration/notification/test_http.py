"""``/notifications`` as others program against it."""

from datetime import timedelta
from uuid import uuid4

import pytest

from qs.domain.kernel.ids import PLATFORM_TENANT
from tests.support.http import app_over, serving
from tests.support.notifying import Clinic, mailbox


@pytest.fixture
async def stranger(container):
    async with serving(app_over(container)) as client:
        yield client


@pytest.fixture
async def api(stranger, container):
    issued = await container.token_issuing().issue(
        Clinic.tenant_id, ["admin"], timedelta(hours=1), actor="test"
    )
    stranger.headers["Authorization"] = f"Bearer {issued.token}"
    return stranger


async def test_the_ledger_is_read_page_by_page_and_by_filter(api, clinic):
    task_id = await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    await clinic.opened(await clinic.testee())
    await clinic.announce()
    await clinic.send()

    first = (await api.get("/api/v1/notifications?page_size=4")).json()["data"]
    rest = (await api.get(f"/api/v1/notifications?page_size=4&cursor={first['next_cursor']}")).json()["data"]
    mails = (await api.get(f"/api/v1/notifications?task_id={task_id}&channel=email&status=sent")).json()[
        "data"
    ]

    ids = [item["id"] for item in first["items"] + rest["items"]]
    assert len(ids) == 6
    assert ids == sorted(ids, reverse=True)
    assert rest["next_cursor"] is None
    [mail] = mails["items"]
    assert mail["recipient"].startswith("testee:")
    assert (mail["template"], mail["event_name"], mail["attempts"]) == ("task_opened", "TaskOpened", 1)
    assert mail["next_attempt_at"] is None
    assert mail["sent_at"].endswith("Z")


async def test_one_notification_is_shown_with_its_attempts_and_can_be_sent_anew(api, clinic, web):
    web.answers = [400]
    await clinic.opened(await clinic.testee())
    await clinic.announce()
    await clinic.send()
    [dead] = (await api.get("/api/v1/notifications?status=dead")).json()["data"]["items"]
    path = f"/api/v1/notifications/{dead['id']}"

    shown = (await api.get(path)).json()["data"]
    again = await api.post(f"{path}/replay")
    await clinic.send()

    assert (shown["reason"], [each["answer"] for each in shown["history"]]) == (
        "permanent_failure",
        ["HTTP 400"],
    )
    assert (again.status_code, again.json()["data"]["status"]) == (200, "queued")
    assert (await api.get(path)).json()["data"]["status"] == "sent"
    refused = await api.post(f"{path}/replay")
    assert (refused.status_code, refused.json()["error"]) == (409, "notification.not_dead")


async def test_what_is_not_there_is_not_found(api, clinic):
    for id_ in (uuid4(), "nonsense"):
        assert (await api.get(f"/api/v1/notifications/{id_}")).status_code == 404
        assert (await api.post(f"/api/v1/notifications/{id_}/replay")).status_code == 404


@pytest.mark.parametrize(
    "query", ["status=lost", "task_id=1", "cursor=x", "channel=", "page_size=0", "page=1"]
)
async def test_a_query_that_makes_no_sense_is_refused(api, query):
    assert (await api.get(f"/api/v1/notifications?{query}")).status_code == 422


async def test_the_explanation_of_a_task_tells_who_was_notified(clinic, web):
    web.answers = [400]
    task_id = await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    await clinic.announce()
    await clinic.send()

    told = await clinic.container.plan_reading().explain(clinic.tenant_id, task_id)

    facts = [(fact.fact, fact.actor, fact.reason) for fact in told.facts if "notified" in fact.fact]
    assert sorted(facts, key=str) == [
        ("not_notified", "channel:webhook", "permanent_failure"),
        ("notified", "channel:email", None),
        ("notified", "channel:log", None),
    ]


async def test_alerts_are_listed_with_those_of_the_installation_and_how_to_find_out_more(api, clinic):
    dead = (
        "INSERT INTO delivery (id, tenant_id, event_id, event_name, recipient, channel, template, locale, status,"
        " reason, settled_at) VALUES (gen_random_uuid(), $1, gen_random_uuid(), 'TaskOpened', 'staff', $2,"
        " 'task_opened', 'en', 'dead', 'permanent_failure', qs_now())"
    )
    for tenant_id, channel in (
        (clinic.tenant_id, "email"),
        (clinic.tenant_id, "sms"),
        (PLATFORM_TENANT, "log"),
    ):
        await clinic.truth.execute(dead, tenant_id, channel)
    await clinic.container.alert_watching().look()
    await clinic.container.alert_telling().tell_due()
    await clinic.truth.execute("UPDATE delivery SET status = 'skipped' WHERE channel = 'sms'")
    await clinic.container.alert_watching().look()

    first = (await api.get("/api/v1/alerts?page_size=2")).json()["data"]
    rest = (await api.get(f"/api/v1/alerts?page_size=2&cursor={first['next_cursor']}")).json()["data"]
    recovered = (await api.get("/api/v1/alerts?status=recovered&kind=notifications_dead")).json()["data"]

    found = {item["subject"]: item for item in first["items"] + rest["items"]}
    assert {name: item["concerns"] for name, item in found.items()} == {
        "email": "tenant",
        "sms": "tenant",
        "log": "installation",
    }
    assert rest["next_cursor"] is None
    assert (found["email"]["status"], found["email"]["count"], found["email"]["untold"]) == ("open", 1, 0)
    assert found["email"]["explain"] == "qs notifications list --status dead --channel email"
    assert (await api.get(found["email"]["explain_path"])).json()["data"]["items"] != []
    assert [item["subject"] for item in recovered["items"]] == ["sms"]
    assert recovered["items"][0]["recovered_at"].endswith("Z")
