"""The operator's commands, one a file, each a `COMMAND`; run from a checkout, never by a deployed function.

A further command is one more file here and one more line in `nightshift/__main__.py`. It says what it found through
`telling.Printer`, asks through `confirmation.confirm` before it changes anything, and raises what goes wrong: `running`
makes of that one sentence and an exit code.
"""
