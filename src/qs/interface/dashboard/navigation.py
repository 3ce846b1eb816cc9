"""The sections of the dashboard and who sees them: those who may read something of it over HTTP."""

from dataclasses import dataclass

from qs.interface.dashboard.reader import Reader


@dataclass(frozen=True, slots=True)
class Section:
    """``name`` is its word in ``words/nav.toml`` and, under ``/dashboard``, where it is."""

    name: str
    scopes: tuple[str, ...]

    @property
    def path(self) -> str:
        return f"/dashboard/{self.name}"


SECTIONS = (
    Section("today", ("plans:read", "tasks:read", "statistics:read", "scheduler:read", "notifications:read")),
    Section("plans", ("plans:read",)),
    Section("tasks", ("tasks:read",)),
    Section("testees", ("testees:read",)),
    Section("statistics", ("statistics:read",)),
    Section("scheduler", ("scheduler:read",)),
    Section("notifications", ("notifications:read",)),
    Section("webhooks", ("webhooks:read",)),
    Section("events", ("events:read",)),
    Section("audit", ("audit:read",)),
    Section("administration", ("admin", "scales:read", "templates:read")),
)


def sections_for(reader: Reader) -> tuple[Section, ...]:
    """The sections that the reader may open."""
    return tuple(section for section in SECTIONS if reader.may(*section.scopes))
