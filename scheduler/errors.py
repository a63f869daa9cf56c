"""The one error of `scheduler/`: its message is a sentence for the person at the keyboard."""


class SchedulerError(Exception):
    """Something keeps the command from its work; the text says what, and what to do."""
