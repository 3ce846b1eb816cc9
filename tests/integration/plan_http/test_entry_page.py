from html.parser import HTMLParser
from typing import Any

import pytest
from dependency_injector import providers

from qs.domain.kernel.errors import Unavailable
from tests.integration.plan_http.steps import ABSENT_ID, V1, data_of, get_raw, make_opened, run_out, task_of

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
async def opened(api, container):
    return await make_opened(api, container)


def link_of(task: dict[str, Any]) -> dict[str, str]:
    return {"token": task["entry"]["token"], "task_id": task["id"]}


class Tags(HTMLParser):
    """The names of the elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_a_live_link_leads_to_a_neutral_page_that_nothing_may_be_loaded_into(api, opened):
    del api.headers["Authorization"]

    answer = await api.get("/entry", params=link_of(opened) | {"from": "chat"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = Tags(answer.text)
    assert "A questionnaire is waiting for you" in page.text
    assert "19:00 (Asia/Shanghai)" in page.text
    assert page.names == {"html", "head", "meta", "title", "body", "main", "h1", "p"}
    for private in ("PHQ", "Li Lei", opened["entry"]["token"], opened["id"]):
        assert private not in answer.text


async def test_the_page_speaks_the_readers_language(api, opened):
    for accept_language, language, words in [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN", "问卷"),
        ("en-GB", "en", "Questionnaire"),
        ("fr", "en", "Question"),
    ]:
        answer = await api.get("/entry", params=link_of(opened), headers={"Accept-Language": accept_language})

        assert f'<html lang="{language}">' in answer.text
        assert words in answer.text


async def test_looking_at_the_page_changes_nothing(api, opened):
    before = await task_of(api, opened)

    for look in (api.get, api.head, api.options):
        await look("/entry", params=link_of(opened))
    head = await api.head("/entry", params=link_of(opened))
    posted = await api.post("/entry", params=link_of(opened))

    assert (head.status_code, head.content) == (200, b"")
    assert posted.status_code == 405
    assert await task_of(api, opened) == before


async def test_a_link_that_is_wrong_in_any_way_leads_to_one_page(api, app):
    for link in [
        {},
        {"token": ABSENT_ID},
        {"token": SCRIPT, "task_id": SCRIPT},
    ]:
        answer = await api.get("/entry", params=link)
        long = await get_raw(app, "/entry", b"token=" + b"x" * 100_000)
        other = await api.get("/entry", params={"token": ABSENT_ID, "task_id": ABSENT_ID})

        assert (answer.status_code, answer.text) == (404, other.text)
        assert long == (404, answer.content)
        assert "not valid" in answer.text
        assert "script" not in answer.text


async def test_the_page_says_why_a_link_is_dead(api, container, opened):
    async def page(task: dict[str, Any]) -> tuple[int, str]:
        answer = await api.get("/entry", params=link_of(task))
        return answer.status_code, Tags(answer.text).text

    reissued = data_of(await api.post(f"{V1}/plans/tasks/{opened['id']}/reissue"))
    canceled = await make_opened(api, container)
    await api.post(f"{V1}/plans/tasks/{canceled['id']}/cancel", json={"reason": "moved"})
    late = await make_opened(api, container)
    answered = await make_opened(api, container)
    await api.post(f"{V1}/entries/submit", json=link_of(answered) | {"assessment_id": "a"})

    status, words = await page(opened)
    assert (status, "replaced" in words) == (410, True)
    assert (await page(reissued))[0] == 200
    status, words = await page(canceled)
    assert (status, "no longer asked for" in words) == (410, True)
    status, words = await page(answered)
    assert (status, "was answered" in words) == (410, True)
    await run_out(container, late)
    status, words = await page(late)
    assert (status, "run out" in words) == (410, True)


async def test_who_opens_a_link_while_the_database_is_away_reads_a_page_too(api, container, opened):
    class Away:
        async def show(self, *_: Any) -> None:
            raise Unavailable

    with container.entry_admission.override(providers.Object(Away())):
        answer = await api.get("/entry", params=link_of(opened), headers={"Accept-Language": "zh-CN"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "仍然有效" in Tags(answer.text).text
