"""From events to the ledger: whom, over which channels, once."""

import pytest

from qs.domain.plan.testee import Contact, Guardian
from tests.support.notifying import ACTOR, mailbox


async def _told(clinic) -> list[tuple[str, str, str, str]]:
    rows = await clinic.deliveries()
    return sorted(
        (row["recipient"].split(":")[0], row["channel"], row["template"], row["status"]) for row in rows
    )


async def test_an_opened_task_is_announced_over_every_channel_that_is_set_up(clinic):
    await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))

    await clinic.announce()

    assert await _told(clinic) == [
        ("testee", "email", "task_opened", "queued"),
        ("testee", "log", "task_opened", "queued"),
        ("testee", "webhook", "task_opened", "queued"),
    ]


async def test_an_event_that_comes_again_adds_no_delivery(clinic):
    await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    await clinic.announce()

    await clinic.container.event_replay().replay(clinic.tenant_id, actor=ACTOR, after=0)
    await clinic.truth.execute("DELETE FROM inbox")
    await clinic.announce()

    assert len(await clinic.deliveries()) == 3
    assert await clinic.truth.fetchval("SELECT count(*) FROM inbox") == 1


async def test_a_child_without_contacts_is_reached_through_the_guardians(clinic):
    guardian = Guardian("Eva", (mailbox("eva@example.org"), mailbox("eva@work.example.org")))
    await clinic.opened(await clinic.testee(guardians=[guardian]))

    await clinic.announce()

    rows = await clinic.deliveries("email")
    assert [(row["template"], row["address_index"], row["status"]) for row in rows] == [
        ("task_opened_guardian", 0, "queued"),
        ("task_opened_guardian", 1, "queued"),
    ]
    assert all(row["recipient"].startswith("guardian:") for row in rows)


async def test_who_has_no_mailbox_is_seen_to_have_none(clinic):
    await clinic.opened(await clinic.testee([Contact("phone", "+49 151 0000")]))

    await clinic.announce()

    [row] = await clinic.deliveries("email")
    assert (row["status"], row["reason"]) == ("skipped", "no_address")


async def test_staff_are_told_of_an_expired_task(clinic):
    await clinic.staff("desk@clinic.example.org", "lead@clinic.example.org")
    task_id = await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    await clinic.announce()
    await clinic.truth.execute("DELETE FROM delivery")

    await clinic.container.task_operating().expire(clinic.tenant_id, task_id, actor=ACTOR)
    await clinic.announce()

    assert await _told(clinic) == [
        ("staff", "email", "task_expired_staff", "queued"),
        ("staff", "email", "task_expired_staff", "queued"),
        ("staff", "log", "task_expired_staff", "queued"),
        ("staff", "webhook", "task_expired_staff", "queued"),
    ]


@pytest.mark.parametrize(("wish", "expected"), [("testee", {("testee", "task_expired")}), ("nobody", set())])
async def test_a_plan_may_want_others_told_or_nobody(clinic, wish, expected):
    plan_id = await clinic.plan(notify_on_expiry=wish)
    task_id = await clinic.opened(await clinic.testee([mailbox("anna@example.org")]), plan_id)
    await clinic.container.task_operating().expire(clinic.tenant_id, task_id, actor=ACTOR)

    await clinic.announce()

    told = {(who, template) for who, _, template, _ in await _told(clinic)}
    assert told - {("testee", "task_opened")} == expected


async def test_the_ledger_holds_no_name_no_address_and_no_link(clinic):
    await clinic.staff("desk@clinic.example.org")
    guardian = Guardian("Eva", (mailbox("eva@example.org"),))
    testee_id = await clinic.testee([mailbox("anna@example.org")], [guardian], name="Anna", locale="zh")
    task_id = await clinic.opened(testee_id)
    await clinic.announce()
    await clinic.send()
    token = (await clinic.link(task_id)).split("token=")[1].split("&")[0]

    dump = ""
    for table in ("delivery", "delivery_attempt", "outbox", "inbox", "audit"):
        dump += "".join(row[0] for row in await clinic.truth.fetch(f"SELECT t::text FROM {table} t"))

    assert "task_opened" in dump
    assert not any(secret in dump for secret in (token, "Anna", "Eva", "example.org"))
