"""The systems that can be imported from, by the name `qs job import` and `qs config import` know them by."""

import os
import pwd
from collections.abc import Callable, Mapping

from qs.infra.scheduler.importing.bingo_settings import import_bingo_settings
from qs.infra.scheduler.importing.crontab import import_crontab
from qs.infra.scheduler.importing.crontab_lines import Form
from qs.infra.scheduler.importing.ecron import import_ecron
from qs.infra.scheduler.importing.ecron_settings import import_ecron_settings
from qs.infra.scheduler.importing.gocron import import_gocron
from qs.infra.scheduler.importing.gocron_settings import import_gocron_settings
from qs.infra.scheduler.importing.imported import Imported
from qs.infra.scheduler.importing.settings_sheet import ImportedSettings
from qs.infra.scheduler.importing.sys_crontab import import_sys_crontab


def import_jobs(system: str, content: bytes, form: Form = "auto") -> Imported:
    """The jobs of ``crontab``, ``gocron``, ``sys-crontab`` or ``ecron``. Raises ImportRefused."""
    if system == "crontab":
        return import_crontab(content, form=form, users=[account.pw_name for account in pwd.getpwall()])
    return _JOBS[system](content)


def import_settings(system: str, content: bytes) -> ImportedSettings:
    """The settings of ``bingo``, ``ecron`` or ``gocron``. Raises ImportRefused."""
    return _SETTINGS[system](content)


_JOBS: Mapping[str, Callable[[bytes], Imported]] = {
    "gocron": import_gocron,
    "sys-crontab": import_sys_crontab,
    "ecron": import_ecron,
}
_SETTINGS: Mapping[str, Callable[[bytes], ImportedSettings]] = {
    "bingo": import_bingo_settings,
    "ecron": lambda content: import_ecron_settings(content, os.environ),
    "gocron": import_gocron_settings,
}
