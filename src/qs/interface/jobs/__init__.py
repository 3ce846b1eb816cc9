"""The builtins of this installation, registered in one place.

To add one: a module here with a class that has ``name``, ``schedule`` and ``execute(context, payload)``, and a line in
``REGISTRATIONS``. ``needs`` names the container's provider for each service its constructor takes.
"""

from qs.application.scheduler.builtins import Registration
from qs.interface.jobs.cleanup import CleanupJob
from qs.interface.jobs.hello import HelloJob

REGISTRATIONS: tuple[Registration, ...] = (
    Registration(HelloJob),
    Registration(CleanupJob, needs={"retention": "retention"}),
)
