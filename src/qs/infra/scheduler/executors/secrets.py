"""What ``secret://name`` in a job stands for: values of the operator's, and those that a tenant stored."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol
from uuid import UUID

from qs.application.scheduler.executors import SecretAbsent
from qs.domain.kernel.errors import QsError
from qs.domain.scheduler.secrets import name_problem, value_problem
from qs.infra.scheduler.executors.redacting import Redactions

REFERENCE = re.compile(r"secret://([A-Za-z0-9_-]*)")


class SecretUnusable(QsError):
    """A secret is set and cannot be used: its name or its value is not one."""

    code = "job.secret_unusable"

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        super().__init__(f"the secret {name[:64]!r} {why}, so no job can use it; set it anew")


def references(text: str) -> Iterator[str]:
    """What stands after each ``secret://`` in the text, be it a name or not."""
    return (found[1] for found in REFERENCE.finditer(text))


class TenantSecrets(Protocol):
    """Secrets that tenants stored."""

    async def find(self, tenant_id: UUID, name: str) -> str | None:
        """The value, or None. Raises SecretUnusable when it cannot be read."""
        ...


class SettingsSecrets:
    """Secrets that the operator set: in the settings, as ``QS_SECRET_<NAME>`` or as ``QS_SECRET_<NAME>_FILE``.

    The environment wins, as it does over every setting. A file is read again at each use, so that whoever rotates it
    need not restart a worker. With ``tenants``, the jobs of all other tenants see none of these. What the operator did
    not set is looked up in ``stored``, for whichever tenant. With the ``redactions`` of others what they revealed is
    blacked out too.

    Raises:
        SecretUnusable: a name or a value from the settings is none.
    """

    def __init__(
        self,
        from_settings: Mapping[str, str],
        environ: Mapping[str, str],
        *,
        tenants: Collection[UUID] | None = None,
        stored: TenantSecrets | None = None,
        redactions: Redactions | None = None,
    ) -> None:
        self._from_settings = {name: _checked(name, value) for name, value in from_settings.items()}
        self._environ = environ
        self._tenants = None if tenants is None else frozenset(tenants)
        self._stored = stored
        self._redactions = Redactions() if redactions is None else redactions

    @property
    def redactions(self) -> Redactions:
        """What was revealed since this process began, to be blacked out."""
        return self._redactions

    async def reveal(self, tenant_id: UUID, text: str) -> str:
        """The text with each ``secret://name`` in it replaced. Raises SecretAbsent and SecretUnusable."""
        values = {name: await self._value(tenant_id, name) for name in dict.fromkeys(references(text))}
        return REFERENCE.sub(lambda found: values[found[1]], text)

    def redact(self, text: str) -> str:
        """The text with every secret that was ever revealed in this process blacked out."""
        return self._redactions.text(text)

    async def _value(self, tenant_id: UUID, name: str) -> str:
        if problem := name_problem(name):
            raise SecretUnusable(name, problem)
        found = self._set(name) if self._tenants is None or tenant_id in self._tenants else None
        if found is None and self._stored is not None:
            found = await self._stored.find(tenant_id, name)
        if found is None:
            raise SecretAbsent(name)
        value = _checked(name, found)
        self._redactions.add(value)
        return value

    def _set(self, name: str) -> str | None:
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
        return self._from_settings.get(name)


def _checked(name: str, value: str) -> str:
    if problem := name_problem(name) or value_problem(value):
        raise SecretUnusable(name, problem)
    return value
