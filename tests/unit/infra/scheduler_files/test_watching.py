"""A watch hands out whole files: after renames, swapped symlinks, writes in pieces, and a while of absence."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from qs.infra.scheduler.files.watching import FileWatch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "qs.yaml"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def watch(file: Path) -> FileWatch:
    """A watch that has handed out what was there."""
    found = FileWatch(file)
    assert [found.look(), found.look()] == [None, b"one"]
    return found


def looks(watch: FileWatch, count: int) -> list[bytes | None]:
    return [watch.look() for _ in range(count)]


def test_a_file_that_stays_the_same_is_handed_out_once(watch: FileWatch) -> None:
    assert looks(watch, 3) == [None, None, None]


def test_a_change_is_handed_out_when_it_has_settled(watch: FileWatch, file: Path) -> None:
    file.write_bytes(b"two")

    assert looks(watch, 3) == [None, b"two", None]


def test_a_file_that_is_being_written_is_not_handed_out_in_between(watch: FileWatch, file: Path) -> None:
    found = []
    for written in (b"t", b"tw", b"two"):
        file.write_bytes(written)
        found.append(watch.look())

    assert [*found, watch.look()] == [None, None, None, b"two"]


def test_a_rename_over_it_is_seen_though_size_and_time_are_the_same(watch: FileWatch, file: Path) -> None:
    before = file.stat()
    other = file.with_name("new")
    other.write_bytes(b"two")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)

    assert looks(watch, 2) == [None, b"two"]


def test_a_write_in_place_within_one_tick_of_the_clock_is_seen(watch: FileWatch, file: Path) -> None:
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert looks(watch, 2) == [None, b"two"]


def test_touching_it_hands_out_nothing(watch: FileWatch, file: Path) -> None:
    os.utime(file, ns=(1, 1))

    assert looks(watch, 3) == [None, None, None]


def test_a_configmap_is_followed_when_its_symlink_is_swapped(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "qs.yaml").write_text(version)
    (tmp_path / "..data").symlink_to("1")
    (tmp_path / "qs.yaml").symlink_to("..data/qs.yaml")
    watch = FileWatch(tmp_path / "qs.yaml")
    assert looks(watch, 2) == [None, b"1"]

    (tmp_path / "..data_tmp").symlink_to("2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    assert looks(watch, 2) == [None, b"2"]


def test_a_file_that_vanishes_leaves_what_was_and_says_so(watch: FileWatch, file: Path) -> None:
    file.unlink()

    assert looks(watch, 2) == [None, None]
    assert watch.problem is not None
    assert "No such file or directory" in watch.problem
    assert "stays in force" in watch.problem


def test_a_file_that_comes_back_is_handed_out_if_it_is_another(watch: FileWatch, file: Path) -> None:
    file.unlink()
    watch.look()

    file.write_bytes(b"one")
    assert looks(watch, 2) == [None, None]
    file.write_bytes(b"two")
    assert looks(watch, 2) == [None, b"two"]
    assert watch.problem is None


def test_what_is_no_file_keeps_nobody_waiting(watch: FileWatch, file: Path) -> None:
    file.unlink()
    file.mkdir()

    assert looks(watch, 2) == [None, None]
    assert watch.problem is not None


def test_no_more_is_read_than_a_reader_needs_to_refuse_it(watch: FileWatch, file: Path) -> None:
    file.write_bytes(b"x" * 3_000_000)

    assert len(looks(watch, 2)[1] or b"") == 1024 * 1024 + 1


def test_after_a_poke_one_look_is_enough(watch: FileWatch) -> None:
    watch.look()

    watch.poke()

    assert looks(watch, 2) == [b"one", None]


async def test_a_poke_hands_out_what_has_not_changed(file: Path) -> None:
    watch = FileWatch(file, every_s=3600)
    first = asyncio.create_task(watch.changed())
    watch.poke()
    assert await asyncio.wait_for(first, 10) == b"one"

    second = asyncio.create_task(watch.changed())
    await asyncio.sleep(0)
    watch.poke()

    assert await asyncio.wait_for(second, 10) == b"one"


async def test_it_can_be_followed(file: Path) -> None:
    watch: AsyncIterator[bytes] = aiter(FileWatch(file, every_s=0.01))
    found = [await asyncio.wait_for(anext(watch), 10)]

    await asyncio.to_thread(file.write_bytes, b"two")
    found.append(await asyncio.wait_for(anext(watch), 10))

    assert found == [b"one", b"two"]
