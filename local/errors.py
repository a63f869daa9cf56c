"""The one error of `local/`: its message is a sentence for the person at the keyboard.

Whatever keeps the local stack from running (no Java, a port that is taken, a function that does not import)
ends as a `StackError`, and the commands print its text alone: a traceback would bury the sentence that says
what to do.
"""


class StackError(Exception):
    """Something on this computer has to change before the stack can run; the text says what."""
