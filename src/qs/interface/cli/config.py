"""`qs config`: the settings in force."""

import typer

from qs.interface.cli.config_import import import_config
from qs.interface.cli.output import Json, emit, failing_plainly, rows
from qs.interface.cli.session import current_settings
from qs.settings.keys import all_keys
from qs.settings.masking import masked

app = typer.Typer(no_args_is_help=True)


@app.callback()
def config() -> None:
    """The settings in force."""


@app.command()
def show(json_mode: Json = False) -> None:
    """Every setting with its value, secrets masked."""
    with failing_plainly():
        settings = masked(current_settings())
    flat = []
    for name, key in all_keys().items():
        value = settings
        for word in name.split("."):
            value = value[word]
        flat.append((name, _words(value), key.variable))
    emit(settings, json_mode, rows(("setting", "value", "variable"), flat))


app.command("import")(import_config)


def _words(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or None
    return str(value).lower() if isinstance(value, bool) else value
