"""What the demonstration shows in the end, and whether it is what the trial published."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qs.interface.cli.demo.statistics import Statistics
from qs.interface.cli.demo.trial import ANSWERED, Trial
from qs.interface.cli.stats_tables import survival_table

if TYPE_CHECKING:
    from rich.console import Group

_EVENTS = ("task_opened", "task_completed", "task_expired")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts after the last expiry."""

    statistics: Statistics
    events: Mapping[str, int]
    deliveries: Mapping[str, int]
    unacknowledged: int
    trial: Trial
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        occasions = self.statistics.occasions
        return {
            "tasks": sum(each["total"] for each in occasions),
            "opened": sum(each["opened"] for each in occasions),
            "completed": sum(each["completed"] for each in occasions),
            "expired": sum(each["expired"] for each in occasions),
            "retention": self.statistics.retention,
            "followup": self.statistics.followup,
            "statistics": self.statistics.to_dict(),
            "events": {name: self.events.get(name, 0) for name in _EVENTS},
            "deliveries": dict(self.deliveries),
            "unacknowledged": self.unacknowledged,
            "seconds": round(self.seconds, 1),
        }

    def differences(self) -> list[str]:
        """What is not as the trial published it; empty when all is well."""
        people, asked = ANSWERED[0], ANSWERED[0] * len(ANSWERED)
        answered = sum(ANSWERED)
        expected = {
            "tasks": asked,
            "opened": asked,
            "completed": answered,
            "expired": asked - answered,
            "retention": list(ANSWERED),
            "followup": {
                "n": answered - people,
                "d": asked - people,
                "rate": (answered - people) / (asked - people),
            },
            "events": {
                "task_opened": asked,
                "task_completed": answered,
                "task_expired": asked - answered,
            },
            "unacknowledged": 0,
        }
        found = self.to_dict()
        told = found["statistics"]
        found |= {"validation": told["differences"], "Kaplan-Meier": told["survival"]}
        expected |= {"validation": 0, "Kaplan-Meier": [n / people for n in ANSWERED[1:]]}
        wrong = [
            f"{key} is {found[key]}, not {value}" for key, value in expected.items() if found[key] != value
        ]
        unsent = sum(count for status, count in self.deliveries.items() if status != "sent")
        return [*wrong, f"{unsent} deliveries were not sent"] if unsent else wrong

    def table(self) -> "Group":
        """One line per occasion, and the retention curve."""
        from rich.console import Group

        from qs.interface.cli.output import rows

        columns = ("occasion", "date", "opened", "completed", "expired", "completion")
        lines = [
            (
                each["seq"],
                day.strftime("%a %Y-%m-%d"),
                each["opened"],
                each["completed"],
                each["expired"],
                f"{each['completed'] / each['opened']:.0%}",
            )
            for each, day in zip(self.statistics.occasions, self.trial.occasions, strict=True)
            if each["opened"]
        ]
        return Group(rows(columns, lines, title=self._title()), survival_table(self.statistics.survival))

    def draw(self, file: Path) -> None:
        """Writes the retention curve as PNG or SVG. Raises OSError."""
        self.statistics.draw(self.trial.plan["name"], file)

    def _title(self) -> str:
        n, d = (self.statistics.followup[name] for name in ("n", "d"))
        sent = self.deliveries.get("sent", 0)
        return (
            f"{self.trial.plan['name']}: 100 people, {n} of {d} follow-ups answered ({n / d if d else 0:.1%}), "
            f"{sent} messages sent, {self.unacknowledged} events waiting, "
            f"{self.statistics.differences} differences in the statistics, {self.seconds:.0f} s"
        )
