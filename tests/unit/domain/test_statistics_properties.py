"""Every instant lies on exactly one date, whatever the zone and whenever the tenant moved."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from qs.domain.kernel.zones import date_begun, end_of_date, start_of_date, zone
from qs.domain.statistics.calendar import BEGINNING, Period, TenantCalendar

ZONES = st.sampled_from(
    ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut",
     "America/Santiago", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Chatham"]
)  # fmt: skip
_FIRST, _DAYS = datetime(2000, 1, 1, tzinfo=UTC), 40 * 365
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=_DAYS)).map(lambda since: _FIRST + since)


@given(ZONES, ZONES, INSTANTS, INSTANTS, st.timedeltas(timedelta(0), timedelta(days=20)))
def test_every_instant_lies_in_exactly_the_stretch_of_its_date(first, second, moved, instant, length):
    calendar = TenantCalendar([Period(BEGINNING, first), Period(moved, second)])

    stretches = calendar.stretches(instant, instant + length)

    assert stretches[0].start <= instant < stretches[0].end
    assert stretches[-1].start <= instant + length < stretches[-1].end
    assert all(one.end == other.start for one, other in pairwise(stretches))
    for stretch in stretches:
        assert calendar.date_of(stretch.start) == stretch.day
        assert calendar.date_of(stretch.end - timedelta(microseconds=1)) == stretch.day
        assert stretch in calendar.stretches_of([stretch.day])


@given(ZONES, INSTANTS)
def test_a_date_begins_once_and_ends_where_the_next_begins(name, instant):
    tz = zone(name)

    day = date_begun(instant, tz)

    start = start_of_date(day, tz)
    assert start is not None
    assert start <= instant < end_of_date(day, tz)
