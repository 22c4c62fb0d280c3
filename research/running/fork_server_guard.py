"""To import this binds the process to its parent: the system ends it with the parent, whatever it is doing (on Linux).

The fork server imports it before all else. It would hear of its coordinator's end only once torch is imported.
"""  # fmt: skip

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # of prctl(2)

if sys.platform == "linux":
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended just now
        os._exit(0)
