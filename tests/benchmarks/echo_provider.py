"""A Pulumi provider that answers at once with what it was given: the engine's own time, without any cloud.

It stands in for the AWS plugin under the same name and version, so that the very same program runs against it.
"""

import asyncio
import itertools
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as rpc


class Echo(provider_pb2_grpc.ResourceProviderServicer):
    """Outputs are inputs; ids are numbers."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    async def Handshake(self, _request: Any, _context: Any) -> Any:  # noqa: N802 (the protocol's names)
        return rpc.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    async def GetPluginInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version="7.51.1")

    async def GetSchema(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return rpc.GetSchemaResponse(schema='{"name": "aws", "version": "7.51.1"}')

    async def CheckConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return rpc.CheckResponse(inputs=request.news)

    async def DiffConfig(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return rpc.DiffResponse(changes=rpc.DiffResponse.DIFF_NONE)

    async def Configure(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return rpc.ConfigureResponse(acceptSecrets=True, acceptResources=True, supportsPreview=True)

    async def Check(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return rpc.CheckResponse(inputs=request.news)

    async def Diff(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return rpc.DiffResponse(changes=rpc.DiffResponse.DIFF_NONE)

    async def Create(self, request: Any, _context: Any) -> Any:  # noqa: N802
        return rpc.CreateResponse(id=f"echo-{next(self._numbers)}", properties=request.properties)

    async def Delete(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()

    async def Cancel(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return empty_pb2.Empty()


async def main() -> None:
    server = grpc.aio.server()
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)  # noqa: T201 (the protocol)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
