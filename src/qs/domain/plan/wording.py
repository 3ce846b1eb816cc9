"""What may be said beside a move: a reason for machines, a note for people, the id of an answer."""

import re

from qs.domain.kernel.errors import Invalid, Problem

_REASON = re.compile(r"[a-z_]{1,64}")
LONGEST_NOTE = 500
LONGEST_ASSESSMENT_ID = 64


class ReasonInvalid(Invalid):
    """A reason goes into events and rates, so it is one word of a small alphabet and never free text."""

    code = "task.invalid_reason"
    sentence = (
        "the reason is not one of 1 to 64 lower-case letters and underscores; put free text into the note"
    )

    def __init__(self) -> None:
        super().__init__([Problem("/reason", "must be 1 to 64 lower-case letters and underscores")])


class NoteTooLong(Invalid):
    code = "task.note_too_long"
    sentence = f"the note is longer than {LONGEST_NOTE} characters; shorten it"

    def __init__(self) -> None:
        super().__init__([Problem("/note", f"must be at most {LONGEST_NOTE} characters")])


class AssessmentIdInvalid(Invalid):
    code = "task.invalid_assessment_id"
    sentence = (
        f"the assessment_id does not have 1 to {LONGEST_ASSESSMENT_ID} characters; send the id of the answer"
    )

    def __init__(self) -> None:
        super().__init__(
            [Problem("/assessment_id", f"must be text of 1 to {LONGEST_ASSESSMENT_ID} characters")]
        )


def require_reason(reason: str, note: str | None = None) -> None:
    """Raises ReasonInvalid, NoteTooLong."""
    if not _REASON.fullmatch(reason):
        raise ReasonInvalid
    if note is not None and len(note) > LONGEST_NOTE:
        raise NoteTooLong


def require_assessment_id(assessment_id: str) -> None:
    """Raises AssessmentIdInvalid."""
    if not 1 <= len(assessment_id) <= LONGEST_ASSESSMENT_ID:
        raise AssessmentIdInvalid
