import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SchedulePendingTasksRequest(_message.Message):
    __slots__ = ("before", "limit")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    before: str
    limit: int
    def __init__(self, before: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ExpireOverdueTasksRequest(_message.Message):
    __slots__ = ("before", "limit")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    before: str
    limit: int
    def __init__(self, before: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ExpireTaskRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class SweepReport(_message.Message):
    __slots__ = ("execution_id", "status", "before", "opened", "expired", "missed", "failed", "remaining", "duration_ms", "tasks", "total_count", "page", "page_size", "errors")
    EXECUTION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    execution_id: str
    status: str
    before: _timestamp_pb2.Timestamp
    opened: int
    expired: int
    missed: int
    failed: int
    remaining: int
    duration_ms: int
    tasks: _containers.RepeatedCompositeFieldContainer[MovedTask]
    total_count: int
    page: int
    page_size: int
    errors: _containers.RepeatedCompositeFieldContainer[FailedTask]
    def __init__(self, execution_id: _Optional[str] = ..., status: _Optional[str] = ..., before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., opened: _Optional[int] = ..., expired: _Optional[int] = ..., missed: _Optional[int] = ..., failed: _Optional[int] = ..., remaining: _Optional[int] = ..., duration_ms: _Optional[int] = ..., tasks: _Optional[_Iterable[_Union[MovedTask, _Mapping]]] = ..., total_count: _Optional[int] = ..., page: _Optional[int] = ..., page_size: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[FailedTask, _Mapping]]] = ...) -> None: ...

class MovedTask(_message.Message):
    __slots__ = ("id", "plan_id", "seq", "status")
    ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    id: str
    plan_id: str
    seq: int
    status: str
    def __init__(self, id: _Optional[str] = ..., plan_id: _Optional[str] = ..., seq: _Optional[int] = ..., status: _Optional[str] = ...) -> None: ...

class FailedTask(_message.Message):
    __slots__ = ("task_id", "error", "detail")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    error: str
    detail: str
    def __init__(self, task_id: _Optional[str] = ..., error: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Task(_message.Message):
    __slots__ = ("id", "tenant_id", "plan_id", "enrollment_id", "testee_id", "scale_code", "seq", "planned_at", "timezone", "due_at", "opened_at", "expires_at", "completed_at", "expired_at", "canceled_at", "status", "reason", "note", "pinned", "assessment_id", "schedule_revision", "version")
    ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    ENROLLMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TESTEE_ID_FIELD_NUMBER: _ClassVar[int]
    SCALE_CODE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    PLANNED_AT_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_AT_FIELD_NUMBER: _ClassVar[int]
    CANCELED_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    ASSESSMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_REVISION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    tenant_id: str
    plan_id: str
    enrollment_id: str
    testee_id: str
    scale_code: str
    seq: int
    planned_at: _timestamp_pb2.Timestamp
    timezone: str
    due_at: _timestamp_pb2.Timestamp
    opened_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    completed_at: _timestamp_pb2.Timestamp
    expired_at: _timestamp_pb2.Timestamp
    canceled_at: _timestamp_pb2.Timestamp
    status: str
    reason: str
    note: str
    pinned: bool
    assessment_id: str
    schedule_revision: int
    version: int
    def __init__(self, id: _Optional[str] = ..., tenant_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., enrollment_id: _Optional[str] = ..., testee_id: _Optional[str] = ..., scale_code: _Optional[str] = ..., seq: _Optional[int] = ..., planned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., timezone: _Optional[str] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., completed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expired_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., canceled_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[str] = ..., reason: _Optional[str] = ..., note: _Optional[str] = ..., pinned: _Optional[bool] = ..., assessment_id: _Optional[str] = ..., schedule_revision: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...
