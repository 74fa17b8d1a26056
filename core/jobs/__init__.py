"""Heavy work in turn: one job at a time for all sessions of a server."""

from core.jobs.board import Job, JobBoard, State

__all__ = ["Job", "JobBoard", "State"]
