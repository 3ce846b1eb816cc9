"""What is done about all of a tenant's figures at once holds a portion of them, however many there are."""

import tracemalloc
from collections.abc import Awaitable

from bench import seeding
from qs.application.statistics.ports import Kind
from tests.support.counting import Ward

FEW, MANY = 4_000, 12_000
MOST = 1.7
"""What is read ahead is a portion more or less; three times as many would be three times as much."""


async def test_memory_does_not_grow_with_the_figures_of_a_tenant(ward: Ward):
    await seeding.enrolled(ward.truth, ward.tenant_id, FEW)
    small = await _peaks(ward)
    await seeding.enrolled(ward.truth, ward.tenant_id, MANY - FEW)
    large = await _peaks(ward)

    assert (await ward.validate())["checked"] > MANY
    assert {name: (small[name], peak) for name, peak in large.items() if peak > MOST * small[name]} == {}


async def _peaks(ward: Ward) -> dict[str, int]:
    """Bytes each took at most, once what only the first of them brings in was there."""
    await ward.validate()
    peaks = {
        "counters made again": await _peak(ward.mending.rebuild(ward.tenant_id)),
        "sync": await _peak(ward.sync(Kind.DAILY)),
    }
    peaks["validation"] = await _peak(ward.validate())
    # Whatever differs is held until it has been put right.
    await ward.truth.execute("UPDATE stat_daily SET enrolled = enrolled + 1 WHERE dimension <> 'testee'")
    peaks["validation that repairs"] = await _peak(ward.validate(repair=True))
    found = await ward.validate()
    assert found["status"] == "consistent"
    return peaks


async def _peak(work: Awaitable[object]) -> int:
    tracemalloc.start()
    try:
        await work
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
