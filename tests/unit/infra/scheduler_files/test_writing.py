"""A job file that is written says, when it is read again, exactly what was written."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qs.domain.scheduler.job import JobDefinition, Target
from qs.domain.scheduler.policies import Misfire, MisfirePolicy, Policies, Retry
from qs.domain.scheduler.triggers.spec import TriggerKind, TriggerSpec
from qs.infra.scheduler.files import strict_yaml
from qs.infra.scheduler.files.reading import read_job_file
from qs.infra.scheduler.files.writing import write_job_file
from tests.unit.infra.scheduler_files.definitions import DEFINITIONS


@settings(max_examples=30, deadline=None)
@given(st.lists(DEFINITIONS, max_size=3, unique_by=lambda definition: definition.name))
def test_reading_what_was_written_gives_equal_definitions(definitions: list[JobDefinition]) -> None:
    written = write_job_file(definitions)

    assert read_job_file(written).definitions() == sorted(definitions, key=lambda each: each.name)


@settings(max_examples=5, deadline=None)
@given(DEFINITIONS)
def test_the_parser_written_in_python_reads_the_same(definition: JobDefinition) -> None:
    written = write_job_file([definition])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_yaml, "_LOADER", yaml.SafeLoader)
        read = read_job_file(written).definitions()

    assert read == [definition]


def job(name: str, **fields: Any) -> JobDefinition:
    return JobDefinition(
        name=name,
        trigger=TriggerSpec(type=TriggerKind.DAILY, schedule="02:00"),
        target=fields.pop("target", Target(kind="builtin", spec={"name": name})),
        **fields,
    )


def test_what_holds_anyway_is_left_out_and_names_give_the_order() -> None:
    tidy = Target(kind="command", spec={"name": "tidy-uploads"})
    skip = Policies(misfire=Misfire(policy=MisfirePolicy.SKIP), retry=Retry(max_attempts=1))

    assert write_job_file([job("b", target=tidy, policies=skip, remarks="one\ntwo"), job("a")]) == (
        "jobs:\n"
        "  - name: a\n"
        "    type: daily\n"
        '    schedule: "02:00"\n'
        "  - name: b\n"
        "    type: daily\n"
        '    schedule: "02:00"\n'
        "    target:\n"
        "      command: tidy-uploads\n"
        "    misfire: skip\n"
        "    retry:\n"
        "      max_attempts: 1\n"
        "    remarks: |-\n"
        "      one\n"
        "      two\n"
    )


def test_what_the_settings_say_is_left_out_and_what_they_do_not_say_is_written() -> None:
    five = job("a", policies=Policies(retry=Retry(max_attempts=5)))

    written = write_job_file([five, job("b")], Retry(max_attempts=5))

    assert "max_attempts: 5" not in written
    assert "max_attempts: 3" in written
    assert read_job_file(written).definitions(Retry(max_attempts=5)) == [five, job("b")]


def test_no_jobs_are_a_file_that_says_so() -> None:
    assert read_job_file(write_job_file([])).jobs == ()
