"""The settings of a process: one YAML file, overridden by the environment, checked as a whole before anything starts."""

from qs.settings.errors import SettingsError
from qs.settings.loading import load_settings
from qs.settings.sections import Settings

__all__ = ["Settings", "SettingsError", "load_settings"]
