"""Enhancement of many recordings, in turn or in parallel; one failure does not stop the rest."""

import os
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from arrayenh.cli import terminal
from arrayenh.cli.inputs import Job
from arrayenh.cli.results import Summary
from arrayenh.processes import processes, without_interrupt

if TYPE_CHECKING:
    from arrayenh.chain.enhancer import Enhancer
    from arrayenh.chain.settings import Settings
    from arrayenh.cli.files import Progress
    from arrayenh.cli.outputs import Outputs


@dataclass(frozen=True, slots=True)
class Request:
    """Settings and options that all recordings of a batch share."""

    settings: "Settings"
    array: str | None = None
    mics: int | None = None
    channels: tuple[int, ...] | None = None
    pad: bool = False
    stages: Path | None = None
    report: Path | None = None
    rate: int | None = None
    normalise: bool = False
    overwrite: bool = False


@lru_cache(1)
def enhancer_of(settings: "Settings", array: str | None) -> "Enhancer":
    """Return the chain of a batch: built once per process, so networks are loaded once."""
    from arrayenh.chain.enhancer import Enhancer

    return Enhancer(settings, array)


def outputs_of(job: Job, request: Request) -> "Outputs":
    """Output paths of one recording of the batch."""
    from arrayenh.cli.outputs import Outputs

    return Outputs(
        job.output,
        request.stages and request.stages / job.within,
        request.report,
        request.rate,
        request.normalise,
        request.overwrite,
    )


def enhance_one(job: Job, request: Request, progress: "Progress | None" = None) -> Summary:
    """Enhance one recording of the batch."""
    from arrayenh.audio import open_recording
    from arrayenh.cli.files import enhance_file
    from arrayenh.cli.memory import give_back

    give_back()
    pad = request.pad or request.settings.sync
    source = open_recording(job.recording, request.mics, request.channels, pad)
    enhancer = enhancer_of(request.settings, request.array)
    summary = enhance_file(
        enhancer, source, outputs_of(job, request), progress or (lambda part: None)
    )
    if request.mics is not None and request.mics < source.n_channels:
        line = f"channels used: the first {request.mics} of {source.n_channels}"
        summary = replace(summary, log=(line, *summary.log))
    return summary


def attempt(job: Job, request: Request) -> Summary | str:
    """Enhance one recording of a batch; return the error message if it fails."""
    try:
        return enhance_one(job, request)
    except terminal.FAILURES as error:
        return terminal.words(error)


def batch(planned: list[Job], request: Request, jobs: int) -> Iterator[Summary | str]:
    """Enhance the recordings; yield the results in the order of the jobs."""
    if jobs == 1:
        yield from (attempt(job, request) for job in planned)
        return
    count = min(jobs, len(planned))
    threads = max(1, (os.cpu_count() or 1) // count)
    with processes(count, {"NUMBA_NUM_THREADS": str(threads)}) as pool:
        with without_interrupt():  # which the workers inherit
            futures = [pool.submit(attempt, job, request) for job in planned]
        for future in futures:
            try:
                yield future.result()
            except BrokenProcessPool:
                yield "its process was killed: not enough memory? Try fewer --jobs"
