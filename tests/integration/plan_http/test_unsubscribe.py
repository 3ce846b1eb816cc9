"""The link that stops messages: one click for mail programs, a page that asks for everybody else."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from qs.application.kernel.opt_out_links import OptOutWish
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.logs import configure_logging
from qs.settings.sections import LogSettings
from tests.integration.plan_http.steps import V1, WEEKLY, data_of
from tests.integration.plan_http.test_entry_page import Tags

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def settings(settings):
    """The page is reached from outside."""
    notification = replace(settings.notification, unsubscribe_url="https://qs.example.org/unsubscribe")
    return replace(settings, notification=notification)


@pytest.fixture
async def testee(api):
    body = {"name": "Li Lei", "contacts": [{"channel": "email", "address": "li.lei@example.org"}]}
    return data_of(await api.post(f"{V1}/testees", json=body), 201)


@pytest.fixture
async def plan(api):
    return data_of(await api.post(f"{V1}/plans", json=WEEKLY), 201)


@pytest.fixture
def path(container, testee, plan):
    def path(testee_id=testee["id"], plan_id=plan["id"], tenant_id=DEFAULT_TENANT, channel="email"):
        wish = OptOutWish(tenant_id, UUID(testee_id), channel, None if plan_id is None else UUID(plan_id))
        url = container.opt_out_links().url(wish)
        return "/unsubscribe/" + url.rpartition("/")[2]

    return path


@pytest.fixture
def opt_outs(api, testee):
    async def opt_outs():
        return data_of(await api.get(f"{V1}/testees/{testee['id']}"))["opt_outs"]

    return opt_outs


async def records(api: Any) -> Any:
    found = data_of(await api.get(f"{V1}/audit", params={"page_size": 100}))["items"]
    return [each for each in found if each["action"] == "testee.opted_out"]


async def test_one_click_stops_the_mails_of_the_plan_without_login_and_once(
    api, stranger, path, plan, testee, opt_outs, capsys
):
    authorization = stranger.headers.pop("Authorization")
    configure_logging(LogSettings(level="debug", format="json"), "test")

    # As RFC 8058 has it, either way; more of them at once, as when a provider tries again.
    answers = await asyncio.gather(
        stranger.post(path(), data=ONE_CLICK),
        stranger.post(path(), files={"List-Unsubscribe": (None, "One-Click")}),
        stranger.post(path()),
    )
    again = await stranger.post(path(), data=ONE_CLICK)
    configure_logging(LogSettings(console=False), "test")
    api.headers["Authorization"] = authorization

    assert [answer.status_code for answer in (*answers, again)] == [200] * 4
    assert "set-cookie" not in again.headers
    assert await opt_outs() == [{"channel": "email", "plan_id": plan["id"]}]
    written = capsys.readouterr().err
    assert "/unsubscribe/{token}" in written
    assert path().rpartition("/")[2] not in written
    [record] = await records(api)
    assert record["actor"] == f"testee:{testee['id']}"
    assert (record["subject_id"], record["detail"]) == (
        testee["id"],
        {"channel": "email", "plan_id": plan["id"]},
    )


async def test_whoever_only_looks_stops_nothing_and_is_asked(api, path, opt_outs):
    for look in (api.get, api.head, api.options):
        assert (await look(path())).status_code in (200, 204)
    page = await api.get(path(), headers={"Accept-Language": "zh-CN"})

    assert await opt_outs() == []
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert page.headers["Content-Security-Policy"] == (
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert '<html lang="zh-CN">' in page.text
    assert page.text.count('<form method="post"') == 2
    assert Tags(page.text).names <= {
        *("html", "head", "meta", "title", "body", "main", "h1", "p", "form", "button")
    }
    for private in ("PHQ", "Li Lei", "li.lei", path()):
        assert private not in page.text


async def test_all_messages_of_the_channel_can_be_stopped(api, path, opt_outs):
    await api.post(path())
    await api.post(path() + "?everywhere=true")
    await api.post(path())
    await api.post(path(plan_id=None, channel="wechat"))
    page = await api.get(path(plan_id=None))

    assert await opt_outs() == [
        {"channel": "email", "plan_id": None},
        {"channel": "wechat", "plan_id": None},
    ]
    assert len(await records(api)) == 3
    assert page.text.count('<form method="post"') == 1


async def test_a_link_that_is_wrong_in_any_way_stops_nothing(api, path, testee, opt_outs):
    good = path()
    swapped = good[:-1] + ("A" if good[-1] != "A" else "B")
    wrong = [
        swapped,
        good[:-2],
        good + "AA",
        "/unsubscribe/" + "x" * 5000,
        "/unsubscribe/%00",
        "/unsubscribe/é",
        path(testee_id=str(uuid4())),
        path(tenant_id=uuid4()),
    ]

    for link in wrong:
        shown, posted = await api.get(link), await api.post(link)
        assert (shown.status_code, posted.status_code) == (404, 404), link

    assert "stops no messages" in (await api.get(swapped)).text
    assert await opt_outs() == []
    # Who was erased gets no messages anyway.
    await api.delete(f"{V1}/testees/{testee['id']}")
    assert (await api.post(good)).status_code == 200
    assert await records(api) == []


async def test_guessing_is_held_up(api, path):
    # 60 a minute, as for links to questionnaires.
    answers = [await api.post("/unsubscribe/AAAA") for _ in range(62)]

    assert {answers[0].status_code, answers[-1].status_code} == {404, 429}
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert answers[-1].headers["content-type"] == "text/html; charset=utf-8"
    assert (await api.post(path())).status_code == 200
