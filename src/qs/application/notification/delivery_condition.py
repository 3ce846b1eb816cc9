"""How many messages of all tenants are on their way, for those who watch the installation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DeliveryCondition:
    """By channel, how many deliveries are not settled and how long the one due longest waits; zero where none is due."""

    unsettled: Mapping[str, int]
    late_by: Mapping[str, timedelta]


class DeliveryConditions(Protocol):
    async def look(self) -> DeliveryCondition: ...
