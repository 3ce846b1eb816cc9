"""What `qs plan` takes for misuse and refuses in a plan's file, before it asks any server."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qs.interface.cli.main import root
from qs.interface.cli.plan_file import read_plan, read_schedule

VERBS = (("create",), ("preview", "--start", "2027-01-01"))
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        file = tmp_path / "plan.yaml"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def plan(*arguments: object) -> Result:
    return CliRunner().invoke(root, ("plan", *map(str, arguments)))


def test_a_field_that_no_plan_has_is_refused_by_name(write: Write) -> None:
    file = write("name: a\nfoo: 1\nstatus: paused\ncatchup_days: 3\n")

    for verb in VERBS:
        done = plan(*verb, "-f", file)

        assert (done.exit_code, done.stdout) == (1, "")
        for name in ("foo", "status", "catchup_days"):
            assert f"/{name}: is not a field here" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name: a\ninterval: 1\nname: b\n", "line 3: the key 'name' stands twice"),
        ('{"name": "a", "name": "b"}', "the key 'name' stands twice"),
        ('1: a\n"1": b\n', "the key '1' stands twice"),
        ("[" * 5_000, "nested too deeply"),
        ("fixed_dates: " + "[" * 5_000, "nested too deeply"),
        ("interval: " + "9" * 5_000, "integer"),
        ("relative_days: &days [1]\nrelative_weeks: *days\n", "line 2: aliases are not read"),
        ("fixed_dates: [!!timestamp 2027-02-30]", "tags are not read"),
        ("interval: !!bool maybe", "tags are not read"),
        ("? [name]\n: a\n", "a key must be a word"),
        ('name: "a\\0b"', "must not contain NUL"),
        ('name: "\\ud800"', "lone surrogate"),
        ("name: a: b", "line 1"),
        (b"name: \xff", "utf-8"),
        ("- name\n", "holds no fields"),
        ("", "holds no fields"),
        ("trigger_time: 19:00", "must be quoted"),
    ],
)
def test_a_file_that_cannot_be_meant_is_misuse_and_no_traceback(
    write: Write, content: str | bytes, said: str
) -> None:
    file = write(content)

    for verb in VERBS:
        done = plan(*verb, "-f", file)

        assert (done.exit_code, done.stdout) == (2, "")
        assert said in done.stderr
        assert len(done.stderr) < 400


def test_dates_stay_text_quoted_or_not_so_that_the_plan_judges_them(write: Write) -> None:
    file = write('fixed_dates: [2027-02-30, 2027-03-01, "2027-04-01"]\ntrigger_time: 09:00\n')

    assert read_plan(file) == {
        "fixed_dates": ["2027-02-30", "2027-03-01", "2027-04-01"],
        "trigger_time": "09:00",
    }


def test_reminders_are_written_as_they_are_in_the_api(write: Write) -> None:
    file = write("name: a\nreminders:\n  - after: 2d\n  - before_expiry: 24h\n")

    assert read_plan(file) == {"name": "a", "reminders": [{"after": "2d"}, {"before_expiry": "24h"}]}


def test_a_preview_takes_of_a_plan_what_says_when(write: Write) -> None:
    file = write(
        "name: a\nscale_code: PHQ-9\nreminders: []\nschedule_type: by_day\ninterval: 2\ndue_days: 3\n"
    )

    assert read_schedule(file) == {"schedule_type": "by_day", "interval": 2, "due_days": 3}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--status", "bogus"), ("active", "paused", "finished", "canceled")),
        (("preview", "-f", "plan.yaml", "--start", "nope"), ("--start", "YYYY-MM-DD")),
        (("preview", "-f", "plan.yaml", "--start", "2027-02-30"), ("--start", "YYYY-MM-DD")),
        (
            ("enroll", "01980000-0000-7000-8000-000000000000", "ext:P-1", "--start", "nope"),
            ("--start", "YYYY-MM-DD"),
        ),
        (("show", "nonsense"), ("qs plan list",)),
    ],
)
def test_a_value_that_no_option_takes_is_misuse_and_told_what_is_expected(
    write: Write, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: tuple[str, ...]
) -> None:
    monkeypatch.chdir(write("name: a\n").parent)

    done = plan(*arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert all(word in done.stderr for word in said), done.stderr
