"""The plan context over HTTP: plans, enrollments, tasks, testees, scales, duties, entries."""

from qs.interface.rest.plan.bulk import enroll_many
from qs.interface.rest.plan.duties import DutyAliasController, DutyController
from qs.interface.rest.plan.enrollments import EnrollmentController, PlanEnrollmentController
from qs.interface.rest.plan.entries import EntryController
from qs.interface.rest.plan.entry_page import entry_page
from qs.interface.rest.plan.plans import PlanController
from qs.interface.rest.plan.scales import ScaleController
from qs.interface.rest.plan.tasks import TaskController
from qs.interface.rest.plan.testees import TesteeController
from qs.interface.rest.plan.unsubscribe_page import unsubscribe, unsubscribe_page

route_handlers = (
    PlanController,
    PlanEnrollmentController,
    enroll_many,
    EnrollmentController,
    TaskController,
    DutyController,
    DutyAliasController,
    TesteeController,
    ScaleController,
    EntryController,
)
root_route_handlers = (entry_page, unsubscribe_page, unsubscribe)
