"""What goes wrong at URLs, in one line that names the place and a remedy."""

from __future__ import annotations

import math
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from skry_dask.errors import SkryError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""Environment variables from which the credentials of each scheme come, for messages."""


class Place(Protocol):
    """A place at a URL; as text without passwords and signatures."""

    @property
    def scheme(self) -> str:
        """Such as ``s3``."""


class ChangedError(Exception):
    """A file has another version than before."""


ASKS_MACHINE = r"169\.254\.|latest/(api/token|meta-data)|computeMetadata"
"""In errors of requests to the service that gives credentials to the machines of a cloud."""

LACKS_CREDENTIALS = "metadata|Missing|redential"
"""In errors of obstore itself."""

LOST_SECONDS = 20.0
"""Time for which a server that has not answered counts as lost."""

_lost: dict[str, float] = {}
"""When servers have not answered: by the beginnings of their URLs."""


def is_lost(place: Place) -> bool:
    """Return whether the server of a place has not answered a short time ago."""
    return time.monotonic() - _lost.get(_server(place), -math.inf) < LOST_SECONDS


def _server(place: Place) -> str:
    return "/".join(str(place).split("/")[:3])


class UnreachableError(StoreError):
    """A service does not do what it is asked for; what it holds may be sound."""


@contextmanager
def explain_errors(place: Place) -> Iterator[None]:
    """Turn errors of a service into one line that names the place and a remedy.

    The service's own text is left out: it may hold keys and signed URLs.

    Raises
    ------
    StoreError
        In place of any error of the block that is not one of ours.
    """
    try:
        yield
    except (SkryError, MemoryError):
        raise
    except ImportError as error:
        raise StoreError(
            f"{place} is a URL, which needs obstore: pip install 'skry_dask[cloud]'"
        ) from error
    except Exception as error:
        raise explained(place, error) from None
    if _lost:
        _lost.pop(_server(place), None)


def explained(place: Place, error: Exception) -> StoreError:
    """Make the error that says why a place cannot be reached, and what to do about it."""
    code, status, text = error_code(error), status_of(error), str(error)
    kind = type(error).__name__
    scheme = place.scheme.replace("s3a", "s3")
    variables = CREDENTIALS.get(scheme, "the password")
    public = " (AWS_SKIP_SIGNATURE=true for public data)" if scheme == "s3" else ""
    if kind in ("ChangedError", "PreconditionError") or status.startswith("412"):
        return StoreError(f"{place} has changed while it was read: run the command again")
    if code == "NoSuchBucket":
        reason, remedy = "the bucket does not exist", "check its name, or make it first"
    elif re.search(ASKS_MACHINE, text) or (not status and re.search(LACKS_CREDENTIALS, text)):
        reason, remedy = "no credentials are found", f"set {variables}{public}"
    elif re.search("ExpiredToken|TokenExpired", code):
        reason, remedy = "the credentials have expired", f"get new ones, and set {variables}"
        remedy += " and AWS_SESSION_TOKEN" if scheme == "s3" else ""
    elif status[:3] in ("401", "403") or re.search("Expired|Invalid(Access|Token)|Signature", code):
        about = f" ({code or status})"
        reason = f"access is refused{about}"
        remedy = f"check that the credentials are valid and suffice: {variables}{public}"
    elif isinstance(error, FileNotFoundError):
        reason, remedy = "there is no such file", "check the URL"
    elif kind == "NotSupportedError" or "range" in text.lower():
        reason = "the server sends whole files only"
        remedy = "check the address, and that the server allows reading parts of files"
    elif status:
        reason = f"the server answers {status}{f' ({code})' if code else ''}"
        remedy = "try again later"
    else:
        reason, remedy = "the server does not answer", "check the address and the connection"
        _lost[_server(place)] = time.monotonic()
    return UnreachableError(f"{place} cannot be reached: {reason}; {remedy}")


def error_code(error: Exception) -> str:
    """Return the word by which a service names an error, such as ``NoSuchBucket``."""
    found = re.search("<Code>([A-Za-z]{1,60})</Code>", str(error))
    return found[1] if found else ""


def status_of(error: Exception) -> str:
    """Return the status of an answer, such as ``503 Service Unavailable``."""
    found = re.search(r"status code: (\d{3}[A-Za-z ]{0,40})", str(error))
    return found[1].strip() if found else ""
