"""Organisations and roles on pages, without a script."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from httpx import AsyncClient
from litestar import Litestar

from qs.domain.identity.scopes import ROLES, SCOPES
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.integration.plan_http.steps import data_of

from .browser import Browser, Page
from .conftest import PASSWORD, Member, SignedIn, client_of

V1 = "/api/v1"
AT = "/dashboard/administration/tenants"
HOSTILE = "<script>alert(1)</script>{{ 7 * 7 }}"
OWN = f"{AT}/{DEFAULT_TENANT}"


@pytest.fixture
async def clinic(api: AsyncClient) -> dict[str, Any]:
    body = {
        "slug": "clinic",
        "name": "Clinic",
        "timezone": "Europe/Berlin",
        "quotas": {"max_testees": 5000, "max_jobs": 0},
    }
    made: dict[str, Any] = data_of(await api.post(f"{V1}/admin/tenants", json=body), 201)
    return made


@pytest.fixture
async def other(served: Litestar) -> AsyncIterator[Browser]:
    """The browser of somebody else."""
    async with client_of(served) as client:
        yield Browser(client)


async def tenant_of(api: AsyncClient, tenant_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = data_of(await api.get(f"{V1}/admin/tenants/{tenant_id}"))
    return shown


async def test_organisations_are_listed_with_what_they_have_of_what_they_may(
    clinic: dict[str, Any], signed_in: SignedIn, member: Member
) -> None:
    await member("viewer", "berta", UUID(clinic["id"]))
    browser = await signed_in()

    page = await browser.open(AT)

    assert f"{AT}/{clinic['id']}" in page.links
    assert AT in page.links
    assert "clinic Clinic Europe/Berlin Active 1 0 / 5 000 0 0 / 0" in page.text


async def test_an_organisation_is_made_by_its_form_and_once(api: AsyncClient, signed_in: SignedIn) -> None:
    browser = await signed_in()
    page = await browser.open(AT)
    form = page.form(AT)

    made = await browser.send(
        page, form, slug="ward-7", name="Ward 7", timezone="Asia/Shanghai", max_testees=12
    )
    again = await browser.send(
        page, form, slug="ward-7", name="Ward 7", timezone="Asia/Shanghai", max_testees=12
    )

    tenant = await tenant_of(api, made.path.partition("?")[0].rpartition("/")[2])
    assert "The organisation is made." in made.text
    assert again.path == made.path
    assert (tenant["slug"], tenant["timezone"], tenant["status"]) == ("ward-7", "Asia/Shanghai", "active")
    assert tenant["quotas"] == {"max_testees": 12, "max_active_plans": None, "max_jobs": None}


async def test_an_organisation_has_its_first_administrator_who_signs_in(
    signed_in: SignedIn, other: Browser
) -> None:
    browser = await signed_in()
    page = await browser.open(AT)
    ward = {"slug": "ward-7", "name": "Ward 7", "timezone": "Asia/Shanghai", "username": "berta"}

    wrong = await browser.send(page, page.form(AT), 422, **ward, password="password1")
    kept = wrong.form(AT).fields
    made = await browser.send(wrong, wrong.form(AT), password=PASSWORD)
    await other.sign_in("berta", PASSWORD)
    own = await other.open("/dashboard/administration/organisation")

    assert (kept["slug"], kept["username"], kept["password"]) == ("ward-7", "berta", "")
    assert "its administrator can sign in." in made.text
    assert own.form(holding="name").fields["name"] == "Ward 7"


async def test_a_wrong_organisation_keeps_what_was_typed(api: AsyncClient, signed_in: SignedIn) -> None:
    browser = await signed_in()
    page = await browser.open(AT)

    page = await browser.send(
        page, page.form(AT), 422, slug="Ward", name="Ward 7", timezone="Mars/Base", max_jobs="many"
    )

    fields = page.form(AT).fields
    assert (fields["slug"], fields["timezone"], fields["max_jobs"]) == ("Ward", "Mars/Base", "many")
    assert len(data_of(await api.get(f"{V1}/admin/tenants"))["items"]) == 1


async def test_a_change_overrules_nobody_who_made_one_meanwhile(
    api: AsyncClient, clinic: dict[str, Any], signed_in: SignedIn
) -> None:
    browser = await signed_in()
    at = f"{AT}/{clinic['id']}"
    page = await browser.open(at)
    form = page.form(at)

    saved = await browser.send(
        page, form, name="Practice", timezone="UTC", max_testees="", max_active_plans=20
    )
    stale = await browser.send(page, form, 412, name="Another name")

    tenant = await tenant_of(api, clinic["id"])
    assert "The organisation is changed." in saved.text
    assert (tenant["name"], tenant["timezone"]) == ("Practice", "UTC")
    assert tenant["quotas"] == {"max_testees": None, "max_active_plans": 20, "max_jobs": 0}
    # What was typed stays in the form, for whoever wants to send it after all.
    assert stale.form(at).fields["name"] == "Another name"


async def test_suspending_tells_to_how_many_takes_the_short_name_and_is_taken_back(
    api: AsyncClient, clinic: dict[str, Any], signed_in: SignedIn, member: Member, other: Browser
) -> None:
    await member("admin", "berta", UUID(clinic["id"]))
    await other.sign_in("berta", PASSWORD)
    browser = await signed_in()
    at = f"{AT}/{clinic['id']}"
    assert f"{at}/suspend" in (await browser.open(at)).links
    ask = await browser.open(f"{at}/suspend")

    wrong = await browser.send(ask, ask.form(f"{at}/suspend"), 422, slug="clinics")
    untouched = (await tenant_of(api, clinic["id"]))["status"]
    done = await browser.send(wrong, wrong.form(f"{at}/suspend"), slug="clinic")
    suspended = (await tenant_of(api, clinic["id"]))["status"]
    async with client_of(browser.client._transport.app) as client:  # type: ignore[attr-defined]
        await Browser(client).sign_in("berta", PASSWORD, 401)
    ask_back = await browser.open(f"{at}/resume")
    back = await browser.send(ask_back, ask_back.form(f"{at}/resume"))

    assert "1 user is signed out and cannot sign in" in ask.text
    assert "That is not clinic, so nothing was done." in wrong.text
    assert (untouched, suspended) == ("active", "suspended")
    assert "The organisation is suspended." in done.text
    assert f"{at}/resume" in done.links
    assert "The organisation goes on." in back.text
    assert (await tenant_of(api, clinic["id"]))["status"] == "active"


async def test_suspending_what_somebody_changed_meanwhile_is_refused(
    api: AsyncClient, clinic: dict[str, Any], signed_in: SignedIn
) -> None:
    browser = await signed_in()
    at = f"{AT}/{clinic['id']}"
    ask = await browser.open(f"{at}/suspend")
    await api.patch(f"{V1}/admin/tenants/{clinic['id']}", json={"name": "Practice"})

    await browser.send(ask, ask.form(f"{at}/suspend"), 412, slug="clinic")

    assert (await tenant_of(api, clinic["id"]))["status"] == "active"


async def test_nobody_suspends_the_organisation_they_come_from(api: AsyncClient, signed_in: SignedIn) -> None:
    browser = await signed_in()

    page = await browser.open(OWN)
    ask = await browser.open(f"{OWN}/suspend")
    await browser.send(ask, ask.form(f"{OWN}/suspend"), 409, slug="default")

    assert f"{OWN}/suspend" not in page.links
    assert "your own organisation" in page.text
    assert (await tenant_of(api, str(DEFAULT_TENANT)))["status"] == "active"


@pytest.mark.parametrize("turn", ["delete", "finish", "Suspend"])
async def test_there_is_no_other_thing_to_do_with_one(
    clinic: dict[str, Any], signed_in: SignedIn, turn: str
) -> None:
    browser = await signed_in()

    await browser.open(f"{AT}/{clinic['id']}/{turn}", 404)


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_of_another_organisation_nobody_sees_any_whatever_their_role(
    api: AsyncClient, clinic: dict[str, Any], signed_in: SignedIn, role: str
) -> None:
    browser = await signed_in(role, tenant_id=UUID(clinic["id"]))

    first = Page(await browser.client.get("/dashboard/administration", follow_redirects=True))

    assert AT not in first.links
    for path in (AT, f"{AT}/{clinic['id']}", f"{AT}/{clinic['id']}/suspend", OWN):
        page = await browser.open(path, 403)
        assert "Your role may not see this." in page.text
        assert "default" not in page.text.replace("default tenant", "")
    form_key = (await browser.open(AT, 403)).form("/dashboard/sign-out").fields["form_key"]
    for path in (AT, f"{AT}/{clinic['id']}", f"{OWN}/suspend"):
        sent = await browser.client.post(
            path,
            data={"form_key": form_key, "slug": "default", "name": "x", "timezone": "UTC"},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert sent.status_code == 403, path
    assert (await tenant_of(api, clinic["id"]))["name"] == "Clinic"
    assert (await tenant_of(api, str(DEFAULT_TENANT)))["status"] == "active"


@pytest.mark.parametrize("role", sorted(ROLES.keys() - {"admin"}))
async def test_who_is_no_administrator_has_no_link_to_organisations_or_roles(
    signed_in: SignedIn, role: str
) -> None:
    browser = await signed_in(role)

    for path in (AT, "/dashboard/administration/roles"):
        page = await browser.open(path, 403)
        assert "Your role may not see this." in page.text
        assert path not in page.links


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "users are signed out and cannot sign in"), ("zh", "位用户被退出且无法登录")],
)
async def test_names_of_organisations_are_text_in_both_languages(
    api: AsyncClient, signed_in: SignedIn, language: str, words: str
) -> None:
    body = {"slug": "hostile", "name": HOSTILE, "timezone": "UTC"}
    tenant = data_of(await api.post(f"{V1}/admin/tenants", json=body), 201)
    browser = await signed_in()
    browser.client.headers["Accept-Language"] = language

    for path in (AT, f"{AT}/{tenant['id']}", f"{AT}/{tenant['id']}/suspend", f"{AT}/{tenant['id']}/resume"):
        page = await browser.open(path)
        assert "alert(1)" in page.text or "alert(1)" in str(page.form(path).fields)
        assert "<script>alert" not in page.response.text
        assert ">49<" not in page.response.text
    assert words in (await browser.open(f"{AT}/{tenant['id']}/suspend")).text


@pytest.mark.parametrize(
    ("language", "sentence"), [("en", "read plans and enrollments"), ("zh", "查看计划与参与情况")]
)
async def test_the_grid_of_roles_has_every_scope_with_its_sentence(
    signed_in: SignedIn, language: str, sentence: str
) -> None:
    browser = await signed_in()
    browser.client.headers["Accept-Language"] = language

    page = await browser.open("/dashboard/administration/roles")

    rows = [each for each in page.tags if each == ("th", {"scope": "row"})]
    assert len(rows) == len(SCOPES)
    assert all(scope in page.text for scope in SCOPES)
    assert all(f" {role} " in page.text for role in ROLES)
    assert sentence in page.text
    # The grid is there to look at.
    posted = {form.action for form in page._read.forms if form.method == "post"}
    assert posted == {"/dashboard/likings", "/dashboard/sign-out"}


async def test_the_form_of_a_user_offers_the_roles_there_are(signed_in: SignedIn) -> None:
    browser = await signed_in()

    page = await browser.open("/dashboard/administration/users")

    offered = {given["value"] for tag, given in page.tags if tag == "input" and given.get("name") == "role"}
    assert offered == ROLES.keys()
