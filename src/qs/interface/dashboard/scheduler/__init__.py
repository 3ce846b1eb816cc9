"""The scheduler: jobs and duties, what they did, queues and processes, and whether the clock fires at all."""

from qs.interface.dashboard.scheduler.deeds import delete_job, delete_page, do_with_job
from qs.interface.dashboard.scheduler.executions import (
    do_with_execution,
    execution_page,
    executions_page,
)
from qs.interface.dashboard.scheduler.jobs import job_page, jobs_page
from qs.interface.dashboard.scheduler.machinery import (
    drain_node,
    nodes_page,
    queues_page,
    switch_clock,
    switch_page,
)
from qs.interface.dashboard.scheduler.writing import create_job, edit_job, edit_page, new_page, trigger_part

scheduler_pages = (
    jobs_page,
    new_page,
    create_job,
    trigger_part,
    executions_page,
    execution_page,
    do_with_execution,
    queues_page,
    nodes_page,
    drain_node,
    switch_page,
    switch_clock,
    job_page,
    edit_page,
    edit_job,
    delete_page,
    delete_job,
    do_with_job,
)
