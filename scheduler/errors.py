"""The errors of `scheduler/`: the message is a sentence for the person at the keyboard."""

from nightshift.errors import NightshiftError


class SchedulerError(NightshiftError):
    """Something keeps the command from its work; the text says what, and what to do."""


class NoSuchSchedule(SchedulerError):
    """We have no schedule of that name."""
