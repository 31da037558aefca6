"""``exec`` and ``attach``: a process's streams passed to and from a client."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from http import HTTPStatus

from local.cluster.process_node.kubelet_api.channels import ChannelSocket, Stream, upgrade
from local.cluster.process_node.kubelet_api.exchange import Channel, Request, RequestError
from local.cluster.process_node.kubelet_api.logs import Entry
from local.cluster.process_node.kubelet_api.terminals import Input, StandardStreams, Wanted
from local.cluster.process_node.seams import ExecProcess, NodeError, PodStore

_CHUNK = 1 << 15
_DRAIN_SECONDS = 2.0
"""How long a silence is waited out after the process's end: a child of it may hold its output open for ever."""


def wanted_of(request: Request) -> Wanted:
    """The streams of a request; the API server's names for them are ``input``, ``output`` and ``error``.

    Raises:
        RequestError: none is asked for, or standard error beside a terminal.
    """
    tty = request.flag("tty")
    wanted = Wanted(
        stdin=request.flag("input"),
        stdout=request.flag("output"),
        # A terminal has one output.
        stderr=request.flag("error") and not tty,
        tty=tty,
    )
    if not (wanted.stdin or wanted.stdout or wanted.stderr):
        raise RequestError(HTTPStatus.BAD_REQUEST, "you must specify at least 1 of stdin, stdout, stderr")
    return wanted


async def serve_exec(request: Request, channel: Channel, store: PodStore, where: tuple[str, str, str]) -> None:
    """Run the request's command in the container ``where`` (namespace, pod, container).

    Raises:
        RequestError: the request is wrong; once the streams are open, errors go there.
    """
    command = list(request.query.get("command", ()))
    if not command:
        raise RequestError(HTTPStatus.BAD_REQUEST, "you must specify at least one command")
    wanted = wanted_of(request)
    client = await upgrade(request, channel)
    # An empty message tells the client that the streams are open, as a kubelet does.
    await client.send(Stream.STDOUT if wanted.stdout else Stream.STDERR if wanted.stderr else Stream.ERROR, b"")
    streams = StandardStreams.open(wanted)
    with contextlib.ExitStack() as closing:
        closing.callback(streams.close)
        readers = {number: await streams.reader(number) for number in streams.reads}
        stdin = await streams.writer()
        closing.callback(stdin.close)
        try:
            stdio = streams.stdin, streams.stdout, streams.stderr
            process = await store.start_exec(*where, command, stdio, tty=wanted.tty)
        except (NodeError, OSError) as error:
            message = f"error executing command in container: {error}"
            await _report(client, {"status": "Failure", "reason": "InternalError", "message": message, "code": 500})
            return
        finally:
            streams.given_away()
        await _run(client, process, streams, readers, stdin)


async def serve_attach(request: Request, channel: Channel, entries: AsyncIterator[Entry]) -> None:
    """Pass on what the container writes from now on; nobody can write to a container here.

    Raises:
        RequestError: the request asks for standard input.
    """
    wanted = wanted_of(request)
    if wanted.stdin:
        raise RequestError(HTTPStatus.BAD_REQUEST, "containers of this node read no standard input: attach without it")
    client = await upgrade(request, channel)
    await client.send(Stream.STDOUT if wanted.stdout else Stream.STDERR, b"")

    async def pass_on() -> None:
        async for entry in entries:
            number = Stream.STDOUT if entry.stream == "stdout" else Stream.STDERR
            if wanted.tty or (wanted.stdout, wanted.stderr)[number - 1]:
                await client.send(Stream.STDOUT if wanted.tty else number, entry.text)

    await _first(asyncio.create_task(pass_on()), asyncio.create_task(_until_gone(client)))
    await _report(client, {"status": "Success"})


async def _run(
    client: ChannelSocket,
    process: ExecProcess,
    streams: StandardStreams,
    readers: dict[int, asyncio.StreamReader],
    stdin: Input,
) -> None:
    passed = [0]
    outputs = {asyncio.create_task(_output(reader, client, number, passed)) for number, reader in readers.items()}
    inputs = asyncio.create_task(_inputs(client, streams, stdin))
    ended = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({inputs, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            # The client has gone, and nobody else would ever end what it started.
            process.kill()
            await ended
            return
        await _drained(outputs, passed)
        await _report(client, exit_status(ended.result()))
    finally:
        for task in (inputs, ended, *outputs):
            task.cancel()
        await asyncio.gather(inputs, ended, *outputs, return_exceptions=True)


async def _drained(outputs: set[asyncio.Task[None]], passed: list[int]) -> None:
    """Until all output is passed on, however slowly the client takes it."""
    before = -1
    while outputs and passed[0] != before:
        before = passed[0]
        _, outputs = await asyncio.wait(outputs, timeout=_DRAIN_SECONDS)


async def _output(reader: asyncio.StreamReader, client: ChannelSocket, stream: int, passed: list[int]) -> None:
    """Pass one stream on to its end, counting pieces."""
    # A terminal whose last user has closed it answers with EIO, which is its end of file.
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            await client.send(stream, data)
            passed[0] += 1


async def _inputs(client: ChannelSocket, streams: StandardStreams, stdin: Input) -> None:
    """Until the client has gone."""
    with contextlib.suppress(OSError):
        while (message := await client.receive()) is not None:
            if message.stream == Stream.STDIN and message.ends:
                await stdin.end()
            elif message.stream == Stream.STDIN:
                await stdin.write(message.data)
            elif message.stream == Stream.RESIZE:
                streams.resize(message.data)


async def _until_gone(client: ChannelSocket) -> None:
    with contextlib.suppress(OSError):
        while await client.receive() is not None:
            pass


async def _first(*tasks: asyncio.Task[None]) -> None:
    _, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def exit_status(code: int) -> dict[str, object]:
    """The ``Status`` (meta/v1) with which clients learn an exit code."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


async def _report(client: ChannelSocket, status: dict[str, object]) -> None:
    if client.reports_status:
        await client.send(Stream.ERROR, json.dumps(status).encode())
    elif status["status"] != "Success":
        await client.send(Stream.ERROR, str(status["message"]).encode())
    await client.close()
