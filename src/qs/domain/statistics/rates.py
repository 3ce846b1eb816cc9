"""Rates with their numerator and denominator. Each is defined here and nowhere else."""

from dataclasses import dataclass

from qs.domain.statistics.metrics import Counts


@dataclass(frozen=True, slots=True)
class Rate:
    """``n`` of ``d``; ``rate`` is None where nothing could be counted, since that is not 0 %."""

    n: int
    d: int

    @property
    def rate(self) -> float | None:
        return self.n / self.d if self.d else None


def rates(counts: Counts) -> dict[str, Rate]:
    """Every rate of some figures.

    decided = completed or expired for whatever reason; closed = decided after it had been opened.
    """
    completed, on_time = counts.get("completed", 0), counts.get("on_time", 0)
    closed = completed + counts.get("expired", 0)
    missed = counts.get("missed", 0)
    later = counts.get("followup_completed", 0)
    return {
        "completion": Rate(completed, closed),
        "followup": Rate(later, later + counts.get("followup_expired", 0)),
        "on_time": Rate(on_time, closed),
        "on_time_of_completed": Rate(on_time, completed),
        "entry_timeout": Rate(counts.get("expired:entry_timeout", 0), closed),
        "missed": Rate(missed, closed + missed),
    }
