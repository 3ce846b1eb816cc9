"""Triggers: when a job fires, computed from nothing but its definition. docs/scheduler/triggers.md is their page."""

from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.jitter import jittered
from qs.domain.scheduler.triggers.marks import Mark, MarkCode
from qs.domain.scheduler.triggers.occurrences import Occurrence, preview
from qs.domain.scheduler.triggers.reading import read_trigger
from qs.domain.scheduler.triggers.spec import TriggerInvalid, TriggerKind, TriggerSpec
from qs.domain.scheduler.triggers.trigger import Trigger
from qs.domain.scheduler.triggers.wording import Language, words

__all__ = [
    "Calendar",
    "Language",
    "Mark",
    "MarkCode",
    "Occurrence",
    "Trigger",
    "TriggerInvalid",
    "TriggerKind",
    "TriggerSpec",
    "jittered",
    "preview",
    "read_trigger",
    "words",
]
