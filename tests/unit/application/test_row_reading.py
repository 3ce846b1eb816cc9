from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from qs.application.plan.row_reading import CsvInvalid, RowInvalid, read_csv, read_row
from qs.domain.plan.testee import Contact

TESTEE = "01890a5d-ac96-774b-bcce-b302099a8057"
BOM = b"\xef\xbb\xbf"


def problems(**fields: object) -> dict[str, str]:
    with pytest.raises(RowInvalid) as caught:
        read_row({"external_id": "p-1", "start_date": "2026-07-01"} | fields)
    assert caught.value.code == "bulk.row_invalid"
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def refused(data: bytes) -> str:
    with pytest.raises(CsvInvalid) as caught:
        read_csv(data)
    assert caught.value.code == "bulk.csv_invalid"
    return str(caught.value)


def test_a_row_says_who_and_from_when():
    row = read_row({"testee_id": TESTEE, "start_date": "2026-07-01"})

    assert (row.testee_id, row.external_id, row.start_date) == (UUID(TESTEE), None, date(2026, 7, 1))
    assert (row.new_round, row.describes_person) == (False, False)


def test_a_row_of_an_external_id_may_describe_the_person():
    row = read_row(
        {
            "external_id": "p-1",
            "start_date": "2026-07-01",
            "new_round": True,
            "name": "Anna 安娜",
            "email": "anna@example.org",
            "phone": "+86 138 0013 8000",
            "timezone": "Europe/London",
            "locale": "zh_CN",
        }
    )
    now = datetime(2026, 6, 1, tzinfo=UTC)
    testee_id, tenant_id = uuid7(), uuid7()

    testee = row.new_testee(testee_id, tenant_id, now)

    assert (row.new_round, row.describes_person) == (True, True)
    assert (testee.id, testee.tenant_id, testee.external_id, testee.created_at) == (
        testee_id,
        tenant_id,
        "p-1",
        now,
    )
    assert (testee.name, testee.timezone, testee.locale) == ("Anna 安娜", "Europe/London", "zh")
    assert testee.contacts == (Contact("email", "anna@example.org"), Contact("phone", "+86 138 0013 8000"))


def test_an_empty_field_counts_as_left_out():
    row = read_row(
        {"testee_id": "", "external_id": "p-1", "start_date": "2026-07-01", "name": "", "email": None}
    )

    assert (row.external_id, row.testee_id, row.describes_person) == ("p-1", None, False)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"testee_id": TESTEE}, "/testee_id"),
        ({"external_id": ""}, "/testee_id"),
        ({"external_id": None}, "/testee_id"),
        ({"external_id": "x" * 201}, "/external_id"),
        ({"external_id": "a\nb"}, "/external_id"),
        ({"external_id": 7}, "/external_id"),
        ({"external_id": None, "testee_id": "7"}, "/testee_id"),
        ({"external_id": None, "testee_id": "x" * 36}, "/testee_id"),
        ({"start_date": None}, "/start_date"),
        ({"start_date": "01.07.2026"}, "/start_date"),
        ({"start_date": "2026-02-30"}, "/start_date"),
        ({"start_date": "1999-12-31"}, "/start_date"),
        ({"start_date": "2100-01-01"}, "/start_date"),
        ({"start_date": 20260701}, "/start_date"),
        ({"new_round": "yes"}, "/new_round"),
        ({"new_round": 1}, "/new_round"),
        ({"new_round": [True]}, "/new_round"),
        ({"name": "a\x00b"}, "/name"),
        ({"name": " "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"email": "anna"}, "/email"),
        ({"phone": "call me"}, "/phone"),
        ({"timezone": "Mars/Olympus"}, "/timezone"),
        ({"timezone": ["UTC"]}, "/timezone"),
        ({"locale": "fr"}, "/locale"),
        ({"nickname": "Annie"}, "/nickname"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(fields, pointer):
    assert list(problems(**fields)) == [pointer]


def test_all_problems_of_a_row_are_told_at_once_and_no_value_is_repeated():
    found = problems(start_date="soon", email="secret@@example.org", timezone="Mars/Olympus", shoe_size=44)

    assert set(found) == {"/start_date", "/email", "/timezone", "/shoe_size"}
    assert "secret" not in "".join(found.values())


def test_a_csv_is_read_by_its_header_in_any_order():
    rows = read_csv(b"start_date,external_id\r\n2026-07-01,p-1\r\n2026-07-02,p-2\r\n")

    assert rows == [
        {"start_date": "2026-07-01", "external_id": "p-1"},
        {"start_date": "2026-07-02", "external_id": "p-2"},
    ]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", BOM])
def test_a_csv_may_have_a_byte_order_mark_and_the_line_ends_of_any_system(mark, newline):
    data = mark + newline.join([b"external_id,start_date", b"p-1,2026-07-01", b"p-2,2026-07-02"])

    assert [row["external_id"] for row in read_csv(data)] == ["p-1", "p-2"]


def test_a_csv_may_quote_and_pad_its_cells_and_leave_lines_and_cells_out():
    data = (
        'external_id , start_date,name\n"p-1", 2026-07-01 ,"Müller, Anna"\n\n p-2,2026-07-02\n,,\n'.encode()
    )

    assert read_csv(data) == [
        {"external_id": "p-1", "start_date": "2026-07-01", "name": "Müller, Anna"},
        {"external_id": "p-2", "start_date": "2026-07-02", "name": None},
    ]


def test_a_line_with_too_many_cells_is_a_bad_row_among_good_ones():
    rows = read_csv(b"external_id,start_date\np-1,2026-07-01,x\np-2,2026-07-02,\np-3,2026-07-03\n")

    assert [row["external_id"] for row in rows] == ["p-1", "p-2", "p-3"]
    with pytest.raises(RowInvalid) as caught:
        read_row(rows[0])
    assert [problem.pointer for problem in caught.value.problems] == ["/column_3"]
    assert read_row(rows[1]).external_id == "p-2"


def test_a_csv_of_which_only_the_first_rows_are_wanted_is_read_no_further():
    data = b"external_id,start_date\np-1,2026-07-01\np-2,2026-07-02\n" + b'"broken'

    assert [row["external_id"] for row in read_csv(data, at_most=2)] == ["p-1", "p-2"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "needs a header line"),
        (BOM, "needs a header line"),
        (b"\n", "needs a header line"),
        (b"p-1,2026-07-01\n", "needs a header line"),
        (b"external_id;start_date\np-1;2026-07-01\n", "needs a header line"),
        (b"external_id\np-1\n", "needs a header line"),
        (b"start_date\n2026-07-01\n", "needs a header line"),
        (b"External_ID,start_date\n", "needs a header line"),
        (b"external_id,start_date,shoe_size\n", "shoe_size"),
        (b"external_id,start_date,\n", "has a column ''"),
        (b"external_id,start_date,start_date\n", "names a column twice"),
        (b"external_id,start_date\np-1,\xff\n", "is not UTF-8"),
        ("external_id,start_date\n".encode("utf-16"), "is not UTF-8"),
        (b"external_id,start_date\np-\0,2026-07-01\n", "NUL"),
        (b'external_id,start_date\n"p-1,2026-07-01\n', "breaks off in line"),
        (b'external_id,start_date\n"p"x,2026-07-01\n', "breaks off in line 2"),
        (b"external_id,start_date\n" + b"x" * 140_000 + b",2026-07-01\n", "breaks off in line 2"),
    ],
)
def test_a_csv_that_cannot_be_told_apart_is_refused_as_a_whole(data, says):
    assert says in refused(data)


def test_a_refused_header_is_not_repeated_at_length():
    assert len(refused(b"external_id,start_date," + b"x" * 100_000 + b"\n")) < 300
