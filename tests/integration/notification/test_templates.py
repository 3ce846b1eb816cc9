"""Texts of tenants: written, previewed, sent, taken back."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from qs.domain.identity.scopes import scopes_of
from qs.interface.cli.text_findings import text_findings
from qs.interface.rest.paging import write_cursor
from tests.support.http import app_over, serving
from tests.support.notifying import Clinic, mailbox

TEMPLATES = "/api/v1/templates"
INVITATION = f"{TEMPLATES}/task_opened/en"
OWN = {"subject": "A few questions", "body": "{greeting}\n\nHow are you?\n{link}\nUntil {expires}."}


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


def data(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def pointers(answer: Any, code: str, status: int = 422) -> Any:
    assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
    return [each["pointer"] for each in answer.json().get("errors", ())]


async def mail_about_an_opened_task(clinic: Any, mail: Any) -> Any:
    task_id = await clinic.opened(
        await clinic.testee([mailbox("anna@example.org")], name="Anna", locale="en")
    )
    await clinic.announce()
    await clinic.send()
    return task_id, mail.accepted[-1]


async def test_all_texts_are_listed_with_what_they_may_show(api):
    page = data(await api.get(f"{TEMPLATES}?page_size=100"))

    assert page["total"] == len(page["items"])
    found = {(each["key"], each["locale"]): each for each in page["items"]}
    shown = found["task_opened", "zh"]
    assert shown["version"] == 0
    assert shown["body"] == shown["built_in"]["body"]
    assert [each["name"] for each in shown["variables"] if each["required"]] == ["link"]
    assert "link" not in [each["name"] for each in shown["variables"] if each["in_subject"]]
    assert not found["greeting", "en"]["has_subject"]
    assert data(await api.get(f"{TEMPLATES}/task_opened/zh")) == shown
    for key, locale in found:
        preview = data(await api.post(f"{TEMPLATES}/{key}/{locale}/preview", json={}))
        assert preview["scales_named"] == []
        assert not {"{", "}"} & set(preview["subject"] + preview["body"])


async def test_a_text_is_written_replaced_brought_back_and_taken_back(api):
    first = await api.put(INVITATION, json=OWN)
    second = await api.put(INVITATION, json=OWN | {"subject": "Other"}, headers={"If-Match": '"v1"'})
    stale = await api.put(INVITATION, json=OWN, headers={"If-Match": first.headers["etag"]})
    back = data(await api.post(f"{INVITATION}/activate", json={"version": 1}))
    versions = data(await api.get(f"{INVITATION}/versions?page_size=1"))
    older = data(await api.get(f"{INVITATION}/versions?cursor={versions['next_cursor']}"))
    built_in = await api.delete(INVITATION)

    assert (data(first)["version"], data(second)["version"]) == (1, 2)
    assert data(first)["scales_named"] == []
    assert pointers(stale, "precondition.failed", 412) == []
    assert (back["version"], back["subject"]) == (1, OWN["subject"])
    assert back["saved_by"].startswith("token:")
    assert [(v["version"], v["active"]) for v in versions["items"]] == [(2, False)]
    assert [(v["version"], v["active"]) for v in older["items"]] == [(1, True)]
    assert older["next_cursor"] is None
    assert built_in.headers["etag"] == '"v0"'
    assert data(built_in)["subject"] == data(built_in)["built_in"]["subject"]
    assert data(await api.get(f"{INVITATION}/versions"))["items"][0]["active"] is False
    assert data(await api.put(INVITATION, json=OWN, headers={"If-Match": '"v0"'}))["version"] == 3


async def test_what_no_message_can_be_made_of_is_refused_and_nothing_is_kept(api):
    wrong = {"subject": "Hi {name}", "body": "See {lnk}"}

    saved = await api.put(INVITATION, json=wrong)
    previewed = await api.post(f"{INVITATION}/preview", json=wrong)

    for answer in (saved, previewed):
        assert pointers(answer, "template.invalid") == ["/subject", "/body", "/body"]
    assert "{lnk} is no variable here; use {expires}, {greeting}, {link}" in saved.text
    assert data(await api.get(INVITATION))["version"] == 0
    assert pointers(await api.get(f"{TEMPLATES}/task_opened/de"), "template.absent", 404) == []
    assert pointers(await api.put(f"{TEMPLATES}/nothing/en", json=OWN), "template.absent", 404) == []
    absent = await api.post(f"{INVITATION}/activate", json={"version": 7})
    assert pointers(absent, "template.version_absent", 404) == []
    forged = write_cursor("templates", 2**40)
    cursor = await api.get(f"{INVITATION}/versions?cursor={forged}")
    assert pointers(cursor, "cursor.invalid") == ["/cursor"]
    long = await api.put(INVITATION, json=OWN | {"body": "{link}" + "x" * 5000})
    assert pointers(long, "invalid") == ["/body"]


async def test_saves_at_the_same_time_are_versions_one_after_the_other(api):
    answers = await asyncio.gather(*(api.put(INVITATION, json=OWN) for _ in range(6)))

    assert sorted(data(each)["version"] for each in answers) == [1, 2, 3, 4, 5, 6]
    versions = data(await api.get(f"{INVITATION}/versions"))["items"]
    assert [each["version"] for each in versions if each["active"]] == [6]


async def test_messages_go_out_in_the_tenants_words_and_say_in_which_version(api, clinic, mail, web, truth):
    await api.put(INVITATION, json=OWN | {"body": "Old {link}"})
    await api.put(INVITATION, json=OWN)
    await api.put(f"{TEMPLATES}/greeting/en", json={"body": "Dear {name},"})

    task_id, sent = await mail_about_an_opened_task(clinic, mail)
    text = sent.get_content().replace("\r\n", "\n")
    [mailed] = await clinic.deliveries("email")
    history = data(await api.get(f"/api/v1/notifications/{mailed['id']}"))["history"]

    assert sent["subject"] == "A few questions"
    assert text.startswith(f"Dear Anna,\n\nHow are you?\n{await clinic.link(task_id)}\nUntil ")
    assert [each["template_version"] for each in history] == [2]
    await api.delete(INVITATION)
    _, again = await mail_about_an_opened_task(clinic, mail)
    assert again["subject"] == "A questionnaire is ready for you"
    versions = await truth.fetch(
        "SELECT template_version FROM delivery_attempt JOIN delivery d ON d.id = delivery_id"
        " WHERE channel = 'email' ORDER BY d.id"
    )
    assert [row[0] for row in versions] == [2, 0]


async def test_a_text_of_an_earlier_release_does_not_keep_messages_back(api, clinic, mail, truth, container):
    await api.put(INVITATION, json=OWN)
    await api.put(INVITATION, json=OWN)
    await truth.execute("UPDATE message_template SET body = 'Your {score}: {link}'")

    with capture_logs() as logs:
        _, sent = await mail_about_an_opened_task(clinic, mail)

    assert sent["subject"] == "A questionnaire is ready for you"
    warned = [each for each in logs if each["event"] == "message_text_unusable"]
    assert {(each["template"], each["version"], each["log_level"]) for each in warned} == {
        ("task_opened", 2, "warning")
    }
    shown = data(await api.get(INVITATION))
    assert [each["pointer"] for each in shown["problems"]] == ["/body"]
    refused = await api.post(f"{INVITATION}/activate", json={"version": 1})
    assert pointers(refused, "template.unusable", 409) == []
    assert data(await api.post(f"{INVITATION}/preview", json={}))["subject"] == sent["subject"]
    [finding] = [each async for each in text_findings(container.settings())]
    assert finding.code == "texts.unusable"
    assert "cannot send task_opened/en of default;" in finding.what
    await api.delete(INVITATION)
    [finding] = [each async for each in text_findings(container.settings())]
    assert (finding.severity, finding.what) == ("ok", "all are built in")


async def test_a_preview_shows_a_real_task_without_its_link_and_name_and_keeps_nothing(api, clinic, truth):
    plan = await clinic.plan(timezone="Asia/Shanghai")
    task_id = await clinic.opened(await clinic.testee(name="Anna Beispiel", locale="en"), plan)
    task = data(await api.get(f"/api/v1/plans/tasks/{task_id}"))
    draft = {"body": "{greeting} {link} {expires}", "task_id": str(task_id)}

    shown = data(await api.post(f"{INVITATION}/preview", json=draft))
    staff = data(await api.post(f"{TEMPLATES}/task_expired_staff/zh/preview", json={"task_id": str(task_id)}))
    made_up = data(await api.post(f"{TEMPLATES}/task_opened_guardian/zh/preview", json={}))

    assert shown["body"].startswith("Hello A**, https://example.invalid/the-personal-link 20")
    assert shown["body"].endswith("(Asia/Shanghai)\n")
    assert task["testee_id"] not in str(shown)
    assert str(task_id) in staff["body"]
    assert str(plan) in staff["body"]
    assert made_up["body"].startswith("张**，您好：")
    for answer in (shown, staff, made_up):
        assert "Beispiel" not in str(answer)
        assert "token=" not in str(answer)
    assert data(await api.get(INVITATION))["version"] == 0
    absent = await api.post(f"{INVITATION}/preview", json={"task_id": task["testee_id"]})
    assert pointers(absent, "task.absent", 404) == []
    previewed = "SELECT count(*) FROM audit WHERE object_kind = 'template'"
    assert await truth.fetchval(previewed) == 0


async def test_naming_a_scale_is_warned_of_and_allowed(api):
    scale = {"code": "MOOD-7", "title": {"zh": "心情量表", "en": "Mood in seven"}, "published": True}
    await api.post("/api/v1/scales", json=scale)

    by_code = data(await api.put(INVITATION, json=OWN | {"subject": "Your mood-7 is due"}))
    by_title = data(await api.post(f"{INVITATION}/preview", json={"body": "请填写心情量表 {link}"}))
    within_a_word = data(await api.put(INVITATION, json=OWN | {"subject": "Xmood-77"}))

    assert by_code["scales_named"] == by_title["scales_named"] == ["MOOD-7"]
    assert within_a_word["scales_named"] == []
    assert data(await api.get(INVITATION))["version"] == 2


async def test_coordinators_read_and_preview_and_administrators_write(stranger, container):
    answered = {}
    for role in ("viewer", "coordinator", "admin"):
        issued = await container.token_issuing().issue(
            Clinic.tenant_id, sorted(scopes_of([role])), timedelta(hours=1), actor="test"
        )
        stranger.headers["Authorization"] = f"Bearer {issued.token}"
        answers = [
            await stranger.get(INVITATION),
            await stranger.post(f"{INVITATION}/preview", json={}),
            await stranger.put(INVITATION, json=OWN),
            await stranger.delete(INVITATION),
        ]
        answered[role] = [each.status_code for each in answers]

    assert answered == {
        "viewer": [403, 403, 403, 403],
        "coordinator": [200, 200, 403, 403],
        "admin": [200, 200, 200, 200],
    }
