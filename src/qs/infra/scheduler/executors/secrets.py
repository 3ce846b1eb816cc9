"""What ``secret://name`` in a job stands for: values from the settings and from the environment of the worker."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from uuid import UUID

from qs.application.scheduler.executors import SecretAbsent
from qs.domain.kernel.errors import QsError
from qs.infra.scheduler.executors.redacting import SHORTEST, Redactions

_LONGEST = 8192
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
REFERENCE = re.compile(r"secret://([A-Za-z0-9_-]*)")

# QS_SECRET_KEY is the installation's own key, and QS_SECRET_X_FILE names the file of the secret x.
_TAKEN = re.compile(r"key|.*-file")


class SecretUnusable(QsError):
    """A secret is set and cannot be used: its name or its value is not one."""

    code = "job.secret_unusable"

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        super().__init__(f"the secret {name[:64]!r} {why}, so no job can use it; set it anew")


def references(text: str) -> Iterator[str]:
    """What stands after each ``secret://`` in the text, be it a name or not."""
    return (found[1] for found in REFERENCE.finditer(text))


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a secret, or None."""
    if not _NAME.fullmatch(name):
        return "is not named by 1 to 64 small letters, digits and hyphens"
    if _TAKEN.fullmatch(name):
        return "has a name that qs itself uses (key, …-file)"
    return None


class SettingsSecrets:
    """Secrets that the operator set: in the settings, as ``QS_SECRET_<NAME>`` or as ``QS_SECRET_<NAME>_FILE``.

    The environment wins, as it does over every setting. A file is read again at each use, so that whoever rotates it
    need not restart a worker. With ``tenants``, the jobs of all other tenants see no secret at all.

    Raises:
        SecretUnusable: a name or a value from the settings is none.
    """

    def __init__(
        self,
        from_settings: Mapping[str, str],
        environ: Mapping[str, str],
        *,
        tenants: Collection[UUID] | None = None,
    ) -> None:
        self._from_settings = {name: _checked(name, value) for name, value in from_settings.items()}
        self._environ = environ
        self._tenants = None if tenants is None else frozenset(tenants)
        self._redactions = Redactions()

    @property
    def redactions(self) -> Redactions:
        """What was revealed since this process began, to be blacked out."""
        return self._redactions

    async def reveal(self, tenant_id: UUID, text: str) -> str:
        """The text with each ``secret://name`` in it replaced. Raises SecretAbsent and SecretUnusable."""
        return REFERENCE.sub(lambda found: self._value(tenant_id, found[1]), text)

    def redact(self, text: str) -> str:
        """The text with every secret that was ever revealed in this process blacked out."""
        return self._redactions.text(text)

    def _value(self, tenant_id: UUID, name: str) -> str:
        if self._tenants is not None and tenant_id not in self._tenants:
            raise SecretAbsent(name[:64])
        if problem := name_problem(name):
            raise SecretUnusable(name, problem)
        value = _checked(name, self._found(name))
        self._redactions.add(value)
        return value

    def _found(self, name: str) -> str:
        variable = f"QS_SECRET_{name.upper().replace('-', '_')}"
        if value := self._environ.get(variable):
            return value
        if path := self._environ.get(f"{variable}_FILE"):
            try:
                return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise SecretUnusable(
                    name, f"cannot be read from the file that {variable}_FILE names"
                ) from error
        if name in self._from_settings:
            return self._from_settings[name]
        raise SecretAbsent(name)


def _checked(name: str, value: str) -> str:
    if problem := name_problem(name):
        raise SecretUnusable(name, problem)
    if not SHORTEST <= len(value) <= _LONGEST:
        raise SecretUnusable(name, f"has fewer than {SHORTEST} or more than {_LONGEST} characters")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise SecretUnusable(name, "holds characters that are no text")
    return value
