"""What a run answers, as bounded and storable JSON: a result, or an error made of text alone.

Whatever a job returns or raises must end as something a database takes: nothing here may fail on account of
it.
"""

from __future__ import annotations

import json
import traceback
from typing import Any

LARGEST_RESULT = 64 * 1024
LARGEST_MESSAGE = 8 * 1024
LARGEST_TRACEBACK = 32 * 1024

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def success(value: Any) -> bytes:
    """A result and the notes on it. One that cannot be kept is dropped with a note: the job did succeed."""
    if value is None:
        return b"[null,[]]"
    try:
        text = _encode(value)
    except BaseException as error:  # noqa: BLE001 - the value is the job's, and may do anything when looked at
        return _dropped(f"the result cannot be stored as JSON: {_said(error)}")
    if len(text) > LARGEST_RESULT:
        return _dropped(f"the result was dropped: {len(text)} bytes of JSON, and {LARGEST_RESULT} are kept")
    return b"[" + text.encode() + b",[]]"


def _dropped(note: str) -> bytes:
    return _encode([None, [cut(note, LARGEST_MESSAGE)]]).encode()


def failure(error: BaseException) -> bytes:
    """An error as type, message and traceback."""
    described = [
        cut(_type_name(error), 200),
        cut(_said(error), LARGEST_MESSAGE),
        cut(_trace(error), LARGEST_TRACEBACK),
    ]
    return _encode([described, []]).encode()


def _type_name(error: BaseException) -> str:
    kind = type(error)
    try:
        if kind.__module__ in ("builtins", "__main__"):
            return str(kind.__qualname__)
        return f"{kind.__module__}.{kind.__qualname__}"
    except Exception:  # noqa: BLE001 - the class is the job's
        return "unnamed error"


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - __str__ is the job's, and may even exit
        return f"<the message of this {_type_name(error)} cannot be read>"


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, _past_our_own(error)))
    except BaseException:  # noqa: BLE001 - formatting calls the job's code
        return ""


def _past_our_own(error: BaseException) -> Any:
    """The traceback from the job's first frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("matins.execution."):
        trace = trace.tb_next
    return trace or error.__traceback__


def cut(text: str, size: int) -> str:
    """Head and tail of a text, with a mark between where it was cut; cleaned."""
    if len(text) > size:
        half = size // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters cut …\n{text[-half:]}"
    return clean(text)


def clean(text: str) -> str:
    """A text every database takes."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
