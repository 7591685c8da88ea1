"""The routes of the HTTP API, and which function answers each: the one list of them."""

from __future__ import annotations

from collections.abc import Mapping

ROUTES: Mapping[str, tuple[str, ...]] = {
    "desk": (
        "GET /api/me",
        "GET /api/queue",
        "GET /api/labels",
        "POST /api/claims",
        "PUT /api/claims/{task}",
        "DELETE /api/claims/{task}",
        "GET /api/tasks/{task}",
        "POST /api/tasks/{task}/answer",
        "POST /api/tasks/{task}/skip",
    ),
    "admin": (
        "GET /api/admin/tasks",
        "PUT /api/admin/tasks/{task}/assignment",
        "DELETE /api/admin/tasks/{task}",
        "GET /api/admin/reviewers",
        "PUT /api/admin/labels",
    ),
    "console": (
        "GET /api/runs",
        "GET /api/runs/{run}",
        "GET /api/versions",
        "POST /api/try",
        "POST /api/try/{id}/detection",
        "POST /api/try/{id}/review",
    ),
}
