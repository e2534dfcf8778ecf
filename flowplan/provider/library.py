"""The HTTP library, for modules that are imported only when a request is about to be made.

It comes without its command line: where rich is installed, httpx would import it and pygments for a command that
flowplan has no use for, which takes as long as all the rest of it.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

_COMMAND_LINE = "httpx._main"
_is_first = "httpx" not in sys.modules
if _is_first:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment] # how the import system spells "there is none"
# Why: httpcore asks for it anew with each request to learn that there is none, which costs as much as the request.
if "sniffio" not in sys.modules and find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]
try:
    import httpx
finally:
    if _is_first:
        del sys.modules[_COMMAND_LINE]

__all__ = ["httpx"]
