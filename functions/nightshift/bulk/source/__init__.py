"""Where the rows of a bulk job come from: a CSV or JSONL file, or a list in the document.

`reader.py` is the way in. A stream of bytes becomes rows. Memory holds one chunk and one row, whatever the file's
size. After each row the reader has a checkpoint, from which another process reads on at the byte.
"""
