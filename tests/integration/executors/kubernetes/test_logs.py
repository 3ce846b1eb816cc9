"""The log of a pod: whole, in order, and not doubled, however often its stream breaks."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qs.application.scheduler.executors import AttemptStatus
from qs.infra.scheduler.executors.kubernetes_logs import LogCursor
from tests.integration.executors.kubernetes.clusters import an_attempt
from tests.integration.executors.kubernetes.machinery import written
from tests.support.waiting import eventually

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)


def _replay(log: Sequence[tuple[datetime, timedelta, bytes]], since: str | None) -> bytes:
    """What a node sends from that second on."""
    first = datetime.fromisoformat(since) if since else EPOCH
    return b"".join(
        written(moment, zone).encode() + b" " + text for moment, zone, text in log if moment >= first
    )


texts = st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"") + b"\n")
steps = st.sampled_from([0, 0, 0, 1, 400_000, 1_000_000, 90_000_000])
zones = st.sampled_from([0, 0, 480])


@given(
    lines=st.lists(st.tuples(steps, texts), min_size=1, max_size=25),
    zone=zones,
    breaks=st.lists(st.integers(0, 600), max_size=8),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_a_log_that_breaks_anywhere_is_passed_on_once(lines, zone, breaks, sizes):
    moments = itertools.accumulate((step for step, _ in lines), initial=0)
    offset = timedelta(minutes=zone)
    log = [
        (EPOCH + timedelta(microseconds=moment), offset, text)
        for moment, (_, text) in zip(moments, lines, strict=False)
    ]
    cursor, passed = LogCursor(), b""

    for stop in (*breaks, None):
        cursor.take_up()
        sent = _replay(log, cursor.since)[:stop]
        position = 0
        for size in itertools.cycle(sizes):
            if position >= len(sent):
                break
            passed += cursor.take(sent[position : position + size])
            position += size

    assert passed == b"".join(text for _, _, text in log)


def test_what_the_node_says_itself_is_passed_on():
    cursor = LogCursor()

    passed = cursor.take(b"unable to retrieve container logs for containerd://12\n2026-03-01T00:00:00Z x\n")

    assert passed == b"unable to retrieve container logs for containerd://12\nx\n"


def test_a_line_without_a_time_is_not_passed_on_twice():
    cursor = LogCursor()
    log = b"2026-03-01T00:00:00.5Z a\nfailed to try resolving symlinks\n2026-03-01T00:00:00.5Z b\n"
    first = cursor.take(log[:-4])
    cursor.take_up()

    assert first + cursor.take(log) == b"a\nfailed to try resolving symlinks\nb\n"


def test_a_node_whose_clock_is_set_back_loses_no_line():
    cursor = LogCursor()

    passed = cursor.take(b"2026-03-01T00:00:09Z a\n2026-03-01T00:00:01Z b\n2026-03-01T00:00:02Z c\n")

    assert passed == b"a\nb\nc\n"


@pytest.mark.parametrize("zone_minutes", [0, 480])
async def test_a_stream_that_is_cut_all_the_time_gives_the_whole_log(executor, space, output, zone_minutes):
    await space.order("set", log_cut_bytes=3000, zone_minutes=zone_minutes)
    attempt = an_attempt("tick 60", output=output, timeout=timedelta(seconds=60))

    outcome = await executor.execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert output.lines[:3] == ["tick 0", "tick 1", "tick 2"]
    assert sorted(set(output.lines), key=output.lines.index) == output.lines


async def test_a_big_log_arrives_whole_though_its_stream_breaks(executor, space, output):
    script = ("await go", "flood 20000", "say done")
    attempt = an_attempt(*script, output=output, timeout=timedelta(seconds=120))
    task = asyncio.create_task(executor.execute(attempt))

    async def streaming():
        return (await space.look())["calls"].get("log pods")

    await eventually(streaming, within=15)
    cut = asyncio.Event()
    output.on_write = lambda: cut.set() if len(output.data) > 300_000 else None
    await space.release()
    await cut.wait()
    await space.order("cut")
    outcome = await task

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert len(output.lines) == 20_001
    assert output.lines == [f"line {number:06d} {'x' * 80}" for number in range(20_000)] + ["done"]


async def test_a_line_without_an_end_is_no_burden(executor, output):
    outcome = await executor.execute(an_attempt("long 3000000", "say end", output=output))

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert output.text == "y" * 3_000_000 + "\nend\n"


async def test_more_log_than_anybody_reads_is_not_fetched(executor, output, monkeypatch):
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes_logs.MOST_LOG_BYTES", 100_000)

    outcome = await executor.execute(an_attempt("flood 5000", output=output))

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert 100_000 <= len(output.data) < 400_000
