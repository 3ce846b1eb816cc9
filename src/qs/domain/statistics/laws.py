"""What must hold of every set of figures, whoever counted them."""

from collections.abc import Iterator

from qs.domain.statistics.metrics import Counts

STATES = ("pending", "currently_open", "completed", "expired", "missed", "canceled")


def broken_by_plan(counts: Counts, totals: Counts) -> Iterator[str]:
    """The laws that a plan breaks: ``counts`` of its tasks by state, ``totals`` of what happened to them."""
    if counts["total"] != sum(counts[state] for state in STATES):
        yield "total = sum of states"
    if counts["active"] > counts["enrolled"]:
        yield "active <= enrolled"
    over = sum(totals.get(name, 0) for name in ("completed", "expired", "canceled_open"))
    if totals.get("opened", 0) != over + counts["currently_open"]:
        yield "opened = completed + expired + canceled_open + currently_open"


def broken_by_totals(counts: Counts) -> Iterator[str]:
    """The laws that totals over all dates break; of one date they may not hold, since a task outlives it."""

    def of(name: str) -> int:
        return counts.get(name, 0)

    if of("on_time") > of("completed"):
        yield "on_time <= completed"
    if of("canceled_open") > of("canceled"):
        yield "canceled_open <= canceled"
    for name in ("expired", "canceled"):
        by_reason = sum(count for reason, count in counts.items() if reason.startswith(f"{name}:"))
        if by_reason != of(name):
            yield f"{name} = sum of its reasons"
