"""People of the embedded stack's console: made with passwords that are good at once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import boto3

from local.embedded import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Running


@dataclass(frozen=True)
class Person:
    name: str
    password: str


def add_person(stack: Running, pool: str, name: str, groups: Sequence[str]) -> Person:
    """Make somebody who can sign in, or give somebody who is there a new password.

    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AdminSetUserPassword.html
    """
    cognito = boto3.client(
        "cognito-idp",
        endpoint_url=stack.endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )
    person = Person(name, f"Aa1-{secrets.token_urlsafe(9)}")
    with suppress(cognito.exceptions.UsernameExistsException):
        cognito.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password=person.password, Permanent=True)
    for group in groups:
        cognito.admin_add_user_to_group(UserPoolId=pool, Username=name, GroupName=group)
    return person
