"""What the doctor looks at in the settings; it needs no server for it."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from qs.domain.kernel.errors import Problem
from qs.interface.cli.findings import Finding, found, well
from qs.interface.grpc.starting import require_grpc
from qs.provisioning import is_embedded, secret_key_file
from qs.settings import Settings, SettingsError
from qs.settings.checks import is_loopback
from qs.settings.document import read_document
from qs.settings.guessing import KEY_BITS, PASSWORD_BITS, has_known_password, is_guessable
from qs.settings.keys import all_keys, value_of
from qs.settings.sources import SHORT_FORMS, find_file

# What stands there is for one container, in which there is no other user.
_OF_CONTAINERS = (Path("/run/secrets"), Path("/var/run/secrets"))


def refusal_findings(error: SettingsError) -> list[Finding]:
    """What stops every verb: each setting that cannot be used, and each name that is no setting."""
    return [_refused(problem) for problem in error.problems]


def settings_findings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about settings that load and that somebody should have meant otherwise."""
    yield well("settings", f"{settings.env}, home {settings.home}")
    if settings.events.entry_url:
        yield found("entry.links_in_stream", "events.entry_url", "true: links are put into the event stream")
    else:
        yield well("events.entry_url", "false: no link is put into the event stream")
    yield from _links(settings)
    yield _secret_key(settings)
    yield from _open_files(environ)
    yield from _guessable(settings)
    if settings.server.grpc_port is not None:
        yield _grpc(settings)
    if is_embedded(settings):
        code = "embedded.in_production" if settings.env == "production" else "embedded.in_use"
        yield found(code, "embedded servers", "in use, since no URLs are set")


def _refused(problem: Problem) -> Finding:
    code = "settings.unknown" if problem.detail.startswith("is not a setting") else "settings.invalid"
    return found(code, problem.pointer, problem.detail)


def _links(settings: Settings) -> Iterator[Finding]:
    base, host = settings.entry.base_url, settings.server.host
    is_production = settings.env == "production"
    if base is None and not is_loopback(host):
        yield found(
            "entry.no_base_url", "entry.base_url", f"not set, and {host} is no address testees can open"
        )
    elif base is None and is_production:
        yield found(
            "entry.no_base_url", "entry.base_url", f"not set, so links lead to {host}, which is this machine"
        )
    elif base is not None and is_production and is_loopback(urlsplit(base).hostname or ""):
        yield found(
            "entry.loopback", "entry.base_url", f"is {base}, which is the machine of whoever opens it"
        )
    elif base is not None and not is_production and not is_loopback(urlsplit(base).hostname or ""):
        what = f"{settings.env}, and links lead to {urlsplit(base).hostname}"
        yield found("env.not_production", "env", what)


def _secret_key(settings: Settings) -> Finding:
    file = secret_key_file(settings)
    if settings.secret_key is not None:
        return well("secret_key", "set")
    if not is_embedded(settings):
        return found("secret.missing", "secret_key", "missing")
    if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        return found("secret.file_open", "secret_key", f"{file} can be read by others", f"chmod 600 {file}")
    what = f"kept in {file}" if file.exists() else f"will be made in {file} at the first start"
    return well("secret_key", what)


def _open_files(environ: Mapping[str, str]) -> Iterator[Finding]:
    for variable, value in sorted(environ.items()):
        if not (variable.startswith("QS_") and variable.endswith("_FILE") and value):
            continue
        path = Path(value)
        if any(path.is_relative_to(place) for place in _OF_CONTAINERS):
            continue
        if _is_secret(variable) and _anybody_reads(path):
            yield found("secret.file_open", variable, f"{path} can be read by others", f"chmod 600 {path}")
    file = find_file(None, environ)
    if file is not None and _anybody_reads(file) and _holds_secrets(file):
        yield found("settings.file_open", "settings file", f"{file.absolute()} can be read by others")


def _is_secret(variable: str) -> bool:
    bare = variable.removesuffix("_FILE")
    by_variable = {key.variable: key.name for key in all_keys().values()} | dict(SHORT_FORMS)
    return bare in by_variable and all_keys()[by_variable[bare]].secret


def _anybody_reads(path: Path) -> bool:
    """Whether every user of the machine can: the file lets them, and each folder above it lets them through."""
    try:
        if not path.stat().st_mode & stat.S_IROTH:
            return False
        return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.absolute().parents)
    except OSError:
        return False


def _holds_secrets(file: Path) -> bool:
    return any(_has(read_document(file), name.split(".")) for name, key in all_keys().items() if key.secret)


def _has(tree: object, words: list[str]) -> bool:
    for word in words:
        if not isinstance(tree, dict) or tree.get(word) is None:
            return False
        tree = tree[word]
    return bool(tree)


def _guessable(settings: Settings) -> Iterator[Finding]:
    """Production has refused these already."""
    for pair in (settings.secret_key or "").split(","):
        key_id, _, key = pair.strip().partition(":")
        if key and is_guessable(key, KEY_BITS):
            yield found("secret.guessable", "secret_key", f"the key {key_id} can be guessed")
    password = settings.auth.admin_password
    if password is not None and is_guessable(password, PASSWORD_BITS, [settings.auth.admin_username or ""]):
        yield found("secret.guessable", "auth.admin_password", "can be guessed")
    for secret in settings.notification.webhook.secrets:
        if is_guessable(secret.removeprefix("whsec_"), KEY_BITS):
            yield found("secret.guessable", "notification.webhook.secrets", "can be guessed")
    for name in ("database.url", "database.migration_url", "redis.url"):
        if has_known_password(value_of(settings, name) or ""):
            yield found("secret.guessable", name, "holds a password that everybody knows")


def _grpc(settings: Settings) -> Finding:
    try:
        require_grpc(settings)
    except SettingsError as error:
        return found("grpc.missing", "server.grpc_port", error.problems[0].detail)
    return well("server.grpc_port", f"the duties are served over gRPC on port {settings.server.grpc_port}")
