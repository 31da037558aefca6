"""Lifecycle hooks, and the ways to ask a container something that hooks and probes share."""

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from local.cluster.kube import Document
from local.cluster.process_node.context import PodContext
from local.cluster.process_node.execution import start_beside
from local.cluster.process_node.process import StartError
from local.cluster.process_node.records import Record
from local.cluster.process_node.seams import NodeError
from local.cluster.process_node.sockets import socket_in

_OUTPUT_BYTES = 10 << 10
"""A kubelet reads no more of a probe's output (``maxRespBodyLength``)."""
_GRACE_SECONDS = 30.0
_LOOPBACK = "127.0.0.1"


class HookError(NodeError):
    """The hook failed; or, of a probe, its answer was no."""


async def run(context: PodContext, record: Record, hook: Mapping[str, Any]) -> None:
    """A postStart or preStop hook.

    Raises:
        HookError: it failed.
    """
    if "sleep" in hook:
        await asyncio.sleep(hook["sleep"]["seconds"])
    elif "exec" in hook:
        await command(context, record, hook["exec"].get("command") or ())
    elif "httpGet" in hook:
        await http_get(context, record, hook["httpGet"], agent="kube-lifecycle/1.36")


def grace_of(pod: Document) -> float:
    """``terminationGracePeriodSeconds``."""
    return float(pod["spec"].get("terminationGracePeriodSeconds", _GRACE_SECONDS))


async def command(context: PodContext, record: Record, words: Sequence[str]) -> None:
    """Run ``words`` in the container; exit code 0 is success.

    Raises:
        HookError: with its output.
    """
    # A file in memory takes whatever the command writes: a pipe that nobody reads would stop it.
    output = os.memfd_create("output", os.MFD_CLOEXEC)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        process = await start_beside(context, record, words, (null, output, output))
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.kill()
            raise
        text = os.pread(output, _OUTPUT_BYTES, 0).decode(errors="replace")
    except StartError as error:
        raise HookError(str(error)) from error
    finally:
        os.close(output)
        os.close(null)
    if code:
        raise HookError(text or f"command exited with {code}")


async def tcp(context: PodContext, record: Record, action: Mapping[str, Any]) -> None:
    """Open a connection.

    Raises:
        HookError: refused, in Go's words.
    """
    host, port = _host(context, action), port_of(record, action["port"])
    _, writer = await _connect(context, host, port)
    writer.close()


async def http_get(context: PodContext, record: Record, action: Mapping[str, Any], agent: str) -> None:
    """A GET request; 200 to 399 is success, redirects are not followed.

    Raises:
        HookError: refused, or another status, in a kubelet's words.
    """
    host, port = _host(context, action), port_of(record, action["port"])
    secure = action.get("scheme") == "HTTPS"
    path = action.get("path") or "/"
    url = f"{'https' if secure else 'http'}://{host}:{port}{path}"
    try:
        reader, writer = await _connect(context, host, port, secure=secure)
    except HookError as error:
        raise HookError(f'Get "{url}": {error}') from error
    headers = {"Host": f"{host}:{port}", "User-Agent": agent, "Accept": "*/*", "Connection": "close"}
    headers |= {item["name"]: item["value"] for item in action.get("httpHeaders") or ()}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    try:
        writer.write("\r\n".join(lines).encode())
        words = (await reader.readline()).split(b" ")
    except OSError as error:
        raise HookError(f'Get "{url}": {error.strerror or error}') from error
    except ValueError as error:
        raise HookError(f'Get "{url}": malformed HTTP response: {error}') from error
    finally:
        writer.close()
    if len(words) < 2 or not words[1].strip().isdigit():  # noqa: PLR2004 - protocol and status
        raise HookError(f'Get "{url}": EOF')
    status = int(words[1])
    if not 200 <= status < 400:  # noqa: PLR2004 - kubernetes.io, probes: "greater than or equal to 200 and less than 400"
        raise HookError(f"HTTP probe failed with statuscode: {status}")


def _host(context: PodContext, action: Mapping[str, Any]) -> str:
    if action.get("host"):
        return str(action["host"])
    # The instance's address, which such a pod shows, is simulated: its server is in the machine's own network.
    return _LOOPBACK if context.pod["spec"].get("hostNetwork") else context.pod_ip


def port_of(record: Record, port: int | str) -> int:
    """A port by number or by the container's name for it.

    Raises:
        HookError: the container names no such port.
    """
    if isinstance(port, int) or str(port).isdigit():
        return int(port)
    for item in record.spec.get("ports") or ():
        if item.get("name") == port:
            return int(item["containerPort"])
    raise HookError(f"couldn't find port: {port}")


async def _connect(
    context: PodContext, host: str, port: int, *, secure: bool = False
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if context.sandbox is None:
        raise HookError("the pod has no network yet")
    attachment = context.sandbox.attachment
    try:
        # The pod's own namespace: nothing outside it leads there.
        made = await socket_in(attachment.netns if attachment else None)
    except OSError as error:
        raise HookError(f"dial tcp {host}:{port}: {error.strerror}") from error
    try:
        await asyncio.get_running_loop().sock_connect(made, (host, port))
    except OSError as error:
        made.close()
        words = "connect: connection refused" if isinstance(error, ConnectionRefusedError) else str(error.strerror)
        raise HookError(f"dial tcp {host}:{port}: {words}") from error
    except BaseException:
        made.close()
        raise
    tls = None
    if secure:
        # As a kubelet: a probe does not check the certificate.
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    try:
        return await asyncio.open_connection(sock=made, ssl=tls, server_hostname=host if secure else None)
    except OSError as error:
        raise HookError(f"dial tcp {host}:{port}: {error}") from error
