"""Any job definition a document can stand for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from qs.domain.scheduler.job import JobDefinition, Target
from qs.domain.scheduler.policies import (
    Backoff,
    ChainLink,
    ChainOn,
    Misfire,
    MisfirePolicy,
    NoticeOn,
    Notify,
    Overlap,
    OverlapPolicy,
    Policies,
    Retry,
    Timeouts,
)
from qs.domain.scheduler.triggers.spec import TriggerKind, TriggerSpec

# What YAML of one version or another takes for something else than text is drawn often.
_WORDS = "on off yes no true null ~ 02:00 1:30:00 2026-03-01 0755 0x1F 1e3 1_000 = << ' { [a] *a &a !a %a @a | > 1.10 .inf -"
TRICKY = st.sampled_from([*_WORDS.split(), "- a", "a: b", "# no", '"'])
# A document is UTF-8 text without NUL.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30) | TRICKY
LINE = (
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20) | TRICKY
).filter(lambda text: text == text.strip() and text.isprintable() and text != "")
REMARKS = st.lists(LINE, max_size=3).map("\n".join)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, VALUE, max_size=4)


def lengths(low: int, high: int) -> st.SearchStrategy[timedelta]:
    return st.integers(low, high).map(lambda seconds: timedelta(seconds=seconds))


INSTANTS = st.none() | st.integers(0, 4 * 10**9).map(lambda second: datetime.fromtimestamp(second, UTC))
TRIGGERS = st.builds(
    TriggerSpec,
    type=st.sampled_from(TriggerKind),
    schedule=LINE,
    timezone=st.none() | st.just("Asia/Shanghai"),
    dialect=st.sampled_from(["standard", "quartz"]),
    jitter=lengths(0, 86400),
    start_at=INSTANTS,
    end_at=INSTANTS,
    max_runs=st.none() | st.integers(1, 2**53),
    calendar=st.none() | LINE,
    missing=st.sampled_from(["skip", "clamp"]),
    grace=st.none() | lengths(1, 86400),
)
POLICIES: Any = st.builds(
    Policies,
    misfire=st.builds(
        Misfire,
        policy=st.sampled_from(MisfirePolicy),
        grace=lengths(0, 86400),
        catchup_window=lengths(0, 86400),
        max_catchup=st.integers(1, 1000),
    ),
    overlap=st.builds(Overlap, policy=st.sampled_from(OverlapPolicy), max=st.integers(1, 1000)),
    retry=st.builds(
        Retry,
        max_attempts=st.integers(1, 100),
        backoff=st.sampled_from(Backoff),
        delay=lengths(0, 86400),
        max_delay=lengths(0, 86400),
        jitter=st.floats(0, 1),
        retry_on=st.lists(st.sampled_from(["timeout", "5xx", "503", "exit:75"]), unique=True).map(tuple),
    ),
    timeouts=st.builds(
        Timeouts,
        attempt=lengths(1, 86400),
        total=st.none() | lengths(1, 86400),
        start=st.none() | lengths(1, 86400),
    ),
    chain=st.lists(st.builds(ChainLink, st.sampled_from(ChainOn), LINE), max_size=4, unique=True).map(
        # A document keeps them by what they wait for.
        lambda links: tuple(sorted(links, key=lambda link: list(ChainOn).index(link.on)))
    ),
    notify=st.builds(
        Notify,
        webhook=st.none() | st.just("https://example.org/?a=1#b"),
        email=st.lists(st.sampled_from(["a@example.org", "b@example.org"]), unique=True).map(tuple),
        on=st.frozensets(st.sampled_from(NoticeOn)),
    ),
)
DEFINITIONS = st.builds(
    JobDefinition,
    name=LINE,
    trigger=TRIGGERS,
    target=st.builds(Target, kind=st.sampled_from(["builtin", "command", "http", "kubernetes"]), spec=OBJECT)
    | LINE.map(lambda name: Target(kind="builtin", spec={"name": name})),
    payload=OBJECT,
    enabled=st.booleans(),
    queue=st.sampled_from(["default", "no", "007", "a-b"]),
    priority=st.integers(-100, 100),
    policies=POLICIES,
    remarks=REMARKS,
)
