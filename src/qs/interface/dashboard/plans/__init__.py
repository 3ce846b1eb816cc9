"""Plans: their list, one of them with its testees, and what is done with it."""

from qs.interface.dashboard.plans.authoring import create_plan, edit_page, edit_plan, new_page, preview_part
from qs.interface.dashboard.plans.enrolling import enroll_many, enroll_one, enroll_page
from qs.interface.dashboard.plans.listing import plans_page
from qs.interface.dashboard.plans.showing import plan_page
from qs.interface.dashboard.plans.steering import steer_page, steer_plan

plan_pages = (
    plans_page,
    new_page,
    create_plan,
    preview_part,
    plan_page,
    edit_page,
    edit_plan,
    enroll_page,
    enroll_one,
    enroll_many,
    steer_page,
    steer_plan,
)
