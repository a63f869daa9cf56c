"""The output file and the error file of one batch, written line by line while it runs.

Which line goes to which file is the provider's `Api`; some have one file for all. A file that got no line never
comes into being, so its id stays unset. `publish` is called once, before the batch shows a terminal status:
a client that sees `completed` can download.
"""

from pathlib import Path
from typing import BinaryIO

from local.provider_server.api import Answer, Api, ResultFile
from local.provider_server.batches import Batch, Ending
from local.provider_server.files import FileStore
from local.provider_server.script import EditHook, Script


class _LineFile:
    """One of the two files; it exists from its first line on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: BinaryIO | None = None

    def write(self, line: bytes) -> None:
        if self._stream is None:
            self._stream = self.path.open("wb")
        self._stream.write(line + b"\n")

    def close(self, edit: EditHook | None, batch: Batch) -> bool:
        """Complete the file; False if no line was written, so there is no file."""
        if self._stream is not None:
            self._stream.close()
        if edit is not None:
            lines = self.path.read_bytes().split(b"\n")[:-1] if self._stream else []
            edited = edit(batch, lines)
            self.path.write_bytes(b"".join(line + b"\n" for line in edited))
            return bool(edited)
        return self._stream is not None

    def discard(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self.path.unlink(missing_ok=True)


class BatchResults:
    """Both files of a batch, and the counters that follow from what is written."""

    def __init__(self, batch: Batch, api: Api, files: FileStore, script: Script) -> None:
        self._batch = batch
        self._api = api
        self._files = files
        self._script = script
        self._output = _LineFile(files.new_path())
        self._errors = _LineFile(files.new_path())

    def write(self, custom_id: str, answer: Answer) -> None:
        """Write one answered line, as often as the answer wants it, and count it once."""
        if answer.missing:
            return
        if answer.status is not None and answer.status < 400:
            self._batch.request_counts.completed += 1
            self._api.count(self._batch, answer.body)
        else:
            self._batch.request_counts.failed += 1
        file, line = self._api.result_line(custom_id, answer)
        for _ in range(answer.copies):
            self._file(file).write(line)

    def write_left(self, custom_id: str, ending: Ending) -> None:
        """A line that the batch ended before; it counts as neither completed nor failed."""
        if ending == "expired":
            self._batch.request_counts.expired += 1
        else:
            self._batch.request_counts.cancelled += 1
        written = self._api.left_line(custom_id, ending)
        if written:
            self._file(written[0]).write(written[1])

    def publish(self) -> None:
        """Turn what was written into files of the store, and name them on the batch."""
        batch = self._batch
        if self._output.close(self._script.edit_output, batch):
            batch.output_file_id = self._adopt(self._output.path, "output")
        if self._errors.close(self._script.edit_errors, batch):
            batch.error_file_id = self._adopt(self._errors.path, "error")

    def discard(self) -> None:
        """Remove what was written by a batch that failed."""
        self._output.discard()
        self._errors.discard()

    def _file(self, name: ResultFile) -> _LineFile:
        return self._output if name == "output" else self._errors

    def _adopt(self, path: Path, suffix: str) -> str:
        return self._files.adopt(
            path,
            filename=f"{self._batch.id}_{suffix}.jsonl",
            purpose="batch_output",
            expires_after_seconds=self._batch.output_expires_after_seconds,
        ).id
