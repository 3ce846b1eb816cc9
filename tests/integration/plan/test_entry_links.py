"""Tokens and addresses of links: derived when shown, found again while their key lives, written nowhere."""

import logging
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from qs.application.plan.entering import EntryAdmission
from qs.domain.kernel.errors import QsError, Refused
from qs.infra.auth.keys import Keyring
from qs.infra.plan.across_tenants import SqlTaskTenants
from qs.infra.plan.entry_links import KeyedEntryGenerator
from qs.logs import configure_logging
from qs.settings.sections import LogSettings
from tests.support.builders import a_task, at, completed
from tests.support.settings import SECRET_KEY

from .clinic import ACTOR, START

OLD, NEW = "2059:" + "o" * 40, "2060:" + "n" * 40
PAGE = "https://answer.example.org/e"
NOW = at("2026-07-01")


def a_generator(keys: str = OLD, base_url: str = PAGE) -> KeyedEntryGenerator:
    return KeyedEntryGenerator(Keyring.parse(keys), base_url)


def issued(generator, task, times: int = 1) -> list[str]:
    """Opens the task and renews its link; the tokens of all its links."""
    entries = [generator.generate(task, NOW, 7)]
    task.open(entries[0], NOW)
    for _ in range(times - 1):
        entries.append(generator.regenerate(task))
        task.reissue(entries[-1], NOW, ACTOR)
    return [str(entry.token) for entry in entries]


def test_a_token_is_a_uuid_of_version_8_that_says_nothing_of_its_task():
    generator = a_generator()

    tokens = [generator.generate(a_task(), NOW, 7).token for _ in range(500)]

    assert {(token.version, token.variant) for token in tokens} == {(8, "specified in RFC 4122")}
    assert len(set(tokens)) == 500
    # Of 122 free bits each is as often 0 as 1, or the token could be guessed in part.
    fixed = {76, 77, 78, 79, 62, 63}
    ones = [sum(token.int >> bit & 1 for token in tokens) for bit in range(128) if bit not in fixed]
    assert 150 < min(ones) <= max(ones) < 350


def test_a_token_is_the_same_whenever_it_is_shown_and_different_for_each_task_generation_and_key():
    task, other = a_task(), a_task()
    tokens = issued(a_generator(), task, 3)

    assert str(a_generator().show(task).token) == tokens[-1]
    assert len({*tokens, *issued(a_generator(), other), *issued(a_generator(NEW), a_task(id=task.id))}) == 5


def test_a_link_lives_calendar_days_of_the_tasks_zone():
    task = a_task(timezone="Europe/Berlin")

    before = at("2026-03-28 09:00", "Europe/Berlin")

    assert a_generator().generate(task, before, 7).expires_at - before == timedelta(hours=167)
    assert a_generator().generate(task, before, 1).expires_at - before == timedelta(hours=23)


def test_every_generation_is_known_as_itself():
    generator, task = a_generator(), a_task()
    tokens = issued(generator, task, 32)

    assert [generator.generation_of(task, token) for token in tokens] == list(range(1, 33))
    assert generator.generation_of(task, tokens[0].upper()) == 1


@pytest.mark.parametrize(
    "token", ["", "x" * 36, "x" * 100_000, str(UUID(int=0)), str(UUID(int=2**128 - 1)), "é" * 36, "\0" * 36]
)
def test_nothing_else_is_a_link_of_the_task(token):
    generator, task, pending = a_generator(), a_task(), a_task()
    issued(generator, task)

    assert generator.generation_of(task, token) is None
    assert generator.generation_of(pending, token) is None
    assert generator.generation_of(task, str(uuid7())) is None


def test_links_of_an_old_key_live_on_while_new_ones_are_made_with_the_new_key():
    task = a_task()
    (old,) = issued(a_generator(OLD), task)
    rotated = a_generator(f"{NEW},{OLD}")

    assert (rotated.generation_of(task, old), str(rotated.show(task).token)) == (1, old)
    entry = rotated.regenerate(task)
    task.reissue(entry, NOW, ACTOR)
    assert task.entry_keys == ("2059", "2060")
    assert [rotated.generation_of(task, token) for token in (old, str(entry.token))] == [1, 2]
    assert str(rotated.show(task).token) == str(entry.token)


def test_a_link_whose_key_was_removed_is_unknown_and_a_newer_one_still_opens():
    task = a_task()
    (old,) = issued(a_generator(OLD), task)
    without = a_generator(NEW)

    assert without.generation_of(task, old) is None
    for worthless in ("", "x", str(UUID(int=0)), "0" * 36):
        assert without.generation_of(task, worthless) is None
    entry = without.regenerate(task)
    task.reissue(entry, NOW, ACTOR)
    assert without.generation_of(task, str(entry.token)) == 2
    assert without.generation_of(task, old) is None


def test_showing_a_link_whose_key_was_removed_says_what_to_do():
    task = a_task()
    issued(a_generator(OLD), task)

    with pytest.raises(Refused, match="issue the link again") as caught:
        a_generator(NEW).show(task)

    assert caught.value.code == "task.link_unreadable"


def test_only_an_opened_task_has_a_link_to_show():
    for task in (a_task(), completed(a_task())):
        with pytest.raises(Refused) as caught:
            a_generator().show(task)
        assert caught.value.code == "task.not_open"


@pytest.mark.parametrize(
    ("base_url", "start", "kept", "fragment"),
    [
        ("https://answer.example.org/e", "https://answer.example.org/e?", {}, ""),
        ("http://127.0.0.1:8080/entry", "http://127.0.0.1:8080/entry?", {}, ""),
        ("https://answer.example.org", "https://answer.example.org?", {}, ""),
        ("https://answer.example.org/e?lang=zh", "https://answer.example.org/e?", {"lang": ["zh"]}, ""),
        ("https://answer.example.org/e?a=1&a=2&b=", "https://", {"a": ["1", "2"], "b": [""]}, ""),
        ("https://answer.example.org/e?q=%E9%87%8F%26", "https://", {"q": ["量&"]}, ""),
        ("https://answer.example.org/app?x=1#/answer", "https://", {"x": ["1"]}, "/answer"),
        ("https://answer.example.org/app#/answer", "https://", {}, "/answer"),
    ],
)
def test_an_address_carries_token_and_task_beside_what_the_page_had(base_url, start, kept, fragment):
    task = a_task()

    entry = a_generator(base_url=base_url).generate(task, NOW, 7)

    parts = urlsplit(entry.url)
    assert entry.url.startswith(start)
    assert parts.fragment == fragment
    assert parse_qs(parts.query, keep_blank_values=True, strict_parsing=True) == kept | {
        "token": [str(entry.token)],
        "task_id": [str(task.id)],
    }


def test_no_representation_of_an_entry_or_its_generator_shows_the_token():
    generator, task = a_generator(), a_task()
    entry = generator.generate(task, NOW, 7)
    token = str(entry.token)

    for shown in (repr(entry), str(entry), repr(generator), f"{entry!r}"):
        assert token not in shown
        assert "o" * 40 not in shown


async def test_a_link_survives_a_change_of_keys_and_dies_with_its_key(clinic):
    (task,) = await clinic.opened()
    token = await clinic.token(task.id)
    (stored,) = await clinic.rows("SELECT entry_keys FROM task")
    assert stored.entry_keys == ["test"]

    def admitting(keys: str) -> EntryAdmission:
        return EntryAdmission(clinic.uow, SqlTaskTenants(clinic.engine), a_generator(keys))

    assert (await admitting(f"{NEW},{SECRET_KEY}").show(token, str(task.id))).task_id == task.id
    with pytest.raises(QsError) as caught:
        await admitting(NEW).show(token, str(task.id))
    assert caught.value.code == "entry.absent"


async def test_after_everything_was_done_no_token_is_in_any_row_and_no_log_line(
    clinic, admin, capsys, caplog
):
    configure_logging(LogSettings(level="debug", format="json"), "test")
    tenant = clinic.tenant_id
    try:
        with caplog.at_level(logging.DEBUG):
            tokens = await a_full_life(clinic)
    finally:
        configure_logging(LogSettings(console=False), "test")

    assert len(tokens) == 7
    tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [
        str(row[0]) for (table,) in tables for row in await admin.fetch(f'SELECT t::text FROM "{table}" t')
    ]
    assert any(str(tenant) in row for row in rows)
    written = capsys.readouterr()
    everywhere = "\n".join([*rows, written.out, written.err, caplog.text]).lower()
    for token in tokens:
        assert token not in everywhere
        assert token.replace("-", "") not in everywhere
    assert PAGE not in everywhere


async def a_full_life(clinic) -> list[str]:
    """Opens, shows, renews, answers, expires and cancels; the tokens of all links there were."""
    tenant, operating = clinic.tenant_id, clinic.operating
    plan = await clinic.plan(total_times=1)
    await clinic.enroll_many(plan, 4)
    by_hand = await clinic.enroll(plan)
    await clinic.advance(START)
    operating_opened, entry = await operating.open(tenant, by_hand.tasks[0].id, actor=ACTOR)
    await clinic.sweep()
    answered, renewed, canceled, expired = [
        task.id for task in await clinic.tasks(plan) if task.id != operating_opened.id
    ]
    tokens = [str(entry.token)] + [
        await clinic.token(each) for each in (answered, renewed, canceled, expired)
    ]
    tokens += [str((await operating.reissue(tenant, renewed, actor=ACTOR))[1].token) for _ in range(2)]
    await operating.entry(tenant, renewed, actor=ACTOR)
    for token in (tokens[1], tokens[2]):
        for use in (
            clinic.entries.show(token, str(renewed)),
            clinic.entries.submit(token, str(renewed), "a"),
        ):
            with pytest.raises(QsError):
                await use
    await clinic.submit(answered)
    await operating.cancel(tenant, canceled, "withdrawn", actor=ACTOR)
    await clinic.advance("2060-05-01")
    await clinic.sweep()
    for each in (answered, renewed, canceled, expired):
        await clinic.reading.explain(tenant, each)
    return tokens
