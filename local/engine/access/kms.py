"""Keys of KMS that a request names; whether the caller may use one is asked elsewhere."""

from __future__ import annotations

from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local.engine.access.clients import client


class NoKeyError(Exception):
    """The key is not there, or not in a state to be used; the message says which."""


class Keys(Protocol):
    """The keys of one account in one Region."""

    def usable(self, key_id: str) -> str:
        """ARN of the enabled symmetric key that an ID, an ARN, an alias or an alias's ARN names.

        Raises:
            NoKeyError: it names none.
        """


class KmsKeys:
    """Keys behind the KMS endpoint `endpoint_url`, seen as root of `account`."""

    def __init__(self, endpoint_url: str, account: str, region: str) -> None:
        self._kms = client("kms", endpoint_url, account, region)

    def usable(self, key_id: str) -> str:
        try:
            key = self._kms.describe_key(KeyId=key_id)["KeyMetadata"]
        except ClientError as error:
            raise NoKeyError(error.response["Error"].get("Message", "")) from error
        except BotoCoreError as error:
            raise NoKeyError(str(error)) from error
        if not key.get("Enabled", True):
            raise NoKeyError(f"the key is {key.get('KeyState', 'disabled')}")
        if key.get("KeyUsage", "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT":
            raise NoKeyError(f"the key is for {key.get('KeyUsage')}, not for encryption")
        return str(key["Arn"])
