"""Why the statistics context says no. One class per cause."""

from qs.domain.kernel.errors import Absent, Invalid, Problem, Unavailable


class CountersAway(Unavailable):
    code = "statistics.counters_away"
    sentence = (
        "Redis does not answer, so the live counters cannot be used; they are made again when it is back"
    )


class CountersLost(Unavailable):
    """The counters were emptied, restored or replaced since; whoever holds this epoch must begin anew."""

    code = "statistics.counters_lost"
    sentence = "the live counters were lost and are being counted again from the tasks; try again in a moment"


class SyncTakenOver(Unavailable):
    """Another process took the work over after this one gave no sign of life."""

    code = "statistics.sync_taken_over"
    sentence = "another process took this synchronisation over, so nothing more of this one is written; look at that one"


class DailyBusy(Unavailable):
    code = "statistics.daily_busy"
    sentence = (
        "the daily figures are just being written, and nothing reads them half done; try again in a moment"
    )


class NothingCounted(Absent):
    code = "statistics.absent"
    sentence = "nothing of that id is known to be counted; check the id"


class SpanTooLong(Invalid):
    code = "statistics.span_too_long"

    def __init__(self, longest: int) -> None:
        super().__init__(
            [Problem("/from", f"must lie no more than {longest} days before to, and not after it")],
            f"so many dates are too much for one answer; ask for at most {longest} at a time",
        )


class RetentionNeedsPlan(Invalid):
    code = "statistics.retention_needs_plan"

    def __init__(self) -> None:
        super().__init__(
            [Problem("/dimension", "must be plan")],
            "it is in a plan that people stay, and these figures are not of one; name a plan",
        )


class PictureUndated(Invalid):
    code = "statistics.picture_undated"
    sentence = "this picture is not by date, so that no dates can be chosen; leave from and to out"


class PictureAbsent(Absent):
    code = "statistics.picture_absent"
    sentence = "there is no picture of that name; ask for trend, completion or retention"


class DrawingMissing(Unavailable):
    """What draws is not installed, which waiting does not change."""

    code = "statistics.drawing_missing"
    retry_after: int | None = None

    def __init__(self, what: str, install: str) -> None:
        super().__init__(f"{what} is not installed, which drawing needs: {install}")


class DrawingBusy(Unavailable):
    code = "statistics.drawing_busy"
    sentence = "as many pictures as may wait are waiting to be drawn; try again in a moment"
