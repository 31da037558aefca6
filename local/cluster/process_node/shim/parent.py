"""A child that ends with its shim, also when the shim dies before the child has asked the kernel for that."""

import os
import select
import signal
from dataclasses import dataclass

from local.cluster.process_node import syscalls


@dataclass(frozen=True)
class Parent:
    """A shim as its children see it; asking for the parent's pid does not help in a PID namespace of their own."""

    descriptor: int
    """A pidfd of the shim, closed when a program is executed."""

    @classmethod
    def of_children(cls) -> "Parent":
        """This process, to be told to its children before they are made."""
        return cls(os.pidfd_open(os.getpid()))

    def follow(self) -> None:
        """Called by the child: have the kernel end it with its parent, which must still live.

        The kernel forgets it at every change of user: to be called again after the last one.

        Raises:
            OSError: the parent has ended already.
        """
        syscalls.die_with_parent(signal.SIGKILL)
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        if poll.poll(0):
            raise OSError("the shim has ended")
