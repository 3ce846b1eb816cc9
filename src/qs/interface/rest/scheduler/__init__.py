"""The duties and their executions, over HTTP."""

from qs.interface.rest.scheduler.controller import SchedulerController

route_handlers = (SchedulerController,)
