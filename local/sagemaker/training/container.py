"""What stands for a training job's container: `python -m local.sagemaker.training.container NETWORK SCRIPT`.

It runs the script as AWS's container for PyTorch does, with the arguments that the hyperparameters are, and
ends as soon as the embedded stack is gone. Isolated, it lets Python reach no network. The packages are those
of this interpreter: where a requirements.txt lies beside the script, what it names has to be installed.
https://github.com/aws/sagemaker-training-toolkit
"""

from __future__ import annotations

import errno
import os
import runpy
import socket
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from local.engine import children

ISOLATED, CONNECTED = "isolated", "connected"
"""Whether the container reaches a network: EnableNetworkIsolation of its job."""
_CALLS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
"""https://docs.python.org/3/library/audit_events.html"""


def isolate() -> None:
    """Let this process reach nothing by a network, this machine's own servers neither, until it ends.

    It keeps code that needs a network from working here and failing in AWS. What would escape Python on
    purpose is not kept in.
    """
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    is_call = event in _CALLS and arguments[0].family in (socket.AF_INET, socket.AF_INET6)
    if is_call or event in _LOOKUPS:
        raise OSError(errno.ENETUNREACH, f"{os.strerror(errno.ENETUNREACH)}: the job's network is isolated")


def missing(requirements: Path) -> list[str]:
    """What a requirements.txt names and this interpreter does not have."""
    if not requirements.exists():
        return []
    text = requirements.read_text().replace("\\\n", " ")
    named = (line.partition("#")[0].partition("--hash")[0].strip() for line in text.splitlines())
    return [line for line in named if line and not line.startswith("-") and not _is_installed(line)]


def _is_installed(text: str) -> bool:
    requirement = Requirement(text)
    if requirement.marker and not requirement.marker.evaluate():
        return True
    try:
        return metadata.version(requirement.name) in requirement.specifier
    except metadata.PackageNotFoundError:
        return False


def main(network: str, script: Path, arguments: list[str]) -> None:
    """Run the script in the place of this module."""
    children.end_with_parent()
    if network == ISOLATED:
        isolate()
    os.nice(5)
    if lacking := missing(script.parent / "requirements.txt"):
        raise SystemExit(f"pip would have to install {', '.join(lacking)}, which the embedded stack does not")
    sys.argv = [str(script), *arguments]
    # The job's own packages, before those of the folder that this process was started in.
    sys.path[:] = [str(script.parent), *(path for path in sys.path if path not in ("", os.getcwd()))]  # noqa: PTH109
    for name in [name for name in sys.modules if name.partition(".")[0] in ("learning", "portable")]:
        del sys.modules[name]
    os.chdir(script.parent)
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
