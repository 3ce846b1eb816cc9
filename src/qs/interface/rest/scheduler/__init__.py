"""The scheduler over HTTP: duties, jobs and their executions, the machinery, and the interfaces of those who came before."""

from qs.interface.rest.scheduler.calendars import CalendarController
from qs.interface.rest.scheduler.ecron import ecron_router
from qs.interface.rest.scheduler.executions import ExecutionController
from qs.interface.rest.scheduler.job_switches import JobSwitchController
from qs.interface.rest.scheduler.jobs import JobController
from qs.interface.rest.scheduler.nodes import NodeController
from qs.interface.rest.scheduler.previews import preview
from qs.interface.rest.scheduler.retention import retention
from qs.interface.rest.scheduler.runs import JobRunController
from qs.interface.rest.scheduler.secrets import SecretController
from qs.interface.rest.scheduler.sets import JobSetController
from qs.interface.rest.scheduler.switch import SwitchController

route_handlers = (
    JobController,
    JobSwitchController,
    JobSetController,
    JobRunController,
    ExecutionController,
    preview,
    CalendarController,
    SecretController,
    NodeController,
    SwitchController,
    retention,
)
root_route_handlers = (ecron_router,)
