"""The output file and the error file of one batch, written line by line while it runs.

A response below 400 goes to the output, everything else to the error file. A file that got no line never
comes into being, so its id stays unset. `publish` is called once, before the batch shows a terminal status:
a client that sees `completed` can download.
"""

import json
import secrets
from pathlib import Path
from typing import BinaryIO

from local.openai_server.answers import Answer
from local.openai_server.batches import Batch
from local.openai_server.errors import JsonObject
from local.openai_server.files import FileStore
from local.openai_server.script import EditHook, Script


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

    def __init__(self, batch: Batch, files: FileStore, script: Script) -> None:
        self._batch = batch
        self._files = files
        self._script = script
        self._output = _LineFile(files.new_path())
        self._errors = _LineFile(files.new_path())

    def write(self, custom_id: str, answer: Answer) -> None:
        """Write one answered line, as often as the answer wants it, and count it once."""
        if answer.missing:
            return
        if answer.error_code is not None and answer.status is None:
            self._batch.request_counts.failed += 1
            self._write_unanswered(custom_id, answer.error_code, answer.error_message, answer.copies)
            return
        response = {"status_code": answer.status, "request_id": secrets.token_hex(16), "body": answer.body}
        line = _line(custom_id, response, None)
        if answer.status is not None and answer.status < 400:
            self._batch.request_counts.completed += 1
            self._batch.usage.add(answer.body.get("usage") or {})
            target = self._output if answer.status else self._errors
        else:
            self._batch.request_counts.failed += 1
            target = self._errors
        for _ in range(answer.copies):
            target.write(line)

    def write_expired(self, custom_id: str) -> None:
        """A line whose time ran out; it counts as neither completed nor failed."""
        message = "This request could not be executed before the completion window expired."
        self._write_unanswered(custom_id, "batch_expired", message)

    def write_cancelled(self, custom_id: str) -> None:
        """A line that the cancellation came before."""
        message = "This request was not executed because the batch was cancelled."
        self._write_unanswered(custom_id, "batch_cancelled", message)

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

    def _write_unanswered(self, custom_id: str, code: str, message: str, copies: int = 1) -> None:
        line = _line(custom_id, None, {"code": code, "message": message})
        for _ in range(copies):
            self._errors.write(line)

    def _adopt(self, path: Path, suffix: str) -> str:
        return self._files.adopt(
            path,
            filename=f"{self._batch.id}_{suffix}.jsonl",
            purpose="batch_output",
            expires_after_seconds=self._batch.output_expires_after_seconds,
        ).id


def _line(custom_id: str, response: JsonObject | None, error: JsonObject | None) -> bytes:
    line = {
        "id": f"batch_req_{secrets.token_hex(12)}",
        "custom_id": custom_id,
        "response": response,
        "error": error,
    }
    # As the provider does it: non-ASCII text is written as it is, U+2028 included.
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass")
