"""A queue of heavy computations: one job at a time for all sessions of a server."""

from core.jobs.board import JobBoard
from core.jobs.job import Job, State

__all__ = ["Job", "JobBoard", "State"]
