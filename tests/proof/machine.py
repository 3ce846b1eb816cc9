"""Product and model side by side, in whatever order Hypothesis thinks of, crashes included.

Every command is given to both, by name. After each step the rows are what the model has and the outbox got what it told.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qs.application.notification.announcing import SUBSCRIPTION, TOLD
from tests.proof.model import Enrollment, Model, Plan, Refused, Task
from tests.proof.product import Fault, Product, expected_state

# Eleven days before Berlin's clocks go forward.
START = datetime(2030, 3, 20, 4, tzinfo=UTC)
TESTEES = {"anna": None, "ben": "Europe/Berlin"}
FIXED = (date(2030, 3, 20), date(2030, 3, 24))
# What a schedule is called, and on which days after the start its occasions are.
SCHEDULES: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "weekly": ({"schedule_type": "by_week", "interval": 1, "total_times": 3}, (0, 7, 14)),
    "daily": ({"schedule_type": "by_day", "interval": 1, "total_times": 4}, (0, 1, 2, 3)),
    "custom": ({"schedule_type": "custom", "relative_days": [0, 1, 9]}, (0, 1, 9)),
    "fixed": ({"schedule_type": "fixed_date", "fixed_dates": [str(day) for day in FIXED]}, ()),
}
COMMITS = (".before_commit", ".after_commit")
SWEEP = (*COMMITS, "sweep.after_claim", "sweep.before_outbox", "sweep.after_outbox")
EVENTS = (
    "relay.turn.before_commit",
    "relay.turn.after_commit",
    "relay.before_publish",
    "relay.after_publish",
    "subscriber.batch.before_commit",
    "subscriber.batch.after_commit",
    "subscriber.after_effect",
    "subscriber.before_acknowledge",
    "subscriber.after_acknowledge",
)
MICROSECOND = timedelta(microseconds=1)


def some(choices: Callable[["AgainstModel"], list[Any]]) -> st.SearchStrategy[Any]:
    """One of what the machine has to choose from at this moment."""
    return st.runner().flatmap(lambda machine: st.sampled_from(choices(machine)))


def mostly(things: Iterable[Any], wanted: Callable[[Any], bool]) -> list[str]:
    """The names of all of them; those that are wanted are drawn more often."""
    return [name for each in things for name in [each.name] * (8 if wanted(each) else 1)]


def crashing(points: tuple[str, ...], nth: int = 1) -> st.SearchStrategy[Fault | None]:
    """No fault, more often than not."""
    return st.none() | st.none() | st.builds(Fault, st.sampled_from(points), st.integers(1, nth))


a_plan: st.SearchStrategy[str] = some(lambda m: mostly(m.model.plans, lambda plan: plan.status == "active"))
an_answerable_task: st.SearchStrategy[str] = some(lambda m: mostly(m.model.tasks, m.is_answerable))
a_testee = st.sampled_from(sorted(TESTEES))
a_day = st.sampled_from([0, 1, -1])
new_plan = st.fixed_dictionaries(
    {
        "schedule": st.sampled_from(sorted(SCHEDULES)),
        "timezone": st.sampled_from(["Asia/Shanghai", "Europe/Berlin"]),
        "entry_ttl_days": st.sampled_from([7, 1]),
        "catch_up_days": st.sampled_from([7, 2, None]),
        "catch_up": st.sampled_from(["all", "latest"]),
    }
)


class AgainstModel(RuleBasedStateMachine):
    product: ClassVar[Product]
    model: Model

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(START, TESTEES)
        self.agrees = False
        self.asked = 0
        self.product.begin(START, TESTEES)

    @initialize(one=new_plan, other=new_plan, anna=a_day, ben=a_day, occasions=st.sampled_from([1, 2, 0, 3]))
    def begin(self, one: dict[str, Any], other: dict[str, Any], anna: int, ben: int, occasions: int) -> None:
        """Two testees follow a plan each and have come some way already."""
        self.create(one)
        self.create(other)
        self.enroll("plan 1", "anna", START.date() + timedelta(anna), False, None)
        self.enroll("plan 2", "ben", START.date() + timedelta(ben), False, None)
        for _ in range(occasions):
            self.time_passes(self.moments()[0], timedelta(0), True)

    @precondition(lambda m: all(plan.over for plan in m.model.plans))
    @rule(drawn=new_plan)
    def create(self, drawn: dict[str, Any]) -> None:
        terms = dict(drawn)
        name, (schedule, offsets) = f"plan {len(self.model.plans) + 1}", SCHEDULES[terms.pop("schedule")]
        plan = Plan(
            name,
            zone=terms["timezone"],
            offsets=offsets,
            fixed=() if offsets else FIXED,
            due_days=3,
            ttl_days=terms["entry_ttl_days"],
            catch_up_days=terms["catch_up_days"],
            only_latest=terms["catch_up"] == "latest",
        )
        self.ask(lambda: self.product.create(name, {**schedule, **terms, "due_days": plan.due_days}))
        self.model.create(plan)

    @rule(
        to=some(lambda m: m.moments()),
        by=st.sampled_from([timedelta(0), timedelta(0), MICROSECOND, -MICROSECOND, timedelta(hours=1)]),
        then_sweep=st.booleans(),
    )
    def time_passes(self, to: datetime, by: timedelta, then_sweep: bool) -> None:
        self.stand_at(max(self.model.now, to + by))
        if then_sweep:
            self.sweep(1, False, None)

    @rule(
        plan=a_plan,
        testee=a_testee,
        start=some(lambda m: m.starts()),
        new_round=st.booleans(),
        fault=crashing(COMMITS),
    )
    def enroll(self, plan: str, testee: str, start: date, new_round: bool, fault: Fault | None) -> None:
        self.both(fault, "enroll", plan, testee, start, new_round)

    @rule(
        at_once=st.sampled_from([1, 1, 2]),
        only_expiry=st.sampled_from([False, False, True]),
        fault=crashing(SWEEP, 4),
    )
    def sweep(self, at_once: int, only_expiry: bool, fault: Fault | None) -> None:
        done, crashed_at = self.ask(lambda: self.product.sweep(only_expiry, at_once), fault)
        if crashed_at:
            self.ask(lambda: self.product.sweep(only_expiry, 1))
        expected = self.model.sweep(only_expiry)
        # What a sweep did before it crashed is told by the rows alone.
        assert crashed_at or done == expected, f"the sweep did {done} and not {expected}"

    @precondition(lambda m: m.model.tasks)
    @rule(task=some(lambda m: mostly(m.model.tasks, m.is_due)), fault=crashing(COMMITS))
    def open(self, task: str, fault: Fault | None) -> None:
        self.both(fault, "open", task)

    @precondition(lambda m: m.model.tasks)
    @rule(
        task=an_answerable_task,
        link=st.sampled_from([0, 0, 0, 0, -1, 1]),
        answer=st.sampled_from(["a", "a", "b"]),
        fault=crashing(COMMITS),
    )
    def submit(self, task: str, link: int, answer: str, fault: Fault | None) -> None:
        generation = self.known(task).generation + link
        self.both(fault, "submit", task, max(0, generation), answer)

    @precondition(lambda m: m.model.tasks)
    @rule(
        task=an_answerable_task,
        command=st.sampled_from(["reissue", "expire", "cancel"]),
        fault=crashing(COMMITS),
    )
    def operate(self, task: str, command: str, fault: Fault | None) -> None:
        self.both(fault, command, task, *(["asked"] if command == "cancel" else []))

    @rule(
        what=some(lambda m: mostly(m.pausable(), m.has_pending)),
        policy=st.sampled_from(["shift", "skip", "keep"]),
        resumed_at=some(lambda m: m.resumptions()),
        again=st.sampled_from([False, False, False, True]),
        fault=crashing(COMMITS),
    )
    def pause_or_resume(
        self, what: str, policy: str, resumed_at: datetime, again: bool, fault: Fault | None
    ) -> None:
        """Pauses what runs and resumes, some time later, what is paused; or does ``again`` what is done already."""
        suffix = "_enrollment" if isinstance(self.known(what), Enrollment) else ""
        if (self.known(what).status == "paused") is again:
            self.both(fault, f"pause{suffix}", what)
        else:
            self.stand_at(resumed_at)
            self.both(fault, f"resume{suffix}", what, policy)

    # What ends many things at once comes late, or nothing would be left to try.
    @precondition(lambda m: m.asked > 25)
    @rule(
        command=st.sampled_from(["terminate", "finish", "cancel_plan"]),
        plan=a_plan,
        testee=a_testee,
        fault=crashing(COMMITS),
    )
    def end(self, command: str, plan: str, testee: str, fault: Fault | None) -> None:
        self.both(fault, command, plan, *([testee, "moved_away"] if command == "terminate" else []))

    @rule(fault=crashing(EVENTS, 2))
    def act_on_events(self, fault: Fault | None) -> None:
        _, crashed_at = self.ask(self.product.act_on_events, fault)
        if crashed_at:
            self.ask(self.product.act_on_events)
        events = self.product.published()
        for event in events:
            assert event["position"] is not None, event
            acted_on, told = (int(event["name"] in names) for names in (SUBSCRIPTION.names, TOLD))
            assert (event["effects"], event["deliveries"]) == (acted_on, told), event
        for whose in {event["partition_key"] for event in events}:
            positions = [event["position"] for event in events if event["partition_key"] == whose]
            assert positions == sorted(positions)
        self.agrees = True

    @rule(
        how=st.sampled_from(["replay", "repeat_stream", "lose_redis"]),
        which=st.integers(0, 50),
        fault=crashing(EVENTS, 2),
    )
    def redeliver(self, how: str, which: int, fault: Fault | None) -> None:
        published = [event["id"] for event in self.product.published() if event["position"] is not None]
        if how != "replay":
            self.ask(getattr(self.product, how))
        elif published:
            self.ask(lambda: self.product.replay(published[which % len(published)]))
        self.act_on_events(fault)

    @invariant()
    def the_product_is_where_the_model_is(self) -> None:
        self.agrees = False
        state, expected = self.product.state(), expected_state(self.model)
        wrong = [name for name in state | expected if state.get(name) != expected.get(name)]
        assert not wrong, [(name, state.get(name), expected.get(name)) for name in wrong]
        news, told = self.product.news(), self.model.told
        self.model.told = []
        # Within one command the order among tasks is free; across commands it is that of the commands.
        recorded, due = sorted(news, key=_order), sorted(told, key=_order)
        assert recorded == due, f"the outbox got {recorded} and not {due}"
        for whose in {each[0] for each in news}:
            names = [name for each, name, _ in news if each == whose]
            assert "EnrollmentJoined" not in names[1:]
            assert not {"EnrollmentClosed", "EnrollmentTerminated"} & set(names[:-1])
        self.agrees = True

    def teardown(self) -> None:
        # What failed is told already, and should not be told over.
        if self.agrees:
            self.act_on_events(None)

    def both(self, fault: Fault | None, command: str, *arguments: Any) -> None:
        """Product and model answer alike. Whoever was not answered asks again, as a client does.

        Only the point of the crash tells whether the first call was carried out.
        """
        answer, crashed_at = self.ask(lambda: getattr(self.product, command)(*arguments), fault)
        if crashed_at:
            if crashed_at.endswith(".after_commit"):
                self.expected(command, *arguments)
            answer, _ = self.ask(lambda: getattr(self.product, command)(*arguments))
        expected = self.expected(command, *arguments)
        assert answer == expected, f"the product answered {answer!r} and the model {expected!r}"

    def ask(
        self, command: Callable[[], Awaitable[Any]], fault: Fault | None = None
    ) -> tuple[Any, str | None]:
        self.agrees = False
        self.asked += 1
        return self.product.ask(command, fault)

    def expected(self, command: str, *arguments: Any) -> Any:
        """What the model answers."""
        try:
            return getattr(self.model, command)(*map(self.known, arguments))
        except Refused as refused:
            return refused.args[0]

    def known(self, name: Any) -> Any:
        """The model's plan, enrollment or task of that name; anything else as it is."""
        things = [*self.pausable(), *self.model.tasks]
        return next((each for each in things if each.name == name), name)

    def stand_at(self, now: datetime) -> None:
        self.model.now = now
        self.product.stand_at(now)

    def pausable(self) -> list[Plan | Enrollment]:
        return [*self.model.plans, *self.model.enrollments]

    def is_due(self, task: Task) -> bool:
        return task.status == "pending" and task.planned_at <= self.model.now

    def is_answerable(self, task: Task) -> bool:
        return task.status == "opened" and not task.overdue(self.model.now)

    def has_pending(self, thing: Plan | Enrollment) -> bool:
        return any(each.pending for each in self.model.enrollments if thing in (each, each.plan))

    def starts(self) -> list[date]:
        """Start dates worth trying: around today, and those that somebody has."""
        today = self.model.now.date()
        known = [enrollment.start for enrollment in self.model.enrollments]
        return [*(today + timedelta(days) for days in (0, -1, -3, 1, -30)), *known]

    def resumptions(self) -> list[datetime]:
        """When a pause may be over: at once, at the very moment a task is planned for, or days later."""
        now = self.model.now
        coming = sorted(
            t.planned_at for t in self.model.tasks if t.status == "pending" and t.planned_at > now
        )
        return [*coming[:1] * 2, now, now + timedelta(1), now + timedelta(5)]

    def moments(self) -> list[datetime]:
        """When something is about to change, the nearest first and foremost, and a little later."""
        now = self.model.now
        instants = (
            at for t in self.model.tasks if t.live for at in (t.planned_at, t.closes_at, t.expires_at)
        )
        coming = sorted({at for at in instants if at is not None and at > now})
        return [*coming[:1] * 4, *coming[1:4], *(now + timedelta(hours=hours) for hours in (1, 24, 72))]


def _order(told: tuple[str, str, dict[str, Any]]) -> tuple[str, str, int]:
    whose, name, facts = told
    return whose, name, facts.get("seq", 0)
