"""Several ids in one query parameter: ``ids: FromQuery[Annotated[str, ids_of("jobs", most=100)]]``, read with ``ids_in``."""

from uuid import UUID

from msgspec import Meta

from qs.domain.kernel.errors import Invalid, Problem

_LENGTH = 36


def ids_of(what: str, *, most: int) -> Meta:
    """The bounds and the words of a list of at most so many ids."""
    one = rf"[0-9a-f-]{{{_LENGTH}}}"
    return Meta(
        pattern=rf"^{one}(,{one}){{0,{most - 1}}}$(?!\n)",
        max_length=most * (_LENGTH + 1) - 1,
        description=f"Ids of {what}, up to {most}, with commas.",
        examples=["01980000-0000-7000-8000-000000000000"],
        extra={"expected": f"1 to {most} ids with commas between them"},
    )


def ids_in(text: str) -> list[UUID]:
    """The ids in their order. Raises Invalid where one is no UUID."""
    try:
        return [UUID(each) for each in text.split(",")]
    except ValueError as error:
        raise Invalid([Problem("/ids", "must be ids with commas between them")]) from error
