"""Failures of the machinery below the application that a use case can go on after."""

from qs.domain.kernel.errors import QsError


class RowRefused(QsError):
    """The database would not take a row; what the savepoint did is undone and the transaction goes on."""

    code = "row.refused"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"the database refused the row ({kind}); look at the server's log and mend its cause"
        )
