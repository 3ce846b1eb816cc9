"""Statistics as an external scheduler has them synced and validated, and as staff then read them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from qs.application.statistics.drawing import Heading
from qs.application.statistics.following import SurvivalView
from qs.interface.cli.demo.client import Client
from qs.interface.cli.stats_tables import local

_KINDS = ("daily", "accumulated", "plan")


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many figures each sync wrote, how many differences the validation found, and the figures of the plan."""

    synced: Mapping[str, int]
    differences: int
    plan: Mapping[str, Any]

    @property
    def occasions(self) -> list[Mapping[str, int]]:
        return list(self.plan["occasions"])

    @property
    def retention(self) -> list[int]:
        """Completed tasks of each occasion in order."""
        return list(self.plan["retention"])

    @property
    def followup(self) -> Mapping[str, Any]:
        """Completion of all occasions but the first, as n, d and rate."""
        return {name: self.plan["followup"][name] for name in ("n", "d", "rate")}

    @property
    def survival(self) -> SurvivalView:
        return msgspec.convert(self.plan["survival"], SurvivalView)

    def to_dict(self) -> dict[str, Any]:
        stayed = [round(share, 4) for share in self.survival.survival]
        return {"differences": self.differences, "synced": dict(self.synced), "survival": stayed}

    def draw(self, name: str, file: Path) -> None:
        """Writes the retention curve of the plan with that name. Raises OSError."""
        from qs.infra.statistics import plots
        from qs.infra.statistics.canvas import save

        as_of = datetime.fromisoformat(self.plan["counted_at"])
        zone_name = self.plan["timezone"]
        heading = Heading(name, local(as_of, zone_name), zone_name)
        save(plots.retention(heading, self.survival), file)


async def sync_and_validate(scheduler: Client, staff: Client, plan_id: str) -> Statistics:
    """The three syncs in their order, a validation, and what is known of the plan then."""
    synced = {}
    for kind in _KINDS:
        synced[kind] = (await scheduler.post(f"/statistics/sync/{kind}"))["upserted"]
    found = await scheduler.post("/statistics/validate")
    return Statistics(synced, found["differences_total"], await staff.get(f"/statistics/plans/{plan_id}"))
