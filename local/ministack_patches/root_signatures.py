"""Signatures of the root user, and keys that nobody has.

AWS: checks the signature of every request, whoever's the key is, and knows no key that it has not given.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
MiniStack: takes the configured root key, `test`, every number of 12 digits and S3's requests without any key
for the root user, and looks at no signature of these.

A number of 12 digits stays the root key of the account that it is, signed with the configured root's secret:
so there are several accounts, which AWS gives out in another way.
"""

from __future__ import annotations

import os
import re
from typing import Any

_ACCOUNT = re.compile(r"\d{12}")


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.core import iam_evaluator  # noqa: PLC0415 reads the environment when first imported
    from ministack.services import sts  # noqa: PLC0415

    principal, identity = iam_evaluator.resolve_principal, iam_evaluator.resolve_caller_identity

    def resolve_principal(access_key: str, account: str, credential: Any = None) -> Any:
        if not access_key:
            return iam_evaluator.AuthError("AccessDenied", "Access Denied")
        return principal(access_key, account, credential)

    def resolve_caller_identity(access_key: str) -> Any:
        if not is_root(access_key):
            return identity(access_key)
        credential = iam_evaluator.resolve_credential(access_key)
        account = credential.account_id
        return {
            "accessKey": access_key,
            "accountId": account,
            "userArn": credential.principal_arn,
            "userId": credential.principal_id,
            "principalOrgId": iam_evaluator._principal_org_id(account),
            "session": None,
        }

    iam_evaluator.is_root_access_key = sts.is_root_access_key = is_root
    # MiniStack asks this one where it leaves out the check of a signature.
    iam_evaluator._is_root_key = _has_no_signature
    iam_evaluator.resolve_principal = resolve_principal
    iam_evaluator.resolve_caller_identity = resolve_caller_identity


def is_root(access_key: str) -> bool:
    """Whether this is the access key of an account's root user."""
    configured = bool(access_key) and access_key == os.environ.get("AWS_ACCESS_KEY_ID")
    return configured or _ACCOUNT.fullmatch(access_key) is not None


def _has_no_signature(access_key: str) -> bool:
    return False
