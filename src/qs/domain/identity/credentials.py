"""What a user name and a password must be, before anything is stored or compared."""

import re
import unicodedata
from collections.abc import Iterator

from qs.domain.identity.errors import PasswordUnfit, UsernameUnfit

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 256
LONGEST_USERNAME = 128

_USERNAME = re.compile(r"\w[\w.@+-]{0,127}")

# The most used ones of eight characters and more; a longer list belongs to whoever runs an identity provider.
_WELL_KNOWN = frozenset(
    [
        "password",
        "password1",
        "password123",
        "passw0rd",
        "12345678",
        "123456789",
        "1234567890",
        "12341234",
        "87654321",
        "qwertyui",
        "qwertyuiop",
        "qwerty123",
        "1q2w3e4r",
        "1qaz2wsx",
        "asdfghjkl",
        "abcd1234",
        "abc12345",
        "iloveyou",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "superman",
        "trustno1",
        "welcome1",
        "letmein1",
        "changeme",
        "changeit",
        "admin123",
        "administrator",
        "woaini1314",
        "5201314520",
    ]
)


def same_username(text: str) -> str:
    """One spelling for all that a person may type: compatibility forms and letter case make no difference."""
    return unicodedata.normalize("NFKC", text).casefold()


def new_username(text: str) -> str:
    """The spelling a new user's name is stored in.

    Raises:
        UsernameUnfit: it is none.
    """
    username = same_username(text)
    if not _USERNAME.fullmatch(username):
        raise UsernameUnfit
    return username


def new_password(text: str, username: str) -> str:
    """The same password, fit to be that user's.

    Raises:
        PasswordUnfit: it is not; the problems say why.
    """
    if problems := list(_unfit(text, username)):
        raise PasswordUnfit(problems)
    return text


def _unfit(password: str, username: str) -> Iterator[str]:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        yield f"must be {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters long"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        yield "must not hold control characters"
    if password.casefold() in _WELL_KNOWN or len(set(password)) < 3:
        yield "is one of the first that anybody would guess"
    if same_username(password) == username:
        yield "must differ from the user name"
