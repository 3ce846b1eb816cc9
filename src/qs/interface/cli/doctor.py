"""`qs doctor`: is this installation as it should be, and if not, what to do."""

import os
from typing import Any

import msgspec
import typer

from qs.domain.identity.scopes import ROLES
from qs.interface.cli.backlog_findings import backlog_findings
from qs.interface.cli.broker_findings import broker_findings
from qs.interface.cli.database_findings import database_findings
from qs.interface.cli.examining import Check, examine, hide_secrets
from qs.interface.cli.findings import Finding
from qs.interface.cli.key_findings import key_findings
from qs.interface.cli.machine_findings import machine_findings
from qs.interface.cli.mail_findings import mail_findings
from qs.interface.cli.output import Json, emit, failing_plainly, rows, run_async
from qs.interface.cli.production_findings import production_findings
from qs.interface.cli.provider_findings import provider_findings
from qs.interface.cli.redis_findings import redis_findings
from qs.interface.cli.session import current_settings
from qs.interface.cli.settings_findings import refusal_findings, settings_findings
from qs.interface.cli.text_findings import text_findings
from qs.provisioning import is_embedded, secret_key_file, with_servers
from qs.settings import Settings, SettingsError

app = typer.Typer()

_WORST_FIRST = ("error", "warning", "note", "ok")
_SHOWN = {"error": "ERROR", "warning": "WARNING", "note": "note", "ok": "ok"}


@app.command()
def doctor(json_mode: Json = False) -> None:
    """Check settings, servers, schema, row security, clocks, workers, backlogs and secrets; exits 1 on an error."""
    told = sorted(run_async(_examine()), key=lambda finding: _WORST_FIRST.index(finding.severity))
    is_healthy = not any(finding.severity == "error" for finding in told)
    roles = {role: sorted(scopes) for role, scopes in ROLES.items()}
    emit({"healthy": is_healthy, "findings": told, "roles": roles}, json_mode, _report(told, roles))
    if not is_healthy:
        raise typer.Exit(1)


async def _examine() -> list[Finding]:
    try:
        given = current_settings()
    except SettingsError as error:
        return refusal_findings(error)
    # Importing takes seconds on a machine that is busy; no check is to be charged with them.
    import qs.container  # noqa: F401

    with failing_plainly(), with_servers(given) as ready:
        told = await examine(_checks(given, ready))
    return hide_secrets([*settings_findings(given, os.environ), *production_findings(given), *told], ready)


def _checks(given: Settings, ready: Settings) -> list[Check]:
    keyed = _with_key(given, ready)
    return [
        Check("this machine", machine_findings(ready)),
        Check("database", database_findings(ready, is_embedded=given.database.url is None)),
        Check("secret keys", key_findings(keyed)),
        Check("texts", text_findings(keyed)),
        Check("backlogs", backlog_findings(keyed)),
        Check("redis", redis_findings(ready)),
        Check("mail server", mail_findings(given)),
        Check("message broker", broker_findings(ready)),
        Check("identity provider", provider_findings(given)),
    ]


def _with_key(given: Settings, ready: Settings) -> Settings:
    """With the key that embedded servers have in a file; one that is not made yet has nothing under it."""
    file = secret_key_file(given)
    if ready.secret_key is not None or not is_embedded(given) or not file.exists():
        return ready
    return msgspec.structs.replace(ready, secret_key=file.read_text(encoding="utf-8").strip())


def _report(findings: list[Finding], roles: dict[str, list[str]]) -> Any:
    from rich.console import Group

    return Group(
        rows(
            ("", "code", "subject", "what is", "what to do"),
            [(_SHOWN[f.severity], f.code, f.subject, f.what, f.todo) for f in findings],
        ),
        rows(("role", "may"), [(role, " ".join(scopes)) for role, scopes in roles.items()]),
    )
