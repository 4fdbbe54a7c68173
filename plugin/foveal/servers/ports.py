"""Free ports on this machine, and a clear word about those that are not."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from foveal.errors import EnvironmentFault

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Give a port on the loopback address that nobody uses at this moment."""
    return free_ports(1)[0]


def free_ports(count: int) -> tuple[int, ...]:
    """Give several different free ports on the loopback address."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in range(count)
        ]
        for each in sockets:  # all are held until all are known, or the same one would be given twice
            each.bind((LOOPBACK, 0))
        return tuple(each.getsockname()[1] for each in sockets)


def require_free(port: int, purpose: str) -> int:
    """Insist on a port that can be listened on, and give it back.

    Parameters
    ----------
    port
        The port, 1 to 65535.
    purpose
        The option that chose it, such as ``--inference-port``, for the message.

    Raises
    ------
    EnvironmentFault
        When another program listens there, or this user may not.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no port has that number"
            raise EnvironmentFault(
                f"Port {port} cannot be used ({reason})",
                f"Stop what listens there, or give another {purpose}; leave it out for any free one",
            ) from error
    return port
