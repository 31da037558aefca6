"""Outputs of the engine's SDK for tests that run no program."""

import asyncio

import pulumi


def known(text: str) -> pulumi.Output[str]:
    """An output whose value is there, made where no event loop runs: the SDK needs one for as long as it makes it."""

    async def made() -> pulumi.Output[str]:
        return pulumi.Output.from_input(text)

    return asyncio.run(made())
