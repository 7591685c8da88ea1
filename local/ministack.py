"""Where MiniStack is put right until it is mended there; each with what AWS documents."""

from __future__ import annotations

import re
from typing import Any

# MiniStack goes on without it, and signs no tokens: nobody could sign in at the console.
import cryptography  # noqa: F401

from local import cdn_origins, index_queries, lambda_code, task_tokens


def mend() -> None:
    """To be called before the first request."""
    _wildcards_match_newlines()
    _renewed_tokens_have_groups()
    _renewed_tokens_keep_the_time_of_sign_in()
    _batches_need_what_one_message_needs()
    _functions_of_cloudfront_may_start_slowly()
    index_queries.mend()
    task_tokens.mend()
    cdn_origins.mend()
    lambda_code.mend()


def _wildcards_match_newlines() -> None:
    """IAM's `*` stands for any characters, so also for a line break in an object's key.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    from ministack.core import iam_evaluator  # noqa: PLC0415 reads the environment when first imported

    original = iam_evaluator._fnmatch_compile

    def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        found = original(pattern, ignore_case)
        return re.compile(found.pattern, found.flags | re.DOTALL)

    iam_evaluator._fnmatch_compile = compiled


def _renewed_tokens_have_groups() -> None:
    """Tokens that a refresh token is exchanged for carry the user's groups as the first ones do.

    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
    """
    from ministack.services import cognito  # noqa: PLC0415 reads the environment when first imported

    original = cognito._fake_token

    def token(sub: str, pool_id: str, *rest: Any, **more: Any) -> str:
        username = more.get("username")
        if more.get("trigger_source") == "TokenGeneration_RefreshTokens" and username:
            user = cognito._get_pool_unscoped(pool_id)["_users"][username]
            more["groups"] = user.get("_groups", [])
        return str(original(sub, pool_id, *rest, **more))

    cognito._fake_token = token


def _renewed_tokens_keep_the_time_of_sign_in() -> None:
    """`auth_time` is when somebody signed in, and stays so: OpenID Connect's clients refuse another one.

    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
    https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse
    """
    from ministack.services import cognito  # noqa: PLC0415 reads the environment when first imported

    original = cognito._signed_jwt
    signed_in: dict[str, int] = {}

    def signed(claims: dict[str, Any], *rest: Any) -> str:
        if "auth_time" in claims and "origin_jti" in claims:
            claims["auth_time"] = signed_in.setdefault(claims["origin_jti"], claims["auth_time"])
        return str(original(claims, *rest))

    cognito._signed_jwt = signed


def _batches_need_what_one_message_needs() -> None:
    """There are no permissions for SQS's batch operations: those for single messages hold for them too.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
    """
    from ministack.core import iam_actions  # noqa: PLC0415 reads the environment when first imported

    original = iam_actions.extract_iam_action

    def action(service: str, *request: Any) -> str | None:
        found: str | None = original(service, *request)
        return found.removesuffix("Batch") if service == "sqs" and found else found

    iam_actions.extract_iam_action = action


def _functions_of_cloudfront_may_start_slowly() -> None:
    """Its 5 s for a function of CloudFront hold the start of Node too, which a busy machine takes longer for:
    the page was answered with 503."""
    from ministack.core import cloudfront_js  # noqa: PLC0415 reads the environment when first imported

    cloudfront_js._EVAL_TIMEOUT = 60.0
