"""The terms of a plan: how long a task may wait, how long its link lives, what happens to the late ones."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.plan.fields import read_choice, read_number
from qs.domain.plan.reminders import Reminder, read_reminders, too_long_for
from qs.domain.plan.schedule import ScheduleType

DEFAULT_DAYS = 7
MAX_MISSED = 100
MAX_DAYS = 366
MAX_NAME_LENGTH = 200


class CatchUp(StrEnum):
    """Which of several due occasions may still be opened after an outage or a late start."""

    ALL = "all"
    LATEST = "latest"


class NotifyOnExpiry(StrEnum):
    """Who is told that a task expired unanswered."""

    STAFF = "staff"
    TESTEE = "testee"
    NOBODY = "nobody"


class InvalidTerms(Invalid):
    """Terms of a plan break their rules."""

    code = "plan.invalid_terms"
    sentence = "the terms of the plan break the rules of their fields; correct every problem listed"


@dataclass(frozen=True, slots=True)
class Terms:
    """Valid terms. ``of`` is the way to make them; every ``…_days`` counts civil days in the task's zone.

    ``catch_up_days`` None means that a task may be opened however late it is. Each of the ``reminders`` is shorter than
    the life of a link. Staff are alerted when ``alert_after_missed`` occasions of one enrollment in a row were missed: None
    is as the installation has it, 0 never.
    """

    name: str
    due_days: int
    entry_ttl_days: int
    catch_up_days: int | None
    catch_up: CatchUp
    notify_on_expiry: NotifyOnExpiry
    reminders: tuple[Reminder, ...] = ()
    alert_after_missed: int | None = None

    @classmethod
    def of(
        cls,
        *,
        name: object,
        schedule_type: object,
        due_days: object = DEFAULT_DAYS,
        entry_ttl_days: object = DEFAULT_DAYS,
        catch_up_days: object = DEFAULT_DAYS,
        catch_up: object = None,
        notify_on_expiry: object = NotifyOnExpiry.STAFF,
        reminders: object = (),
        alert_after_missed: object = None,
    ) -> "Terms":
        """The terms these fields describe; leave a field out to get its default.

        ``catch_up`` None is the default of the schedule type, which is judged elsewhere: latest for by_day,
        else all. Raises InvalidTerms with every problem there is.
        """
        problems: list[Problem] = []
        if catch_up is None:
            catch_up = CatchUp.LATEST if schedule_type == ScheduleType.BY_DAY else CatchUp.ALL
        read_name = _read_name(name, problems)
        due = read_number("/due_days", due_days, 1, MAX_DAYS, problems)
        ttl = read_number("/entry_ttl_days", entry_ttl_days, 1, MAX_DAYS, problems)
        window = (
            None
            if catch_up_days is None
            else read_number("/catch_up_days", catch_up_days, 1, MAX_DAYS, problems)
        )
        late = read_choice(CatchUp, "/catch_up", catch_up, problems)
        told = read_choice(NotifyOnExpiry, "/notify_on_expiry", notify_on_expiry, problems)
        reminded = read_reminders(reminders, problems)
        alerted = (
            None
            if alert_after_missed is None
            else read_number("/alert_after_missed", alert_after_missed, 0, MAX_MISSED, problems)
        )
        problems += [] if ttl is None else too_long_for(reminded, ttl)
        if read_name is None or due is None or ttl is None or late is None or told is None or problems:
            raise InvalidTerms(problems)
        return cls(read_name, due, ttl, window, late, told, reminded, alerted)


def _read_name(raw: object, problems: list[Problem]) -> str | None:
    if not isinstance(raw, str) or not 1 <= len(raw) <= MAX_NAME_LENGTH or not raw.strip():
        problems.append(
            Problem("/name", f"must be text of 1 to {MAX_NAME_LENGTH} characters, not only blanks")
        )
        return None
    # Control characters and lone surrogates can be neither shown nor stored as text.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in raw):
        problems.append(Problem("/name", "must not contain control characters"))
        return None
    return raw
