"""All patches of MiniStack, put on in one call."""

from __future__ import annotations

# MiniStack goes on without it, and signs no tokens: nobody could sign in at the console.
import cryptography  # noqa: F401

from local.ministack_patches import (
    cdn_origins,
    cloudfront_function_timeout,
    distributed_map,
    dynamodb_leading_keys,
    event_versions,
    function_logs,
    iam_policies,
    iam_resource_types,
    iam_wildcards,
    index_queries,
    lambda_code,
    listed_keys,
    missing_routes,
    refreshed_token_auth_time,
    refreshed_token_groups,
    request_bodies,
    root_signatures,
    self_sign_up,
    sqs_batch_actions,
    task_tokens,
)


def apply_patches() -> None:
    """Put every patch on; to be called before the first request."""
    iam_policies.apply_patch()
    iam_wildcards.apply_patch()
    iam_resource_types.apply_patch()
    dynamodb_leading_keys.apply_patch()
    refreshed_token_groups.apply_patch()
    refreshed_token_auth_time.apply_patch()
    sqs_batch_actions.apply_patch()
    cloudfront_function_timeout.apply_patch()
    index_queries.apply_patch()
    task_tokens.apply_patch()
    distributed_map.apply_patch()
    cdn_origins.apply_patch()
    missing_routes.apply_patch()
    lambda_code.apply_patch()
    function_logs.apply_patch()
    root_signatures.apply_patch()
    self_sign_up.apply_patch()
    request_bodies.apply_patch()
    listed_keys.apply_patch()
    event_versions.apply_patch()
