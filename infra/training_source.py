"""The source of training jobs, as a tar archive: the script, `training_job/`, `learning/` and `portable/`,
with the packages that they need and AWS's container lacks.

So a job installs nothing, and needs no way to the internet. The toolkit in the container unpacks the archive
and runs the script: https://github.com/aws/sagemaker-training-toolkit
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from infra import lambda_asset
from infra.lambda_asset import BUILD, ROOT, digest, made

FOLDERS = ("learning", "portable", "training_job")
PACKAGES = "packages"
"""The archive's folder of packages. They come before the container's own, which may be older ones."""
SCRIPT = f"""import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "{PACKAGES}"))

from training_job.main import main

sys.exit(main(sys.argv[1:]))
"""


def build(*, with_packages: bool) -> Path:
    """The archive, made once for each content: the same content gives the same bytes.

    Args:
        with_packages: False where the job runs with an interpreter that has them.

    Raises:
        RuntimeError: pip could not get a package; its message is included.
    """
    files = {
        str(path.relative_to(ROOT)): path.read_bytes()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
    }
    files["train.py"] = SCRIPT.encode()
    packages = lambda_asset.training_packages() if with_packages else None
    content = (f"{name}\0{body.decode()}" for name, body in files.items())
    key = digest(*content, packages.name if packages else "")

    def fill(target: Path) -> None:
        target.write_bytes(_packed(files | (_of(packages) if packages else {})))

    return made(BUILD / f"training-{key}.tar.gz", fill)


def _of(packages: Path) -> dict[str, bytes]:
    return {
        f"{PACKAGES}/{path.relative_to(packages)}": path.read_bytes()
        for path in sorted(packages.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


def _packed(files: Mapping[str, bytes]) -> bytes:
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
