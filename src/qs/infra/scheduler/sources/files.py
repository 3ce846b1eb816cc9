"""Jobs declared in files: ``scheduler.jobs`` of the settings file, and the files that ``scheduler.jobs_file`` names."""

from collections.abc import Sequence
from pathlib import Path

import structlog

from qs.application.scheduler.declaring import Desired
from qs.domain.kernel.errors import Invalid
from qs.domain.scheduler.job import JobSource
from qs.domain.scheduler.policies import Retry
from qs.infra.scheduler.files.reading import read_declared_jobs, read_job_file
from qs.infra.scheduler.files.watching import FileWatch

_log = structlog.get_logger()


class FileJobs:
    """Implements DesiredJobs for one file; a bad edit keeps the last good set and says which line is wrong."""

    source = JobSource.DECLARED

    def __init__(self, path: Path, owner: str, retry: Retry, *, settings_file: bool) -> None:
        self.owner: str | None = owner
        self._path = path
        self._retry = retry
        self._settings_file = settings_file
        self._watch = FileWatch(path)
        self._problem: str | None = None

    async def look(self) -> Sequence[Desired] | None:
        content = self._watch.look()
        if content is None:
            self._tell(self._watch.problem)
            return None
        try:
            file = (
                read_declared_jobs(content, str(self._path))
                if self._settings_file
                else read_job_file(content, str(self._path))
            )
            definitions = file.definitions(self._retry)
        except Invalid as error:
            # Its sentence names the file, and each line with what is wrong there.
            self._tell(str(error))
            return None
        self._problem = None
        return [Desired(definition) for definition in definitions]

    def poke(self) -> None:
        self._watch.poke()

    def _tell(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            _log.error("jobs_file_refused", file=str(self._path), problem=problem)
        self._problem = problem
