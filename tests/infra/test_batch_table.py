from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

from infra.batch_table import COLUMNS
from lambdas.domain.batch.files import ResultLine
from tests.fixtures.cloudformation_template import Template


def table(template: Template) -> dict[str, Any]:
    (resource,) = template.find_resources("AWS::Glue::Table").values()
    properties: dict[str, Any] = resource["Properties"]
    return properties


def test_the_table_has_a_column_for_each_member_of_a_line() -> None:
    assert set(COLUMNS) == {field.name for field in fields(ResultLine)}


def test_a_query_finds_the_shards_of_the_batch_that_it_names(template: Template) -> None:
    parameters = table(template)["TableInput"]["Parameters"]
    location = json.dumps(parameters["storage.location.template"])
    assert "/batches/${batch}/results/" in location
    assert re.search(r'"Ref": "DataBucket\w+"', location)
    assert parameters["projection.batch.type"] == "injected"
    (partition,) = table(template)["TableInput"]["PartitionKeys"]
    assert partition == {"Name": "batch", "Type": "string"}


def test_the_database_can_be_named_without_quotes(template: Template) -> None:
    (database,) = template.find_resources("AWS::Glue::Database").values()
    name = database["Properties"]["DatabaseInput"]["Name"]
    assert re.fullmatch(r"[a-z0-9_]+", name)
    assert table(template)["DatabaseName"] == name
