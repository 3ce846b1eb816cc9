"""Staff are told where they talk to each other: the address is checked when it is given, hidden, and used."""

from datetime import timedelta

import msgspec
import pytest

from qs.application.identity.administering_tenants import TenantChange
from qs.domain.identity.errors import TenantInvalid
from qs.domain.identity.tenant import StaffContact
from qs.settings.sections import AppriseSettings
from tests.support.http import app_over, serving
from tests.support.notifying import ACTOR, Clinic

TOKEN = "TIiajkdnlazkcOXrIdevi7FQ"
AT = f"/api/v1/admin/tenants/{Clinic.tenant_id}"


@pytest.fixture
def settings(settings):
    notification = msgspec.structs.replace(
        settings.notification, channels=("log", "apprise"), apprise=AppriseSettings(schemas=("json", "slack"))
    )
    return msgspec.structs.replace(settings, notification=notification)


def at(web, token: str = TOKEN) -> StaffContact:
    return StaffContact("apprise", f"json://127.0.0.1:{web.port}/{token}")


async def test_staff_are_told_over_apprise_and_testees_are_not(clinic, web):
    change = TenantChange(staff_contacts=[at(web)])
    await clinic.container.tenant_administration().change(Clinic.tenant_id, change, actor=ACTOR)
    task_id = await clinic.opened(await clinic.testee())
    await clinic.container.task_operating().expire(clinic.tenant_id, task_id, actor=ACTOR)
    await clinic.announce()

    await clinic.send()

    [row] = await clinic.deliveries("apprise")
    assert (row["recipient"], row["status"]) == ("staff:0", "sent")
    [received] = web.received
    assert str(task_id) in received.json["message"]


async def test_an_address_is_checked_hidden_and_kept_when_it_comes_back_hidden(clinic, web, container, truth):
    issued = await container.token_issuing().issue(
        Clinic.tenant_id, ["admin"], timedelta(hours=1), actor="test"
    )
    async with serving(app_over(container)) as api:
        api.headers["Authorization"] = f"Bearer {issued.token}"
        mail = {"channel": "email", "address": "desk@clinic.example.org"}
        ours = {"channel": "apprise", "address": at(web).address}
        hidden = {"channel": "apprise", "address": "json://********"}

        refused = await api.patch(
            AT,
            json={
                "staff_contacts": [
                    mail,
                    ours,
                    {"channel": "apprise", "address": "slack://x"},
                    {"channel": "apprise", "address": f"xml://127.0.0.1/{TOKEN}"},
                ]
            },
        )
        written = await api.patch(AT, json={"staff_contacts": [mail, ours]})
        read = await api.get(AT)
        again = await api.patch(AT, json={"name": "Practice", "staff_contacts": [hidden]})
        unclear = await api.patch(AT, json={"staff_contacts": [hidden, hidden]})

    assert refused.status_code == 422
    assert [each["pointer"] for each in refused.json()["errors"]] == [
        "/staff_contacts/2/address",
        "/staff_contacts/3/address",
    ]
    assert written.json()["data"]["staff_contacts"] == read.json()["data"]["staff_contacts"] == [mail, hidden]
    assert again.json()["data"]["staff_contacts"] == [hidden]
    assert unclear.status_code == 422
    assert TOKEN not in "".join(each.text for each in (refused, written, read, again, unclear))
    kept = await container.tenant_administration().show(Clinic.tenant_id)
    assert kept.staff_contacts == (at(web),)
    assert TOKEN.encode() not in await truth.fetchval(
        "SELECT staff_contacts FROM tenant WHERE slug = 'default'"
    )
    assert web.received == []


async def test_where_the_channel_is_not_set_up_its_addresses_are_refused(container):
    with pytest.raises(TenantInvalid) as refused:
        await container.tenant_administration().change(
            Clinic.tenant_id,
            TenantChange(staff_contacts=[StaffContact("apprise", "dingtalk://abcdefgh")]),
            actor=ACTOR,
        )

    [problem] = refused.value.problems
    assert "notification.apprise.schemas" in problem.detail
