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
    import httpcore
    import httpx
finally:
    if _is_first:
        del sys.modules[_COMMAND_LINE]
# Why: it takes an answer in pieces of 64 kB, each of them through four libraries. A page of a hundred tasks with their
# scripts is 0.9 MB, and costs two thirds in pieces as large as asyncio reads them.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 256 * 1024

__all__ = ["httpx"]
