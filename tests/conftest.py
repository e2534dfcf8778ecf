"""What no test depends on: the machine's speed (hypothesis measures no time; in CI the same examples are tried each time),
and whether the tests themselves were started in the background, where shells have SIGINT ignored.
"""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "flowplan",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
settings.load_profile("flowplan")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Why: what is ignored here is ignored in every command that a test starts, and then nothing can be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)
