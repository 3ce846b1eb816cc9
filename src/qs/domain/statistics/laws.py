"""What must hold of every set of figures, whoever counted them."""

from collections.abc import Iterator

from qs.domain.statistics.metrics import Counts

STATES = ("pending", "currently_open", "completed", "expired", "missed", "canceled")


def broken_by_plan(counts: Counts) -> Iterator[str]:
    """The laws that the figures of a plan's tasks break."""
    if counts["total"] != sum(counts[state] for state in STATES):
        yield "total = sum of states"
    if counts["active"] > counts["enrolled"]:
        yield "active <= enrolled"


def broken_by_totals(counts: Counts) -> Iterator[str]:
    """The laws that totals over all dates break; of one date they may not hold, since a task outlives it."""

    def of(name: str) -> int:
        return counts.get(name, 0)

    ended = of("completed") + of("expired") + of("canceled_open")
    if of("opened") < ended:
        yield "opened = completed + expired + canceled_open + currently_open"
    if of("on_time") > of("completed"):
        yield "on_time <= completed"
    if of("canceled_open") > of("canceled"):
        yield "canceled_open <= canceled"
    for name in ("expired", "canceled"):
        by_reason = sum(count for reason, count in counts.items() if reason.startswith(f"{name}:"))
        if by_reason != of(name):
            yield f"{name} = sum of its reasons"
