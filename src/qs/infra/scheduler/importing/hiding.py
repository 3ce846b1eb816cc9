"""Secrets that stand in clear in what is imported: replaced by a reference, and listed for whoever must set them."""

import re
from typing import Any

from qs.infra.scheduler.files.showing import is_secret_name
from qs.infra.scheduler.importing.imported import Draft, slug

_SCHEME = re.compile(r"(Bearer|Basic|Token|Digest|ApiKey)\s+(\S.*)", re.IGNORECASE | re.DOTALL)
_REFERENCE = re.compile(r"secret://")
_TAKEN = re.compile(r"key|.*-file")


class SecretNames:
    """Gives each secret value one name, however often it stands in the file."""

    def __init__(self, draft: Draft) -> None:
        self.prefix = ""
        """What the names of those found from now on begin with, such as the job they are of."""
        self._draft = draft
        self._names: dict[str, str] = {}
        self._given: set[str] = set()

    def hidden(self, line: int | None, name: str, value: str) -> str:
        """The value, or where ``name`` says that it is a secret, ``secret://…`` in its place."""
        if not value or not is_secret_name(name) or _REFERENCE.search(value):
            return value
        scheme = _SCHEME.fullmatch(value)
        return (
            f"{scheme[1]} {self.reference(line, name, scheme[2])}"
            if scheme
            else self.reference(line, name, value)
        )

    def reference(self, line: int | None, name: str, value: str) -> str:
        """``secret://…`` for a value that is a secret."""
        if value not in self._names:
            self._names[value] = self._free(slug(f"{self.prefix} {name}")[:50])
            secret = self._names[value]
            self._draft.note(
                line,
                f"the secret in {name}",
                f"it stood in clear, and stands as secret://{secret} now; a value needs 6 characters at least",
                f"set QS_SECRET_{secret.upper().replace('-', '_')} (or …_FILE) where the workers run, "
                "and change it, since it was in a file",
            )
        return f"secret://{self._names[value]}"

    def hidden_within(self, line: int | None, value: Any, name: str = "") -> Any:
        """A JSON value with every secret in it hidden that its key gives away."""
        if isinstance(value, dict):
            return {key: self.hidden_within(line, each, str(key)) for key, each in value.items()}
        if isinstance(value, list):
            return [self.hidden_within(line, each, name) for each in value]
        return self.hidden(line, name, value) if isinstance(value, str) and name else value

    def _free(self, base: str) -> str:
        base = f"{base}-value" if _TAKEN.fullmatch(base) else base
        name, number = base, 1
        while name in self._given:
            number += 1
            name = f"{base}-{number}"
        self._given.add(name)
        return name
