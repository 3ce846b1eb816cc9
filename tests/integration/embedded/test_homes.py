"""Where a home may be, what it may be called, and whose it must be."""

import os
import pwd
from pathlib import Path

import pytest

from qs.infra.embedded import discard, ensure, status, stop
from qs.infra.embedded.errors import DirectoryRefused
from tests.integration.embedded.machine import IS_ROOT, Client, answer, sql, wait_until

ODD_NAMES = [
    """with 'single' and "double" quotes, a \\ and a $HOME""",
    "心理測評 élève",
    "%20?host=elsewhere&x=#1",
    "/".join(["a long way down"] * 20),
]


@pytest.mark.parametrize("name", ODD_NAMES, ids=["quotes", "unicode", "url", "long"])
def test_a_home_may_have_any_name(ground: Path, name: str) -> None:
    home = ground / name

    with ensure(home, ephemeral=True) as lease, Client(home) as other:
        assert answer(lease.database_url, lease.redis_url)
        assert other.status()["database_url"] == lease.database_url
        assert lease.redis_url.isascii()
    wait_until(lambda: not status(home).running)
    with ensure(home, ephemeral=True) as lease:
        assert answer(lease.database_url, lease.redis_url)
    discard(home)

    assert list(ground.glob("**/qs-*")) == []


def test_two_names_of_one_home_are_one_home(home: Path, ground: Path) -> None:
    link = ground / "link"
    link.symlink_to(home)

    with ensure(home, ephemeral=True), ensure(link, ephemeral=True):
        assert status(link) == status(home)


def test_a_home_that_was_moved_keeps_its_data(ground: Path) -> None:
    old, new = ground / "old", ground / "new"
    with ensure(old) as lease:
        sql(lease.database_url, "CREATE TABLE kept AS SELECT 42 AS value")
    stop(old)

    old.rename(new)

    with ensure(new) as lease:
        assert sql(lease.database_url, "SELECT value FROM kept") == 42
    discard(new)


@pytest.mark.parametrize("name", ["line\nbreak", "/".join(["d" * 100] * 10)], ids=["line break", "too long"])
def test_a_name_postgres_cannot_have_is_refused_with_a_sentence(ground: Path, name: str) -> None:
    with pytest.raises(DirectoryRefused, match="set QS_HOME"):
        ensure(ground / name)

    assert list(ground.iterdir()) == []


def test_a_home_that_is_a_file_is_refused(ground: Path) -> None:
    (ground / "file").write_text("mine")

    with pytest.raises(DirectoryRefused, match="set QS_HOME"):
        ensure(ground / "file")

    assert (ground / "file").read_text() == "mine"


def test_a_link_in_the_place_of_the_control_directory_is_refused(new_home: Path, ground: Path) -> None:
    elsewhere = ground / "elsewhere"
    elsewhere.mkdir()
    new_home.mkdir()
    (new_home / "embedded").symlink_to(elsewhere)

    with pytest.raises(DirectoryRefused, match="is not a directory"):
        ensure(new_home)

    assert list(elsewhere.iterdir()) == []
    (new_home / "embedded").unlink()


def test_a_directory_of_somebody_else_is_refused_and_left_alone(ground: Path) -> None:
    theirs = ground / "theirs" if IS_ROOT else Path("/usr")
    if IS_ROOT:
        (theirs / "embedded").mkdir(parents=True)
        os.chown(theirs / "embedded", pwd.getpwnam("nobody").pw_uid, -1)
    before = {path: path.stat().st_mtime_ns for path in (theirs, *theirs.glob("embedded"))}

    for action in (ensure, *((status, stop, discard) if IS_ROOT else ())):
        with pytest.raises(DirectoryRefused, match="set QS_HOME to a directory of your own"):
            action(theirs)

    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert list(theirs.glob("embedded/*")) == []


def test_files_that_are_no_database_are_left_alone(new_home: Path) -> None:
    data = new_home / "embedded" / "postgres"
    data.mkdir(parents=True)
    (data / "thesis.txt").write_text("the only copy")

    with pytest.raises(DirectoryRefused, match="holds files but no database"):
        ensure(new_home)

    assert (data / "thesis.txt").read_text() == "the only copy"
    assert [path.name for path in data.iterdir()] == ["thesis.txt"]


def test_data_of_another_postgres_are_left_alone(new_home: Path) -> None:
    data = new_home / "embedded" / "postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")

    with pytest.raises(DirectoryRefused, match="was made by PostgreSQL 9"):
        ensure(new_home)

    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]
