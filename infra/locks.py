"""Writes the locks, `python -m infra.locks`: every package that is installed, with the hashes of its files.

The inputs, requirements.in and its like, name what is used; uv adds all that those need, for every system and
every Python that the project runs on. Versions stay as they are locked but for those that an input changes;
`--upgrade` takes the newest ones.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
FUNCTIONS = "lambdas/"
LOCKS = {
    "lambdas/requirements.txt": "lambdas/requirements.in",
    "lambdas/requirements-video.txt": "lambdas/requirements-video.in",
    "requirements.txt": "requirements.in",
    "requirements-dev.txt": "requirements-dev.in",
}
"""Each lock with its input, in this order: a lock leaves out what one before it has. Those of functions are
installed for themselves, the others with all that stand before them."""
ASSET_LOCKS = {
    "serving/requirements.txt": "serving/requirements.in",
    "training_job/requirements.txt": "training_job/requirements.in",
}
"""Of assets that have nothing else in them, the serving function's and training jobs' source: each whole by
itself, but for what CONTAINER has."""
CONTAINER = {"training_job/requirements.txt": {"numpy"}}
"""Packages that are there where an asset is used, and go with others that are."""
TORCH_LOCK = "requirements-torch.txt"
"""PyTorch as PyPI has it, on Linux with what it needs of graphics cards."""
TORCH = re.compile(r"torch|triton|(cuda|nvidia)-.*")
CPU_LOCK = "requirements-torch-cpu.txt"
"""PyTorch's builds for processors, a tenth of the size, which are not on PyPI: installed where pip is offered
one whose hash is here; elsewhere what PyPI has is."""
CPU_HASHES = {
    "cp311, Linux on x86_64": "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
}
"""Of the version that requirements.in names; `pip hash` tells another file's."""
OLDEST_PYTHON = "3.11"
_HEAD = "# Made by `python -m infra.locks` from {source}; change that instead.\n"


def main(arguments: list[str]) -> None:
    """Write every lock anew."""
    kept: list[str] = [] if "--upgrade" in arguments else [*LOCKS, *ASSET_LOCKS, TORCH_LOCK]
    blocks = [packages((ROOT / lock).read_text()) for lock in kept if (ROOT / lock).exists()]
    locked = "\n".join(block for named in blocks for block in named.values())
    locked = _compile("requirements-dev.in", locked, "--generate-hashes")
    everything = packages(locked)
    written: set[str] = set()
    above = ""
    for lock, source in LOCKS.items():
        named = packages(_compile(source, locked)).keys() - written
        own = {name: everything[name] for name in named if not TORCH.fullmatch(name)}
        _write(lock, source, "" if lock.startswith(FUNCTIONS) else above, own)
        written |= named
        above = f"{above}-r {lock}\n" if lock.startswith(FUNCTIONS) else f"-r {lock}\n"
    for lock, source in ASSET_LOCKS.items():
        named = packages(_compile(source, locked)).keys() - CONTAINER.get(lock, set())
        _write(lock, source, "", {name: everything[name] for name in named})
    torch = {name: block for name, block in everything.items() if TORCH.fullmatch(name)}
    _write(TORCH_LOCK, "requirements.in", "", torch)
    version = torch["torch"].partition("==")[2].split()[0]
    hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in CPU_HASHES.values())
    _write(CPU_LOCK, "requirements.in", "", {"torch": f"torch=={version}+cpu{hashes}"})


def packages(lock: str) -> dict[str, str]:
    """The packages of a lock by their names: the requirement, and its hashes in lines below it."""
    blocks = re.split(r"\n(?=\S)", lock.strip())
    return {match[0]: block for block in blocks if (match := re.match(r"[A-Za-z0-9._-]+(?=[=\[])", block))}


def _compile(source: str, locked: str, *options: str) -> str:
    """What uv makes of an input; with the versions that are locked, where they do."""
    command = [str(Path(sys.executable).parent / "uv"), "pip", "compile", source, "--universal", "--quiet"]
    command += ["--python-version", OLDEST_PYTHON, "--no-header", "--no-annotate", "--no-emit-index-url"]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "lock.txt"
        output.write_text(locked)
        subprocess.run([*command, "--output-file", str(output), *options], cwd=ROOT, check=True)
        return output.read_text()


def _write(lock: str, source: str, above: str, blocks: Mapping[str, str]) -> None:
    text = _HEAD.format(source=source) + above + "".join(f"{blocks[name]}\n" for name in sorted(blocks))
    (ROOT / lock).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
