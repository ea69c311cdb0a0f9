"""Connecting to a cluster, and waiting for its first worker."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from typing import Any

from skry_dask.errors import ClusterError, OptionsError
from skry_dask.graph.cluster.answers import within

log = logging.getLogger(__name__)

CONNECT_SECONDS = 8
"""How long to wait for a scheduler to answer."""

CLOSE_SECONDS = 3
"""How long to wait for a connection to be closed."""

WAIT_SECONDS = 5
"""How long to wait for the first worker, unless the user says."""


def connect(address: str) -> Any:
    """Connect to a scheduler.

    Parameters
    ----------
    address
        Such as ``tcp://10.0.0.5:8786``.

    Raises
    ------
    OptionsError
        If distributed is not installed.
    ClusterError
        If the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise OptionsError(
            f"scheduler is {address!r}, but distributed is not installed: "
            "pip install 'skry_dask[distributed]'"
        ) from error
    remedy = "start one with 'dask scheduler', or check address and port"
    try:
        with warnings.catch_warnings():
            # We compare versions ourselves.
            warnings.filterwarnings("ignore", "Mismatched versions found")
            # Its own limit does not hold where something listens and says nothing.
            return within(
                1.25 * CONNECT_SECONDS,
                lambda: Client(address, timeout=CONNECT_SECONDS, set_as_default=False),
            )
    except TimeoutError as error:
        raise ClusterError(
            f"scheduler {address!r} does not answer within {CONNECT_SECONDS} s: {remedy}"
        ) from error
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ClusterError(
            f"scheduler {address!r} cannot be reached ({reason}): {remedy}"
        ) from error
    except Exception as error:  # whatever distributed makes of an answer that it does not expect
        raise ClusterError(
            f"what answers at {address!r} is no dask scheduler that this version of distributed "
            f"understands ({type(error).__name__}): {remedy}"
        ) from error


def close(client: Any) -> None:
    """Close a connection that we made; one whose scheduler is lost is left to end by itself."""
    with contextlib.suppress(Exception):
        within(CLOSE_SECONDS, client.close)


def active_client() -> Any | None:
    """Find the client that the user has made, if any.

    Raises
    ------
    OptionsError
        If it is asynchronous.
    """
    if "distributed" not in sys.modules:
        return None
    from distributed import default_client

    try:
        client = default_client()
    except ValueError:
        return None
    if client.asynchronous:
        raise OptionsError("the active dask client is asynchronous: make one without that option")
    return client


def wait_for_workers(client: Any, seconds: float | None) -> None:
    """Wait until a cluster has a worker.

    Parameters
    ----------
    client
        Connected to the cluster.
    seconds
        How long to wait; None = `WAIT_SECONDS`.

    Raises
    ------
    ClusterError
        If none has come by then.
    """
    if within(CONNECT_SECONDS, client.nthreads):
        return
    if seconds is None:
        seconds = WAIT_SECONDS
    else:
        log.info("the cluster has no workers yet: waiting %g s for the first", seconds)
    try:
        within(seconds + CONNECT_SECONDS, lambda: client.wait_for_workers(1, timeout=seconds))
    except TimeoutError as error:
        address = client.scheduler.address
        raise ClusterError(
            f"the cluster has no workers after {seconds:g} s: start some with "
            f"'dask worker {address}', or give --wait-workers more seconds if they are on their way"
        ) from error
