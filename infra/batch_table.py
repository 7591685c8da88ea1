"""The table of all batches' results in the Glue Data Catalog: Athena reads the JSON Lines as they lie."""

from __future__ import annotations

from aws_cdk import aws_glue as glue
from constructs import Construct

from infra.data_bucket import DataBucket
from infra.deployment import Deployment
from lambdas.domain.batch import files

TABLE = "batch_results"
_BOX = "struct<left:double,top:double,width:double,height:double>"
COLUMNS = {
    "id": "string",
    "bucket": "string",
    "key": "string",
    "version_id": "string",
    "status": "string",
    "labels": f"array<struct<label:string,confidence:double,box:{_BOX}>>",
    "width": "int",
    "height": "int",
    "error": "string",
    "reason": "string",
}
"""The members of a line of results, by their names."""


def database_name(deployment_name: str) -> str:
    """The name of a deployment's database. Athena takes no hyphens in it without quotes.

    https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html
    """
    return deployment_name.replace("-", "_")


class BatchTable(Construct):
    """A database with the one table, whose partition is a batch.

    No crawler and no list of partitions is needed: a query names its batch, and the name leads to the folder
    ("injected" partitions).
    https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
    """

    def __init__(self, scope: Construct, id: str, deployment: Deployment, *, data_bucket: DataBucket) -> None:
        super().__init__(scope, id)
        name = database_name(deployment.settings.name)
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=deployment.stack.account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=name, description=f"Results of the batches of {deployment.settings.name}"
            ),
        )
        # The names of no batch: what stands here is replaced by the one that a query is about.
        template = files.results_prefix("${batch}")
        bucket = f"s3://{data_bucket.bucket.bucket_name}/"
        table = glue.CfnTable(
            self,
            "Table",
            catalog_id=deployment.stack.account,
            database_name=name,
            table_input=glue.CfnTable.TableInputProperty(
                name=TABLE,
                description="A line for each image of a batch: what the model version saw, or why it did not",
                table_type="EXTERNAL_TABLE",
                parameters={
                    "classification": "json",
                    "projection.enabled": "true",
                    "projection.batch.type": "injected",
                    "storage.location.template": bucket + template,
                },
                partition_keys=[glue.CfnTable.ColumnProperty(name="batch", type="string")],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=[
                        glue.CfnTable.ColumnProperty(name=column, type=kind)
                        for column, kind in COLUMNS.items()
                    ],
                    location=bucket + files.PREFIX,
                    input_format="org.apache.hadoop.mapred.TextInputFormat",
                    output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    # https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library="org.openx.data.jsonserde.JsonSerDe"
                    ),
                ),
            ),
        )
        table.add_dependency(database)
