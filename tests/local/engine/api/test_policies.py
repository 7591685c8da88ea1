"""Project policies: attached, revised, listed, deleted, and refused if malformed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.engine import errors
from tests.fixtures.engine import Bench


def document(**changes: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:role/Admin"},
        "Action": "rekognition:CopyProjectVersion",
        "Resource": "*",
        **changes,
    }
    kept = {name: value for name, value in statement.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


def put(bench: Bench, project: str, name: str = "mine", **optional: Any) -> str:
    request: dict[str, Any] = {"PolicyDocument": document(), **optional}
    answer = bench.call("PutProjectPolicy", ProjectArn=project, PolicyName=name, **request)
    return str(answer["PolicyRevisionId"])


def listed(bench: Bench, project: str, **query: Any) -> list[dict[str, Any]]:
    policies: list[dict[str, Any]] = bench.call("ListProjectPolicies", ProjectArn=project, **query)[
        "ProjectPolicies"
    ]
    return policies


def test_a_policy_is_attached_updated_by_its_revision_and_deleted(bench: Bench) -> None:
    project = bench.project()
    first = put(bench, project)
    (policy,) = listed(bench, project)
    assert (policy["PolicyName"], policy["PolicyRevisionId"]) == ("mine", first)
    assert policy["PolicyDocument"] == document()
    changed = document(Effect="Deny")
    second = put(bench, project, PolicyRevisionId=first, PolicyDocument=changed)
    assert second != first
    (policy,) = listed(bench, project)
    assert (policy["PolicyRevisionId"], policy["PolicyDocument"]) == (second, changed)
    assert policy["LastUpdatedTimestamp"] > policy["CreationTimestamp"]
    for call in (
        lambda: put(bench, project, PolicyRevisionId=first),
        lambda: put(bench, project, "other", PolicyRevisionId=second),
        lambda: bench.call(
            "DeleteProjectPolicy", ProjectArn=project, PolicyName="mine", PolicyRevisionId=first
        ),
    ):
        with pytest.raises(errors.InvalidPolicyRevisionIdException, match="PolicyRevisionId"):
            call()
    with pytest.raises(errors.ResourceAlreadyExistsException, match="PolicyRevisionId"):
        put(bench, project)
    bench.call("DeleteProjectPolicy", ProjectArn=project, PolicyName="mine", PolicyRevisionId=second)
    assert listed(bench, project) == []
    with pytest.raises(errors.ResourceNotFoundException, match="mine"):
        bench.call("DeleteProjectPolicy", ProjectArn=project, PolicyName="mine")


def test_a_project_has_up_to_five_policies_and_takes_them_with_it(bench: Bench) -> None:
    project = bench.project()
    for number in range(5):
        put(bench, project, f"p{number}")
    with pytest.raises(errors.LimitExceededException, match="5 policies"):
        put(bench, project, "p5")
    page = bench.call("ListProjectPolicies", ProjectArn=project, MaxResults=3)
    rest = listed(bench, project, MaxResults=3, NextToken=page["NextToken"])
    assert [policy["PolicyName"] for policy in rest] == ["p3", "p4"]
    with pytest.raises(errors.ValidationException, match="less than or equal to 5"):
        listed(bench, project, MaxResults=6)
    bench.call("DeleteProjectPolicy", ProjectArn=project, PolicyName="p0")
    put(bench, project, "p5")
    bench.call("DeleteProject", ProjectArn=project)
    with pytest.raises(errors.ResourceNotFoundException):
        listed(bench, project)
    assert bench.store.policies(project) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 1999, "not JSON"),
        ("[]", "JSON object"),
        ("{}", "needs a Statement"),
        ('{"Statement": []}', "needs a Statement"),
        ('{"Statement": [7]}', r"Statement\[0\] must be"),
        ('{"Version": [], "Statement": {}}', "Version"),
        (document(Effect=None), "needs Effect"),
        (document(Principal=None), "needs Principal"),
        (document(Action=None), "needs Action"),
        (document(Resource=None), "needs Resource"),
        (document(NotAction="x"), "must not have NotAction"),
        (document(NotPrincipal="*"), "must not have NotPrincipal"),
        (document(NotResource="*"), "must not have NotResource"),
        (document(Effect=["Allow"]), "Effect must be"),
        (document(Action="rekognition:*"), "only one supported"),
        (document(Action=[]), "Action must be"),
        (document(Resource={}), "Resource must be"),
        (document(Principal={"Service": "x"}), "Principal"),
        (document(Principal={"AWS": [7]}), "Principal.AWS"),
        (document(Condition=[]), "Condition"),
    ],
)
def test_a_malformed_document_is_refused(bench: Bench, text: str, message: str) -> None:
    project = bench.project()
    with pytest.raises(errors.MalformedPolicyDocumentException, match=message):
        put(bench, project, PolicyDocument=text)
    assert listed(bench, project) == []
