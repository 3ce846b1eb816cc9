"""Administration and webhook endpoints on pages, without a script."""

import pytest

from tests.integration.plan_http.steps import data_of

from .browser import Browser
from .conftest import PASSWORD, client_of

V1 = "/api/v1"


async def test_a_user_is_made_given_other_roles_and_shut_out(api, served, signed_in):
    browser = await signed_in()
    page = await browser.open("/dashboard/administration/users")
    new = page.form("/dashboard/administration/users")

    made = await browser.send(page, new, username="berta", password=PASSWORD, role="viewer")
    users = data_of(await api.get(f"{V1}/admin/users"))["items"]
    berta = next(each for each in users if each["username"] == "berta")
    async with client_of(served) as client:
        signed = await Browser(client).sign_in("berta", PASSWORD)
    at = f"/dashboard/administration/users/{berta['id']}"
    await browser.send(made, made.form(f"{at}/roles"), role="operator")
    changed = data_of(await api.get(f"{V1}/admin/users/{berta['id']}"))
    page = await browser.open("/dashboard/administration/users")
    await browser.send(page, page.form(f"{at}/disable"))

    assert "The user may sign in." in made.text
    assert signed.path == "/dashboard/today"
    assert changed["roles"] == ["operator"]
    assert data_of(await api.get(f"{V1}/admin/users/{berta['id']}"))["disabled_at"] is not None


async def test_a_refused_user_keeps_the_name_and_not_the_password(signed_in):
    browser = await signed_in()
    page = await browser.open("/dashboard/administration/users")

    page = await browser.send(
        page, page.form("/dashboard/administration/users"), 422, username="berta", password="short"
    )

    form = page.form("/dashboard/administration/users")
    assert form.fields["username"] == "berta"
    assert "short" not in page.response.text.replace("Short name", "")


async def test_secrets_of_machines_are_shown_once_and_work(api, served, signed_in):
    browser = await signed_in()
    page = await browser.open("/dashboard/administration/machines")

    account = await browser.send(
        page, page.form("/dashboard/administration/accounts"), name="crontab", scope="tasks:schedule"
    )
    key = await browser.send(
        page, page.form("/dashboard/administration/keys"), name="export", scope="statistics:read"
    )
    again = await browser.open("/dashboard/administration/machines")

    secret = next(word for word in account.text.split() if word.startswith("qss_"))
    token = next(word for word in key.text.split() if word.startswith("qsk_"))
    client_id = next(word for word in account.text.split() if word.startswith("qsc_"))
    assert account.response.headers["cache-control"] == "no-store"
    assert secret not in again.response.text
    assert token not in again.response.text
    async with client_of(served) as client:
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        assert (await client.post("/oauth2/token", data=form)).status_code == 200
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.get(f"{V1}/statistics/system", headers=headers)).status_code == 200


async def test_the_organisation_says_who_is_told_of_trouble(api, signed_in):
    browser = await signed_in()
    page = await browser.open("/dashboard/administration/organisation")
    form = page.form("", method="post")

    await browser.send(page, form, name="Ward 7", channel="email", address="ward@clinic.example.org")

    tenant = data_of(await api.get(f"{V1}/admin/tenants"))["items"][0]
    shown = data_of(await api.get(f"{V1}/admin/tenants/{tenant['id']}"))
    assert shown["name"] == "Ward 7"
    assert shown["staff_contacts"] == [{"channel": "email", "address": "ward@clinic.example.org"}]


async def test_a_scale_and_a_calendar_are_added(api, signed_in):
    browser = await signed_in()
    page = await browser.open("/dashboard/administration/scales")
    await browser.send(
        page,
        page.form("/dashboard/administration/scales"),
        code="OURS-1",
        title_en="Ours",
        title_zh="我们的",
    )
    page = await browser.open("/dashboard/administration/calendars")
    await browser.send(
        page, page.form("/dashboard/administration/calendars"), name="ours", holidays="2030-01-01, 2030-05-01"
    )
    page = await browser.open("/dashboard/administration/calendars/ours")
    await browser.send(page, page.form("/dashboard/administration/calendars"), workdays="2030-05-04")

    calendar = data_of(await api.get(f"{V1}/scheduler/calendars/ours"))
    assert data_of(await api.get(f"{V1}/scales/OURS-1"))["published"] is True
    assert calendar["holidays"] == ["2030-01-01", "2030-05-01"]
    assert calendar["workdays"] == ["2030-05-04"]


async def test_a_text_is_previewed_saved_and_taken_back(api, signed_in):
    browser = await signed_in()
    at = "/dashboard/administration/texts/task_opened/en"
    page = await browser.open(at)
    form = page.form(holding="body")
    body = "{greeting}\n\nHow are you today? {link}"

    form.action = f"{at}/preview"
    seen = await browser.send(page, form, body=body)
    unsaved = data_of(await api.get(f"{V1}/templates/task_opened/en"))["version"]
    form.action = at
    wrong = await browser.send(page, form, 422, body="no link at all")
    saved = await browser.send(page, form, body=body)
    text = data_of(await api.get(f"{V1}/templates/task_opened/en"))
    back = await browser.send(saved, saved.form(f"{at}/reset"))

    assert "How are you today?" in seen.text
    assert unsaved == 0
    assert wrong.form(holding="body").fields["body"] == "no link at all"
    assert text["body"] == body
    assert "The built-in text is sent again." in back.text


async def test_a_webhook_endpoint_is_made_switched_off_and_deleted(api, signed_in):
    browser = await signed_in("operator")
    page = await browser.open("/dashboard/webhooks")

    made = await browser.send(
        page,
        page.form("/dashboard/webhooks"),
        name="study",
        url="https://study.example.org/qs",
        events="plan.*",
    )
    webhook = data_of(await api.get(f"{V1}/webhooks"))["items"][0]
    at = f"/dashboard/webhooks/{webhook['id']}"
    page = await browser.open(at)
    off = await browser.send(page, page.form(f"{at}/disable"))
    changed = await browser.send(off, off.form(f"{at}/save"), events="TaskOpened, TaskExpired")
    shown = data_of(await api.get(f"{V1}/webhooks/{webhook['id']}"))
    ask = await browser.open(f"{at}/remove")
    await browser.send(ask, ask.form(f"{at}/delete"))

    assert "whsec_" in made.text
    assert "whsec_" not in page.text
    assert (shown["enabled"], shown["events"]) == (False, ["TaskOpened", "TaskExpired"])
    assert "The endpoint is changed." in changed.text
    assert (await api.get(f"{V1}/webhooks/{webhook['id']}")).status_code == 404


@pytest.mark.parametrize("role", ["viewer", "coordinator", "operator"])
async def test_who_is_no_administrator_sees_neither_users_nor_machines(signed_in, role):
    browser = await signed_in(role)

    page = await browser.open("/dashboard/administration")

    assert page.path == "/dashboard/administration/scales"
    for name in ("users", "machines", "organisation"):
        assert f"/dashboard/administration/{name}" not in page.links
        await browser.open(f"/dashboard/administration/{name}", 403)
