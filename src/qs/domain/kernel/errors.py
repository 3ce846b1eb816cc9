"""What can go wrong, in the categories a caller can act on; statuses are the interface's affair."""

from collections.abc import Iterable
from dataclasses import dataclass


class QsError(Exception):
    """What qs says on purpose: a stable ``code``, and a ``sentence``: what is, why that stops us, what to do.

    One subclass per cause. Without facts it sets both as class attributes; with facts it hands its sentence
    in. Neither ever holds a token, a link, a contact or a secret.
    """

    code: str = "qs.error"
    sentence: str = "the request could not be carried out; report it with its request id"

    def __init__(self, sentence: str | None = None) -> None:
        if sentence is not None:
            self.sentence = sentence
        super().__init__(self.sentence)


class Refused(QsError):
    """A rule says no in the present state; the same request may succeed in another."""

    code = "refused"
    sentence = "the present state does not allow this; read the resource again and decide anew"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the input: a JSON pointer (RFC 6901) into it, and what must be true there."""

    pointer: str
    detail: str


class Invalid(QsError):
    """The input itself breaks rules; ``problems`` names all of them."""

    code = "invalid"
    sentence = "the input breaks the rules of its fields; correct every problem listed and send it again"

    def __init__(self, problems: Iterable[Problem], sentence: str | None = None) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__(sentence)


class Absent(QsError):
    """Nothing of that identity exists for this caller."""

    code = "absent"
    sentence = "there is nothing here under that name; check the id"


class Gone(QsError):
    """It existed and never will again."""

    code = "gone"
    sentence = "this is over and cannot be used again; ask for a new one"


class Unauthenticated(QsError):
    """The caller has not shown who they are."""

    code = "unauthenticated"
    sentence = "the caller is not known; log in or send a valid access token or API key"


class Forbidden(QsError):
    """The caller is known and may not do this."""

    code = "forbidden"
    sentence = "the caller may not do this; ask an administrator for the role or scope it needs"


class Unavailable(QsError):
    """Something qs depends on is away; the same request may be sent again later."""

    code = "unavailable"
    sentence = "a service qs depends on does not answer; try again in a moment"


class Limited(QsError):
    """Too much at once; the same request may be sent again after ``retry_after`` seconds."""

    code = "limited"
    sentence = "too many requests came at once; wait and try again"

    def __init__(self, sentence: str | None = None, *, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(sentence)
