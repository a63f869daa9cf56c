"""What gRPC says of calls of earlier tests stays out of the output of the present one."""

import asyncio

import grpc
import pytest


async def _unreachable(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary("/a.Service/Method", request_serializer=bytes, response_deserializer=bytes)
    with pytest.raises(grpc.RpcError):
        await call(b"", timeout=0.2, wait_for_ready=True)


def test_a_call_that_outlives_its_loop_is_not_heard_of(caplog: pytest.LogCaptureFixture) -> None:
    """It ends while the next loop waits for a call of its own, which hears of it and logs nothing."""
    earlier = asyncio.new_event_loop()
    channels = []

    async def begin() -> asyncio.Task[None]:
        channels.append(grpc.aio.insecure_channel("127.0.0.1:9"))
        task = asyncio.ensure_future(_unreachable(channels[0]))
        await asyncio.sleep(0.05)
        return task

    left_open = earlier.run_until_complete(begin())
    earlier.close()

    async def present() -> None:
        async with grpc.aio.insecure_channel("127.0.0.1:9") as channel:
            for _ in range(3):
                await _unreachable(channel)

    asyncio.run(present())

    assert not left_open.done()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_any_other_error_of_a_loop_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Only the one sentence is left out."""
    loop = asyncio.new_event_loop()
    loop.call_exception_handler({"message": "broken", "exception": RuntimeError("another")})
    loop.close()

    assert [record.message.splitlines()[0] for record in caplog.records] == ["broken"]
