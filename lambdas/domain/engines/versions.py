"""All versions of a deployment: those that its engines list, and those that were released to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lambdas.domain.shared.records import is_released

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Engine, Version


def by_name(engine: Engine, recorded: Iterable[str]) -> dict[str, Version]:
    """The versions by their names.

    Args:
        recorded: names that are on record, which tell of those that were released to the deployment.
    """
    versions = {version.name: version for version in engine.list_versions()}
    for name in recorded:
        if name not in versions and is_released(name) and (version := engine.describe_version(name)):
            versions[name] = version
    return versions
