"""`qs doctor`: is this installation as it should be, and if not, what to do."""

from typing import Any

import msgspec
import typer

from qs.domain.identity.scopes import ROLES
from qs.interface.cli.broker_findings import broker_findings
from qs.interface.cli.database_findings import database_findings
from qs.interface.cli.findings import Finding, redis_findings, settings_findings
from qs.interface.cli.key_findings import key_findings
from qs.interface.cli.output import Json, emit, failing_plainly, rows, run_async
from qs.interface.cli.production_findings import production_findings
from qs.interface.cli.provider_findings import provider_findings
from qs.interface.cli.session import current_settings
from qs.interface.cli.text_findings import text_findings
from qs.provisioning import is_embedded, secret_key_file, with_servers
from qs.settings import Settings, SettingsError

app = typer.Typer()


@app.command()
def doctor(json_mode: Json = False) -> None:
    """Check settings, servers, schema, row security, clocks and secrets; exits 1 when something is wrong."""
    findings = run_async(_examine())
    wrong = [finding for finding in findings if finding.level == "wrong"]
    roles = {role: sorted(scopes) for role, scopes in ROLES.items()}
    emit({"healthy": not wrong, "findings": findings, "roles": roles}, json_mode, _report(findings, roles))
    if wrong:
        raise typer.Exit(1)


async def _examine() -> list[Finding]:
    try:
        given = current_settings()
    except SettingsError as error:
        return [
            Finding(problem.pointer, "wrong", problem.detail, "correct the setting")
            for problem in error.problems
        ]
    with failing_plainly(), with_servers(given) as ready:
        found = [finding for subject in _subjects(given, ready) async for finding in subject]
    return [*production_findings(given), *found]


def _subjects(given: Settings, ready: Settings) -> list[Any]:
    keyed = key_findings(_with_key(given, ready))
    texts = text_findings(_with_key(given, ready))
    subjects = [settings_findings(given), database_findings(ready), keyed, texts, redis_findings(ready)]
    if is_embedded(given):
        subjects.insert(1, _embedded())
    return [*subjects, broker_findings(ready), provider_findings(given)]


def _with_key(given: Settings, ready: Settings) -> Settings:
    """With the key that embedded servers have in a file; one that is not made yet has nothing under it."""
    file = secret_key_file(given)
    if ready.secret_key is not None or not is_embedded(given) or not file.exists():
        return ready
    return msgspec.structs.replace(ready, secret_key=file.read_text(encoding="utf-8").strip())


async def _embedded() -> Any:
    yield Finding(
        "embedded servers", "note", "in use, since no URLs are set", "good for one machine; see `qs embedded`"
    )


def _report(findings: list[Finding], roles: dict[str, list[str]]) -> Any:
    from rich.console import Group

    return Group(
        rows(
            ("", "subject", "what is", "what to do"),
            [
                ({"ok": "ok", "note": "note", "wrong": "WRONG"}[f.level], f.subject, f.what, f.todo)
                for f in findings
            ],
        ),
        rows(("role", "may"), [(role, " ".join(scopes)) for role, scopes in roles.items()]),
    )
