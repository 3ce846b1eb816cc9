from datetime import timedelta
from uuid import UUID

from qs.domain.scheduler.triggers import jittered, preview
from tests.unit.domain.triggers.making import JOB, at, cron, trigger


def marked(of, after: str, count: int) -> list[tuple[str, str | None]]:
    return [(each.local.isoformat(" ", "minutes"), each.dst) for each in preview(of, at(after), count)]


def test_a_preview_marks_what_a_gap_moved_and_what_was_there_anyway():
    assert marked(cron("30 2 * * *", "Europe/Berlin"), "2026-03-27 12:00", 3) == [
        ("2026-03-28 02:30+01:00", None),
        ("2026-03-29 03:00+02:00", "shifted"),
        ("2026-03-30 02:30+02:00", None),
    ]
    assert marked(cron("30 2-3 * * *", "Europe/Berlin"), "2026-03-29 00:00", 2) == [
        ("2026-03-29 03:00+02:00", "shifted"),
        ("2026-03-29 03:30+02:00", None),
    ]
    assert marked(cron("0 2,3 * * *", "Europe/Berlin"), "2026-03-29 00:00", 1) == [
        ("2026-03-29 03:00+02:00", None)
    ]


def test_a_preview_marks_the_first_of_two_for_jobs_that_run_in_one_of_them():
    assert marked(cron("30 1 * * *", "America/New_York"), "2025-11-01 12:00", 2) == [
        ("2025-11-02 01:30-04:00", "first"),
        ("2025-11-03 01:30-05:00", None),
    ]
    assert marked(cron("30 * * * *", "America/New_York"), "2025-11-02 05:00", 3) == [
        ("2025-11-02 01:30-04:00", None),
        ("2025-11-02 01:30-05:00", None),
        ("2025-11-02 02:30-05:00", None),
    ]
    assert marked(cron("0 1,2 * * *", "America/New_York"), "2025-11-02 04:00", 2) == [
        ("2025-11-02 01:00-04:00", "first"),
        ("2025-11-02 02:00-05:00", None),
    ]


def test_a_day_that_begins_late_or_twice_is_marked_too():
    assert marked(cron("0 0 * * *", "America/Santiago"), "2025-09-07 00:00", 1) == [
        ("2025-09-07 01:00-03:00", "shifted")
    ]
    assert marked(cron("0 0 * * *", "America/Havana"), "2025-11-01 12:00", 1) == [
        ("2025-11-02 00:00-04:00", "first")
    ]
    assert marked(cron("0 0 * * *", "Pacific/Apia"), "2011-12-30 09:00", 1) == [
        ("2011-12-31 00:00+14:00", None)
    ]


def test_a_preview_ends_with_the_slots():
    assert len(preview(trigger("once", "2026-07-01 09:00"), at("2026-01-01"), 5)) == 1
    assert preview(trigger("once", "2026-07-01 09:00"), at("2026-08-01"), 5) == []
    assert preview(cron("* * * * *"), at("2026-08-01"), 0) == []


def test_a_preview_of_a_delay_supposes_that_nothing_takes_time():
    assert marked(trigger("fixed_delay", "1h", None), "2026-01-01", 2) == [
        ("2026-01-01 01:00+00:00", None),
        ("2026-01-01 02:00+00:00", None),
    ]


def test_jitter_is_the_same_on_every_node_and_within_its_bounds():
    slot, jitter = at("2026-07-01 02:00"), timedelta(minutes=10)
    jobs = [UUID(int=n << 64) for n in range(500)]

    moved = [jittered(job, slot, jitter) - slot for job in jobs]

    assert moved == [jittered(job, slot.astimezone(), jitter) - slot for job in jobs]
    assert all(timedelta(0) <= delay < jitter for delay in moved)
    assert max(moved) > jitter * 0.9
    assert min(moved) < jitter * 0.1
    # Nodes of two releases agree as well.
    assert jittered(JOB, slot, jitter) == at("2026-07-01 02:04:49.931577")


def test_jitter_differs_from_slot_to_slot_and_none_is_none():
    slots = [at("2026-07-01") + timedelta(days=n) for n in range(50)]

    assert len({jittered(JOB, slot, timedelta(minutes=10)) - slot for slot in slots}) == 50
    assert jittered(JOB, slots[0], timedelta(0)) == slots[0]
    assert jittered(JOB, slots[0], timedelta.resolution) == slots[0]
