"""Every file that is no set of jobs is refused with its line, the field, the value and a way out."""

from typing import Any
from uuid import UUID

import pytest
import yaml

from qs.domain.scheduler.job import JobDefinition
from qs.domain.scheduler.triggers.reading import read_trigger
from qs.infra.scheduler.files import strict_yaml
from qs.infra.scheduler.files.problems import FileProblem, JobFileInvalid
from qs.infra.scheduler.files.reading import read_job_file

JOB = "- name: a\n  type: cron\n  schedule: 0 2 * * *\n"

# content, line, field, what is shown of the value, what to do
SYNTAX: dict[str, tuple[str | bytes, int, str, str]] = {
    "a tab that indents": ("- name: a\n\ttype: cron\n", 2, "'type: cron'", "replace every tab by blanks"),
    "a tab in a list": ("jobs:\n\t- name: a\n", 2, "'- name: a'", "replace every tab by blanks"),
    "a key twice": (JOB + "  type: daily\n", 4, "'type: daily'", "line 2 and in line 4; keep one"),
    "jobs twice": ("jobs: []\n\njobs: []\n", 3, "'jobs: []'", "line 1 and in line 3; keep one"),
    "a key twice in braces": ("- {name: a, name: b}\n", 1, "'- {name: a, name: b}'", "keep one"),
    "an anchor": ("- &x\n  name: a\n", 1, "'- &x'", "write the value where it belongs"),
    "an alias": ("- name: a\n  type: *b\n", 2, "'type: *b'", "write the value where it belongs"),
    "a bomb": (
        "a: &a [x,x]\nb: &b [*a,*a]\njobs: *b\n",
        1,
        "'a: &a [x,x]'",
        "write the value where it belongs",
    ),
    "a merge key": (
        "- name: a\n  <<: {type: cron}\n",
        2,
        "'<<: {type: cron}'",
        "write the fields where they belong",
    ),
    "a tag that runs code": (
        "- !!python/object/apply:os.system ['id']\n",
        1,
        "os.system",
        "write the plain value",
    ),
    "a tag": (JOB + "  payload: !!binary aGk=\n", 4, "!!binary aGk=", "write the plain value"),
    "levels": (
        "- name: a\n  payload: " + "{a: " * 25 + "1" + "}" * 25,
        2,
        "'payload: {a:",
        "write it flatter",
    ),
    "brackets without end": ("[" * 100_000, 1, "'[[[[", "write it flatter"),
    "a quote without end": ("- name: 'a\n  type: cron\n", 1, "'- name: 'a'", "close it"),
    "a cut off value": ('jobs:\n  - {name: a, schedule: "0 2', 2, "- {name: a", "close it"),
    "a bracket without end": (
        "- {name: a, type: cron\n- {name: b}\n",
        2,
        "'- {name: b}'",
        "check the commas and brackets",
    ),
    "two colons": ("- name: a: b\n", 1, "'- name: a: b'", "quote the value"),
    "no colon": ("- name: a\n  type cron\n  schedule: x\n", 3, "'schedule: x'", "write a colon and a blank"),
    "indentation": ("jobs:\n  - name: a\n - name: b\n", 3, "'- name: b'", "align it with them"),
    "a bare star": ("- name: a\n  schedule: */5 * * * *\n", 2, "'schedule: */5 * * * *'", "quote the value"),
    "a bare alias": ("- name: a\n  schedule: @daily\n", 2, "'schedule: @daily'", "quote the value"),
    "two documents": (JOB + "---\n" + JOB, 4, "'---'", "keep one"),
    "NUL": (b"- name: a\n  remarks: x\0y\n", 2, "NUL", "take it out"),
    "a control character": ("- name: a\n  remarks: \x07\n", 2, "U+0007", "take it out"),
    "Latin-1": (b"- name: a\n- name: caf\xe9\n", 2, "0xe9", "save the file as UTF-8"),
    "UTF-16": ("- name: a\n".encode("utf-16"), 1, "0xff", "save the file as UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), 1, "0x89", "save the file as UTF-8"),
    "half a character": ('- name: "\\ud800"\n', 1, "\\ud800", "character"),
    "NUL in an escape": ('- name: a\n  remarks: "x\\0"\n', 2, "\\0", "take it out"),
    "an unknown escape": ('- name: a\n  schedule: "\\d"\n', 2, "'schedule:", "write it twice"),
    "a number without end": (JOB + "  priority: " + "9" * 60, 4, "'priority: 9999", "quote it"),
    "a list as key": ("- [a]: b\n", 1, "'- [a]: b'", "quote it"),
    "2 MiB": ("- name: " + "x" * 2 * 1024 * 1024, 1, "2097160 bytes", "make it several files"),
    "nothing": ("", 1, "", "write `jobs: []`"),
    "a comment": ("# nothing yet\n", 1, "", "write `jobs: []`"),
    "null": ("null\n", 1, "", "write `jobs: []`"),
}
SHAPES: dict[str, tuple[str, int, str, str, str]] = {
    "a word": ("hello\n", 1, "", "'hello'", "expected a list of jobs"),
    "a number": ("5\n", 1, "", "5", "expected a list of jobs"),
    "one job": ("name: a\ntype: cron\n", 1, "", '{"name": "a", "type": "cron"}', "expected a list of jobs"),
    "other keys": ("foo: bar\n", 1, "", '{"foo": "bar"}', "expected a list of jobs"),
    "jobs as text": ("jobs: nightly\n", 1, "jobs", "'nightly'", "expected a list of jobs"),
    "jobs as mapping": ("jobs:\n  a: {}\n", 1, "jobs", '{"a": {}}', "expected a list of jobs"),
    "jobs left open": ("jobs:\n", 1, "jobs", "null", "write `jobs: []`"),
    "keys beside jobs": ("jobs: []\nversion: 2\n", 2, "version", "2", "take it out"),
    "scheduler as text": ("scheduler: on\n", 1, "scheduler", "'on'", "write `jobs:` below it"),
    "scheduler.jobs as text": (
        "scheduler:\n  jobs: x\n",
        2,
        "scheduler.jobs",
        "'x'",
        "expected a list of jobs",
    ),
    "a word in the list": ("- a\n", 1, "", "'a'", "must be an object with name, type and schedule"),
    "null in the list": ("-\n", 1, "", "null", "must be an object with name, type and schedule"),
    "no schedule": ("- name: a\n  type: cron\n", 1, "schedule", "", "add it to the job"),
    "no name": ("- type: cron\n  schedule: '@daily'\n", 1, "name", "", "add it to the job"),
    "a misspelt field": (JOB + "  payloud: {}\n", 4, "payloud", "{}", "did you mean payload?"),
    "a misspelt field below": (
        JOB + "  retry: {max_attemps: 3}\n",
        4,
        "retry.max_attemps",
        "3",
        "did you mean max_attempts?",
    ),
    "a strange field": (JOB + "  zzz: 1\n", 4, "zzz", "1", "take it out"),
    "a type": ("- {name: a, type: crone, schedule: x}\n", 1, "type", "'crone'", "must be one of cron,"),
    "yes": (JOB + "  enabled: yes\n", 4, "enabled", "'yes'", "must be true or false"),
    "off": (JOB + "  enabled: off\n", 4, "enabled", "'off'", "must be true or false"),
    "an outcome": (
        JOB + "  notify:\n    on:\n      - failures\n",
        6,
        "notify.on.0",
        "'failures'",
        "must be one of success,",
    ),
    "a priority": (JOB + "  priority: high\n", 4, "priority", "'high'", "from -100 to 100"),
    "a fraction": (JOB + "  priority: 1.5\n", 4, "priority", "1.5", "from -100 to 100"),
    "hexadecimal": (JOB + "  priority: 0x10\n", 4, "priority", "'0x10'", "from -100 to 100"),
    "octal": (JOB + "  priority: 010\n", 4, "priority", "'010'", "from -100 to 100"),
    "true for a number": (
        JOB + "  retry: {max_attempts: true}\n",
        4,
        "retry.max_attempts",
        "true",
        "from 1 to 100",
    ),
    "a duration": (JOB + "  timeout: soon\n", 4, "timeout", "'soon'", "such as 30s or 1h30m"),
    "a negative duration": (JOB + "  timeout: -5s\n", 4, "timeout", "'-5s'", "such as 30s or 1h30m"),
    "a date for an instant": (
        JOB + "  start_at: 2026-01-01\n",
        4,
        "start_at",
        "'2026-01-01'",
        "such as 2026-03-01T09:00:00Z",
    ),
    "two targets": (
        JOB + "  target: {http: {}, command: y}\n",
        4,
        "target",
        '{"http": {}, "command": "y"}',
        "exactly one of",
    ),
    "a shell": (
        JOB + "  target: {shell: rm}\n",
        4,
        "target",
        '{"shell": "rm"}',
        "exactly one of builtin, http,",
    ),
    "a list as payload": (JOB + "  payload: [1]\n", 4, "payload", "[1]", "must be an object"),
    "a large payload": (
        JOB + f"  payload: {{a: {'x' * 70_000}}}\n",
        4,
        "payload",
        '{"a": "xxx',
        "at most 64 KiB",
    ),
    "a queue": (JOB + "  queue: My Queue\n", 4, "queue", "'My Queue'", "1 to 64 of a-z"),
    "an address": (
        JOB + "  notify: {email: [nobody]}\n",
        4,
        "notify.email.0",
        "'nobody'",
        "must be an e-mail address",
    ),
    "a short policy": (JOB + "  overlap: maybe\n", 4, "overlap.policy", "'maybe'", "must be one of skip,"),
    "a policy": (
        JOB + "  misfire:\n    policy: never\n",
        5,
        "misfire.policy",
        "'never'",
        "must be one of fire_once,",
    ),
    "a line in a name": (
        '- {name: "a\\nb", type: cron, schedule: "@daily"}\n',
        1,
        "name",
        "'a\\nb'",
        "must be printable",
    ),
    "a name twice": (
        JOB + "\n" + JOB,
        5,
        "name",
        "'a'",
        "the job in line 1 too; give each a name of its own",
    ),
    "the name of a duty": (
        JOB + JOB.replace("name: a", "name: sweep"),
        4,
        "name",
        "'sweep'",
        "choose another, such as my-sweep",
    ),
    "an hour": (
        "- {name: a, type: cron, schedule: 0 24 * * *}\n",
        1,
        "schedule",
        "'0 24 * * *'",
        "give a number from 0 to 23",
    ),
    "a step": (
        JOB.replace("0 2", "*/90 2").replace("*/90 2 * * *", "'*/90 2 * * *'"),
        3,
        "schedule",
        "'*/90 2",
        "use a duration job",
    ),
    "a time of day": ("- name: a\n  type: daily\n  schedule: 2:00\n", 3, "schedule", "'2:00'", "write HH:MM"),
    "a zone": (
        JOB + "  timezone: Mars/Base\n",
        4,
        "timezone",
        "'Mars/Base'",
        "use a name such as Asia/Shanghai",
    ),
}


def refused(content: str | bytes) -> tuple[FileProblem, ...]:
    with pytest.raises(JobFileInvalid) as caught:
        read_job_file(content, "jobs.yaml").definitions(check=check_schedule)
    return caught.value.found


def check_schedule(definition: JobDefinition) -> None:
    read_trigger(definition.trigger, job_id=UUID(int=0), default_timezone="UTC")


@pytest.mark.parametrize("case", SYNTAX)
def test_what_is_no_plain_yaml_is_refused_by_its_line(case: str) -> None:
    content, line, value, way_out = SYNTAX[case]

    [problem] = refused(content)

    assert problem.line == line
    assert str(problem).startswith(f"jobs.yaml:{line}: ")
    assert value in str(problem)
    assert way_out in problem.detail


@pytest.mark.parametrize("case", SHAPES)
def test_what_is_no_job_is_refused_by_line_field_and_value(case: str) -> None:
    content, line, field, value, way_out = SHAPES[case]

    problem = refused(content)[0]

    assert (problem.line, problem.field) == (line, field)
    assert value in str(problem)
    assert way_out in problem.detail


@pytest.mark.parametrize("case", [case for case in SYNTAX if case not in ("2 MiB", "half a character")])
def test_the_parser_written_in_python_refuses_the_same_lines(case: str, monkeypatch: Any) -> None:
    in_c = refused(SYNTAX[case][0])

    monkeypatch.setattr(strict_yaml, "_LOADER", yaml.SafeLoader)

    assert refused(SYNTAX[case][0]) == in_c


def test_every_problem_of_every_job_is_told_at_once() -> None:
    problems = refused(JOB + "  enabled: maybe\n  queue: A B\n- name: b\n  type: daily\n  schedule: noon\n")

    assert [(problem.line, problem.field) for problem in problems] == [
        (4, "enabled"),
        (5, "queue"),
        (8, "schedule"),
    ]


def test_the_sentence_says_that_nothing_was_taken_and_lists_the_lines() -> None:
    with pytest.raises(JobFileInvalid) as caught:
        read_job_file(JOB + "  enabled: maybe\n", "jobs.yaml").definitions()

    assert "none of them was taken" in caught.value.sentence
    assert "\n  jobs.yaml:4: enabled: 'maybe': must be true or false" in caught.value.sentence


def test_a_secret_is_never_repeated_in_a_complaint() -> None:
    header = "  payload: {password: [s3cret-value]}\n  target: {http: {url: 'https://u:s3cret-value@e.org'}, x: 1}\n"

    told = " ".join(map(str, refused(JOB + header + "  api_token: s3cret-value\n")))

    assert "api_token: ********: is not a field here" in told
    assert "s3cret-value" not in told


def test_a_line_that_holds_a_secret_is_not_repeated() -> None:
    [problem] = refused("- name: a\n  payload: {password: 's3cret}\n")

    assert problem.line == 2
    assert "s3cret" not in str(problem)


def test_more_than_ten_thousand_jobs_are_too_many() -> None:
    [problem] = refused("jobs: [" + "{}," * 10_001 + "]")

    assert "10000 are the most; make it several files" in problem.detail


def test_of_a_thousand_bad_jobs_fifty_are_told() -> None:
    with pytest.raises(JobFileInvalid) as caught:
        read_job_file("- {}\n" * 1000).definitions()

    assert len(caught.value.found) == 3000
    assert "and 2950 more" in caught.value.sentence
    assert len(caught.value.problems) == 50
