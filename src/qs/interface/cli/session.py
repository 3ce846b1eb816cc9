"""The settings of this invocation, and a container over servers that answer."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from qs.settings import Settings, load_settings
from qs.settings.keys import all_keys
from qs.settings.sections import LogSettings
from qs.settings.sources import SHORT_FORMS

if TYPE_CHECKING:
    from qs.container import Container


def current_settings(**options: object) -> Settings:
    """The settings of this invocation; an option that was given wins over the variable it is named by.

    Raises:
        SettingsError: they cannot be used.
    """
    environment = dict(os.environ)
    for variable, value in options.items():
        if value is not None:
            if variable in SHORT_FORMS:
                environment.pop(all_keys()[SHORT_FORMS[variable]].variable, None)
            environment[variable] = str(value)
    return load_settings(None, environment)


@asynccontextmanager
async def open_container(settings: Settings | None = None) -> AsyncIterator["Container"]:
    """A container over the servers of ``settings`` (else of this invocation), closed at the end of the block.

    Embedded servers are started when they do not run, and their schema brought up to this release.
    """
    from qs.container import build_container, close
    from qs.logs import configure_logging
    from qs.provisioning import ensure_schema, is_embedded, provisioned

    given = settings or current_settings()
    # A verb's stdout is data; what goes wrong beneath it is said on stderr.
    configure_logging(LogSettings(level="warning"), "cli")
    with provisioned(given) as ready:
        if is_embedded(given):
            await ensure_schema(ready)
        container = build_container(ready)
        try:
            yield container
        finally:
            await close(container)
