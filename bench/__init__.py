"""What it costs and how fast it is: one file per question; `python -m bench` asks them all.

A question is a module with `async def ask() -> Measured`. It runs in a process of its own, with fresh emulators whose
variables are in `os.environ` (unless `questions.py` says that it needs none), so no question is slowed by another's
documents, imports or heap. It checks its own result, by `answer.check`, before it gives a number.
"""
