"""What every revision says of itself, and what a process makes of a schema that is not its own."""

import json
from itertools import pairwise

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from qs.infra.postgres.migrate import alembic_config, current_standing, downgrade, upgrade
from qs.infra.postgres.revisions import Standing, head_revision, known_revisions, needed_revision
from qs.infra.postgres.upgrading import Phase, revisions, upgrade_in_phase
from tests.support.releases import more, of_another_release


def test_revisions_follow_one_another_and_are_known_by_the_names_of_their_files() -> None:
    scripts = list(ScriptDirectory.from_config(alembic_config()).walk_revisions())

    assert tuple(each.revision for each in scripts) == known_revisions()
    assert [each.down_revision for each in scripts] == [*known_revisions()[1:], None]


def test_every_revision_says_whether_code_from_before_it_goes_on() -> None:
    for each in revisions():
        assert each.phase in ("expand", "contract"), each
        assert (each.needs is not None) == (each.phase == "contract"), each
        assert each.needs is None or each.needs <= each.number, each


def test_what_contract_revisions_need_never_grows_older() -> None:
    needed = [each.needs for each in revisions() if each.needs is not None]

    assert all(before <= after for before, after in pairwise(needed))


@pytest.mark.parametrize(
    ("phase", "needed"),
    [
        ('phase = "expand"', "9001"),
        (f'phase = "contract"\nneeds = "{head_revision()}"', needed_revision()),
        # What it takes away in one step this code does without, and an earlier one does not.
        ('phase = "contract"\nneeds = "9001"', "9001"),
    ],
)
def test_code_works_before_what_comes_after_its_processes(phase: str, needed: str) -> None:
    with of_another_release(more={"9001": more("9001", head_revision(), "    pass", phase=phase)}):
        assert needed_revision() == needed


async def test_a_new_database_is_at_the_head_whatever_the_phase(empty_database: str) -> None:
    contract = more(
        "9001", head_revision(), "    pass", phase=f'phase = "contract"\nneeds = "{head_revision()}"'
    )
    with of_another_release(more={"9001": contract}):
        await upgrade_in_phase(empty_database, Phase.EXPAND, tell=lambda line: None)

        assert (await current_standing(empty_database)).revision == "9001"


async def test_a_database_says_which_releases_its_schema_serves(empty_database: str) -> None:
    await upgrade(empty_database)
    at_head = await _minimum(empty_database)
    await downgrade(empty_database, "0014")

    assert at_head == max(each.needs for each in revisions() if each.needs is not None)
    with pytest.raises(asyncpg.UndefinedTableError):
        await _minimum(empty_database)


@pytest.mark.parametrize(
    ("revision", "minimum", "serves", "told"),
    [
        (head_revision(), None, True, None),
        ("0001", None, False, "run `qs db upgrade`"),
        (None, None, False, "the schema is at nothing"),
        ("9999", head_revision(), True, None),
        ("9999", "0008", True, None),
        ("9999", "9998", False, "serves releases from 9998 on"),
        ("9999", None, False, "does not say which releases it serves"),
    ],
)
def test_a_release_works_on_its_own_schema_and_on_later_ones_that_serve_it(
    revision: str | None, minimum: str | None, serves: bool, told: str | None
) -> None:
    standing = Standing(revision, minimum)

    assert standing.serves is serves
    assert (standing.complaint is None) is serves
    assert told is None or told in json.dumps(standing.complaint, ensure_ascii=False)


async def _minimum(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("SELECT minimum FROM schema_compatibility"))
    finally:
        await connection.close()
