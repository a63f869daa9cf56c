"""The three calls of Firestore that every job needs, made on the client's own channel, without its wrappers.

The client library wraps each call and each message of an answer, which costs more CPU than the call. Everything else
still goes through the library. Errors are those of the library: google.api_core.exceptions.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc
from google.api_core import exceptions
from google.api_core.gapic_v1 import routing_header
from google.cloud.firestore_v1.types import firestore as messages

from nightshift.database.commits import READ

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncClient

_SERVICE = "/google.firestore.v1.Firestore"


class FirestoreCalls:
    """The calls of one client."""

    def __init__(self, client: "AsyncClient") -> None:
        channel = client._firestore_api.transport.grpc_channel
        self.database: str = client._database_string
        self._metadata = tuple(client._rpc_metadata)
        of_database = routing_header.to_grpc_metadata([("database", self.database)])
        self._of_database = (*self._metadata, of_database)
        self._commit = channel.unary_unary(
            f"{_SERVICE}/Commit", messages.CommitRequest.serialize, messages.CommitResponse.deserialize
        )
        self._get = channel.unary_stream(
            f"{_SERVICE}/BatchGetDocuments",
            messages.BatchGetDocumentsRequest.serialize,
            messages.BatchGetDocumentsResponse.deserialize,
        )
        self._query = channel.unary_stream(
            f"{_SERVICE}/RunQuery", messages.RunQueryRequest.serialize, messages.RunQueryResponse.deserialize
        )

    async def commit(self, writes: Sequence[Any], timeout_seconds: float) -> Any:
        """Send a commit once; returns the message of its last write's result. Raises GoogleAPICallError."""
        message = messages.CommitRequest.pb()(database=self.database, writes=writes)
        request = messages.CommitRequest.wrap(message)
        try:
            answer = await self._commit(request, metadata=self._of_database, timeout=timeout_seconds)
        except grpc.RpcError as error:
            raise exceptions.from_grpc_error(error) from error
        return answer._pb.write_results[-1]

    async def get(self, names: Sequence[str], field_paths: Iterable[str] | None = None) -> list[Any]:
        """The answers' messages for documents of these full names, in no order. Raises GoogleAPICallError."""
        message = messages.BatchGetDocumentsRequest.pb()(database=self.database, documents=names)
        if field_paths is not None:
            message.mask.field_paths.extend(field_paths)
        request = messages.BatchGetDocumentsRequest.wrap(message)

        async def once() -> list[Any]:
            answers = self._get(request, metadata=self._of_database, timeout=READ["timeout"])
            return [answer async for answer in _answers(answers)]

        answers: list[Any] = await READ["retry"](once)()
        return answers

    async def query(self, query: Any) -> list[Any]:
        """The answers' messages for all documents of a query. Raises GoogleAPICallError."""

        async def once() -> list[Any]:
            return [answer async for answer in self.stream(query, READ["timeout"])]

        answers: list[Any] = await READ["retry"](once)()
        return answers

    async def stream(self, query: Any, timeout_seconds: float) -> AsyncGenerator[Any, None]:
        """The same, as they come; asked once."""
        asked, _, _ = query._prep_stream()
        asked = {name: part for name, part in asked.items() if part is not None}
        request = messages.RunQueryRequest(asked)
        of_parent = routing_header.to_grpc_metadata([("parent", request.parent)])
        call = self._query(request, metadata=(*self._metadata, of_parent), timeout=timeout_seconds)
        async with aclosing(_answers(call)) as answers:
            async for answer in answers:
                if answer.document.name:
                    yield answer


async def _answers(call: Any) -> AsyncGenerator[Any, None]:
    try:
        async for answer in call:
            yield answer._pb
    except grpc.RpcError as error:
        raise exceptions.from_grpc_error(error) from error
    finally:
        call.cancel()
