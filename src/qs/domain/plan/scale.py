"""An entry of the scale catalogue: which instrument is asked; its items live with whoever presents it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale such as PHQ-9, titled in the languages ``zh`` and ``en``."""

    tenant_id: UUID
    code: str
    title: dict[str, str]
    version: str
    published: bool
    created_at: datetime
