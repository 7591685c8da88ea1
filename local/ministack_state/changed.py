"""Which services' state a request may have changed, and has to be written before the request is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SLOW = frozenset({"cloudformation", "cloudwatch", "cloudwatch_logs"})
"""Services written only now and then, but for stacks that somebody asks about."""
_READS = ("BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Query", "Receive", "Scan", "Search")
_HEADERS = (b"authorization", b"x-amz-target")
_OF_RECORDS = {
    "dynamodb": ("Item", "Items"),
    "sqs": ("Message", "MessageBatch", "MessageVisibility", "MessageVisibilityBatch"),
}
"""How operations end that change nothing but records."""


class Changed:
    """Says of requests what they may have changed.

    Args:
        app: MiniStack's module of this name.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._services = _services_by_scope(app.SERVICE_REGISTRY)

    def by(self, scope: Mapping[str, Any]) -> set[str]:
        """The services whose state, beside records, a request may have changed."""
        headers = {name: value for name, value in scope.get("headers", []) if name.lower() in _HEADERS}
        operation = headers.get(b"x-amz-target", b"").rpartition(b".")[2].decode("latin-1")
        if operation.startswith(_READS) or (not operation and scope["method"] in ("GET", "HEAD")):
            return set()
        if self._is_of_an_api(scope):
            return set()  # its function asks for what is to be changed
        signed = headers.get(b"authorization", b"") + scope["query_string"].replace(b"%2F", b"/")
        credential = signed.partition(b"Credential=")[2].split(b"/")
        name = credential[3].decode("latin-1") if len(credential) > 3 else ""
        if name == "cloudformation":
            return set(self._app._build_persistence_save_dict()) - (SLOW - {"cloudformation"})
        if name == "s3" and "/" in scope["path"].strip("/") and b"uploads" not in scope["query_string"]:
            return set()  # objects are files, which S3 has written already
        if operation.endswith(_OF_RECORDS.get(name, ())):
            return set()
        return self._services.get(name, set()) if name else {"cognito"}

    def _is_of_an_api(self, scope: Mapping[str, Any]) -> bool:
        """Whether a request is to an HTTP API that somebody has made, and not to a service."""
        host = dict(scope.get("headers", [])).get(b"host", b"").decode("latin-1")
        return self._app._parse_execute_api_url(host, scope["path"]) is not None


def _services_by_scope(registry: Mapping[str, Any]) -> dict[str, set[str]]:
    """The names of MiniStack's states, by the name of the service in a signature."""
    services: dict[str, set[str]] = {}
    for name, config in registry.items():
        states = {config.get("state_key", config["module"]), *config.get("sub_modules", ())}
        for alias in (name, *config.get("aliases", ())):
            services.setdefault(alias, set()).update(states)
    return services
