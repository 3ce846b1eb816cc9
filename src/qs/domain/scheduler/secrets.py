"""Secrets that jobs refer to as ``secret://name``: what a name and a value may be, and what is known of a stored one."""

import re
from dataclasses import dataclass
from datetime import datetime

from qs.domain.kernel.errors import Absent, Invalid, Problem

SHORTEST_VALUE = 6
"""A secret of fewer characters would turn up, and be blacked out, in words that have nothing to do with it."""
LONGEST_VALUE = 8192

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

# QS_SECRET_KEY is the installation's own key, and QS_SECRET_X_FILE names the file of the secret x.
_TAKEN = re.compile(r"key|.*-file")


class SecretInvalid(Invalid):
    """A name or a value that no job could use. What was sent is not repeated."""

    code = "secret.invalid"
    sentence = (
        "the secret cannot be stored like this, since no job could use it; correct every problem listed"
    )


class StoredSecretAbsent(Absent):
    code = "secret.absent"
    sentence = "there is no stored secret of that name; check the name"


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret without its value, which nobody but a job that runs is ever given. Instants are system time."""

    name: str
    version: int
    created_at: datetime
    updated_at: datetime


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a secret, or None."""
    if not _NAME.fullmatch(name):
        return "is not named by 1 to 64 small letters, digits and hyphens"
    if _TAKEN.fullmatch(name):
        return "has a name that qs itself uses (key, …-file)"
    return None


def value_problem(value: str) -> str | None:
    """What is wrong with the value of a secret, or None; the value is not told."""
    if not SHORTEST_VALUE <= len(value) <= LONGEST_VALUE:
        return f"has fewer than {SHORTEST_VALUE} or more than {LONGEST_VALUE} characters"
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return "holds characters that are no text"
    return None


def check_secret(name: str, value: str) -> None:
    """Raises SecretInvalid unless a job could use a secret of that name and value."""
    problems = []
    if name_problem(name):
        detail = (
            "must be 1 to 64 small letters, digits and hyphens, neither key nor anything that ends in -file"
        )
        problems.append(Problem("/name", detail))
    if value_problem(value):
        detail = f"must be {SHORTEST_VALUE} to {LONGEST_VALUE} characters of text without NUL"
        problems.append(Problem("/value", detail))
    if problems:
        raise SecretInvalid(problems)
