"""Who mines: this process, child processes, or a Ray cluster; all run the same function on the same jobs.

What is done is known by the files it left, so a worker that dies costs its repository's time and nothing else. On a
cluster all machines have to see the repositories and the folder of parts under the same paths.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from foretype.context.index import workers
from foretype.mining import context_pass, parts
from foretype.mining.context_pass import ContextJob
from foretype.mining.parts import Job, Part

Work = Job | ContextJob

_DIED = "the process that mined it died (of too little memory?); run again to go on"
_RETRIES = 3  # of a job whose machine was lost


class CrewError(Exception):
    """Nobody can be had to do the work. The message tells a user what to do."""


def mine(job: Work) -> Part:
    """What a job asks for."""
    return parts.mine(job) if isinstance(job, Job) else context_pass.mine(job)


def locally(jobs: Sequence[Work], count: int) -> Iterator[Part]:
    """The parts in the order in which they are done, by `count` processes; by this one if that is 1."""
    if min(count, len(jobs)) <= 1:
        yield from map(mine, jobs)
        return
    for job, part in workers.each(mine, jobs, min(count, len(jobs))):
        yield part or Part(job.source.name, problem=_DIED)


def on_ray(jobs: Sequence[Work], address: str) -> Iterator[Part]:
    """The parts in the order in which they are done, by a Ray cluster: the one at `address`, or a new one on this
    machine for "local". Raises `CrewError`."""
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError as error:
        raise CrewError("Ray is not installed: install foretype[ray], or mine without --ray") from error
    # standard output is for the summary alone, and Ray says there what its machines say
    with contextlib.redirect_stdout(sys.stderr):
        try:
            ray.init(address, log_to_driver=False, include_dashboard=False if address == "local" else None)
        except Exception as error:  # of many kinds
            raise CrewError(f"there is no Ray cluster at {address}: {error}") from error
        try:
            work = ray.remote(max_retries=_RETRIES, num_cpus=1)(mine)
            waiting = {work.remote(job): job for job in jobs}
            while waiting:
                (done, *_), _ = ray.wait(list(waiting), num_returns=1)
                job = waiting.pop(done)
                try:
                    yield ray.get(done)
                except ray.exceptions.RayError:
                    yield Part(job.source.name, problem=_DIED)
        finally:
            ray.shutdown()
