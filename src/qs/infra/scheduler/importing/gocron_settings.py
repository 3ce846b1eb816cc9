"""The settings of a gocron service in ours, its jobs included."""

from typing import Any

from qs.infra.scheduler.importing import go_settings
from qs.infra.scheduler.importing import settings_values as values
from qs.infra.scheduler.importing.gocron import import_gocron
from qs.infra.scheduler.importing.settings_files import read_settings
from qs.infra.scheduler.importing.settings_sheet import ImportedSettings, Sheet


def import_gocron_settings(content: bytes) -> ImportedSettings:
    """Its YAML with ``server`` or ``app``, ``database``, ``redis``, ``log`` and ``scheduler``.

    Raises:
        ImportRefused: it is no settings file; with the line.
    """
    given = read_settings(content, whole=("scheduler.jobs",))
    listed = given.pop("scheduler.jobs", None)
    sheet = Sheet(given)
    go_settings.server(sheet, "server", "app", "http")
    go_settings.database(sheet, "database", "db", "mysql", "postgres")
    go_settings.redis(sheet)
    go_settings.log(sheet, "log", "logger", "logging")
    go_settings.mail(sheet)
    enabled = sheet.to("scheduler.enabled", "scheduler.enabled", read=values.flag)
    zone = sheet.to("scheduler.timezone", "scheduler.timezone", "scheduler.location", read=values.zone)
    if listed is not None and isinstance(listed.value, list):
        jobs = import_gocron(content)
        sheet.set("scheduler.jobs", [_without_zone(job, zone) for job in jobs.jobs])
        # That nothing ran there is carried over here, so nobody has to do anything about it.
        sheet.add_notes(
            tuple(note for note in jobs.notes if enabled is not False or "enabled: false" not in note.what)
        )
    return sheet.imported()


def _without_zone(job: dict[str, Any], zone: str | None) -> dict[str, Any]:
    """The job without the zone that the settings beside it name anyway."""
    return {key: value for key, value in job.items() if key != "timezone" or value != zone}
