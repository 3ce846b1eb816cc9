"""The people who answer and the tasks that they are asked by."""

from qs.interface.dashboard.people.deeds import do_with_task
from qs.interface.dashboard.people.links import link_page, show_link
from qs.interface.dashboard.people.tasks import task_page, tasks_page
from qs.interface.dashboard.people.testees import erase_page, erase_testee, testee_page, testees_page
from qs.interface.dashboard.people.writing import create_testee, edit_page, edit_testee, new_page

people_pages = (
    tasks_page,
    task_page,
    do_with_task,
    show_link,
    link_page,
    testees_page,
    new_page,
    create_testee,
    testee_page,
    edit_page,
    edit_testee,
    erase_page,
    erase_testee,
)
