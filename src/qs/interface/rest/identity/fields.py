"""What the routes of administration have in common: who may call them, and how they write names, scopes and roles."""

from typing import Annotated

from msgspec import Meta

from qs.domain.identity.credentials import LONGEST_PASSWORD, SHORTEST_PASSWORD

ADMINISTERING = {"scope": "admin"}

MachineName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)",
        extra={"expected": "letters, digits and . _ -, and begin with a letter or digit"},
    ),
]
NewPassword = Annotated[str, Meta(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)]
ScopeNames = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(min_length=1, max_length=64)
]
RoleNames = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=32)]], Meta(min_length=1, max_length=16)
]
