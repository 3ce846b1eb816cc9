"""What the demonstration shows in the end, and whether it is what the trial published."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qs.application.plan.reading import Recount
from qs.interface.cli.demo.trial import ANSWERED, Trial

if TYPE_CHECKING:
    from rich.table import Table

_EVENTS = ("task_opened", "task_completed", "task_expired")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts after the last expiry; ``recount`` comes from the tasks themselves."""

    recount: Recount
    events: Mapping[str, int]
    deliveries: Mapping[str, int]
    unacknowledged: int
    trial: Trial
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        occasions = self.recount.occasions
        n, d = self.recount.followup
        return {
            "tasks": sum(o.total for o in occasions),
            "opened": sum(o.opened for o in occasions),
            "completed": sum(o.completed for o in occasions),
            "expired": sum(o.expired for o in occasions),
            "retention": self.recount.retention,
            "followup": {"n": n, "d": d, "rate": n / d if d else None},
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
        wrong = [
            f"{key} is {found[key]}, not {value}" for key, value in expected.items() if found[key] != value
        ]
        unsent = sum(count for status, count in self.deliveries.items() if status != "sent")
        return [*wrong, f"{unsent} deliveries were not sent"] if unsent else wrong

    def table(self) -> "Table":
        """One line per occasion."""
        from qs.interface.cli.output import rows

        lines = [
            (
                o.seq,
                day.strftime("%a %Y-%m-%d"),
                o.opened,
                o.completed,
                o.expired,
                f"{o.completed / o.opened:.0%}",
            )
            for o, day in zip(self.recount.occasions, self.trial.occasions, strict=True)
            if o.opened
        ]
        return rows(
            ("occasion", "date", "opened", "completed", "expired", "completion"), lines, title=self._title()
        )

    def _title(self) -> str:
        n, d = self.recount.followup
        sent = self.deliveries.get("sent", 0)
        return (
            f"{self.trial.plan['name']}: 100 people, {n} of {d} follow-ups answered ({n / d if d else 0:.1%}), "
            f"{sent} messages sent, {self.unacknowledged} events waiting, {self.seconds:.0f} s"
        )
