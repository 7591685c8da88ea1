"""review: what nobody has labelled, and what the model is unsure of, goes to people."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.deployment import Deployment
from infra.drop import Drop
from infra.handler import Handler
from infra.inbox import Inbox
from infra.permissions import Permissions
from infra.records import Records
from infra.register import Register
from infra.rekognition_project import MADE_AT_RUN_TIME, RekognitionProject
from infra.workflow import Workflow
from lambdas.domain.manifests import Kind
from lambdas.domain.reviews import groundtruth_functions

IMAGES = "registered images are named by their content"
BATCHES = "what a labeling job reads and writes lies under the name of its batch"


class Review(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        drop: Drop,
        records: Records,
        register: Register,
        project: RekognitionProject,
    ) -> None:
        super().__init__(scope, id)
        self._deployment = deployment
        self._drop, self._records, self._register, self._project = drop, records, register, project
        self.machine_arn = deployment.state_machine_arn("review")
        self.table = self._tasks()
        self.environment = {
            "DATA_BUCKET": drop.bucket.bucket_name,
            "CATALOGUE_TABLE": register.catalogue.table_name,
            "REVIEW_TABLE": self.table.table_name,
            "REVIEW_MACHINE_ARN": self.machine_arn,
            **records.environment,
        }
        if flow := deployment.settings.a2i_flow_definition_arn:
            self.environment["A2I_FLOW_DEFINITION_ARN"] = flow
        self._labelling_role = self._labelling()
        handlers = {
            "Ask": self._asking("Ask", "ask", "Puts a task before people"),
            "GiveBack": self._asking("GiveBack", "give_back", "Takes a task back that nobody answered"),
            "StartJob": self._asking("StartJob", "start_job", "Starts a labeling job of Ground Truth"),
            "WatchJob": self._asking("WatchJob", "watch_job", "Looks how far a labeling job is"),
            "ReadJob": self._asking("ReadJob", "read_job", "Reads what a labeling job's workers said", 300),
        }
        self.workflow = Workflow(self, "Workflow", deployment, step="review", handlers=handlers)
        self.inbox = self._proposals()
        self._collect()
        self._loop_finished()

    def tell(self, handler: Handler) -> None:
        """Let a function propose images."""
        handler.function.add_environment("REVIEW_QUEUE_URL", self.inbox.queue.queue_url)
        handler.allow("sqs:SendMessage", on=[self.inbox.queue.queue_arn])

    def allow_count(self, handler: Handler) -> None:
        """See how many tasks are open."""
        handler.function.add_environment("REVIEW_TABLE", self.table.table_name)
        handler.allow("dynamodb:Query", on=[f"{self.table.table_arn}/index/by_state"])

    def allow_settle(self, handler: Handler) -> None:
        """Take answers, and do what follows from them."""
        self.allow_count(handler)
        handler.allow(
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:Query",
            on=[self.table.table_arn],
        )
        handler.allow(
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:PutItem",
            on=[self._register.catalogue.table_arn],
        )
        self._register.allow_query(handler)
        handler.allow(
            "states:SendTaskSuccess",
            "states:SendTaskFailure",
            "states:SendTaskHeartbeat",
            on=["*"],
            why="task tokens have no resource-level permissions:"
            " https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html",
        )

    def allow_open(self, handler: Handler) -> None:
        """Open tasks, with what the champion sees drawn in advance."""
        self.allow_settle(handler)
        handler.allow("states:StartExecution", on=[self.machine_arn])
        handler.allow("rekognition:DetectCustomLabels", on=[self._project.versions], why=MADE_AT_RUN_TIME)
        handler.allow("s3:GetObject", on=[self._drop.objects("images/")], why=IMAGES)

    # Functions

    def _handler(self, id: str, function: str, description: str, timeout: int = 60) -> Handler:
        handler = Handler(
            self,
            id,
            self._deployment,
            entry=f"lambdas.review.{function}",
            description=description,
            timeout=timeout,
            environment=self.environment,
        )
        self._records.allow(handler)
        return handler

    def _asking(self, id: str, function: str, description: str, timeout: int = 60) -> Handler:
        """A function that speaks with A2I or Ground Truth where the deployment has them."""
        handler = self._handler(id, function, description, timeout)
        self.allow_settle(handler)
        settings = self._deployment.settings
        if settings.a2i_flow_definition_arn:
            self._allow_a2i(handler, settings.a2i_flow_definition_arn)
        if self._labelling_role:
            self._allow_groundtruth(handler, self._labelling_role)
        return handler

    def _proposals(self) -> Inbox:
        handler = self._handler("Propose", "propose", "Opens tasks for images that it is told of", 120)
        self.allow_open(handler)
        handler.allow(
            "s3:GetObject",
            "s3:GetObjectVersion",
            on=[self._drop.objects("detect/")],
            why="what people ask about can have any key",
        )
        handler.allow("s3:PutObject", on=[self._drop.objects("images/")], why=IMAGES)
        handler.allow("s3:ListBucket", on=[self._drop.bucket.bucket_arn])
        return Inbox(
            self, "Inbox", self._deployment, pattern=None, handler=handler, batch_size=10, max_concurrency=2
        )

    def _collect(self) -> None:
        handler = self._handler("Collect", "collect", "Opens tasks for images that nobody has labelled", 300)
        self.allow_open(handler)
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.expression(self._deployment.settings.sweep_schedule),
            targets=[targets.LambdaFunction(handler.function)],
        )

    def _loop_finished(self) -> None:
        flow = self._deployment.settings.a2i_flow_definition_arn
        if not flow:
            return
        handler = self._asking("LoopFinished", "loop_finished", "Reads what a human loop's workers said")
        events.Rule(
            self,
            "LoopEnded",
            event_pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker A2I HumanLoop Status Change"],
                detail={"flowDefinitionArn": [flow]},
            ),
            targets=[targets.LambdaFunction(handler.function)],
        )

    # Routes

    def _allow_a2i(self, handler: Handler, flow: str) -> None:
        """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html"""
        loops = self._sagemaker("human-loop")
        handler.allow("sagemaker:StartHumanLoop", on=[flow])
        handler.allow(
            "sagemaker:DescribeHumanLoop",
            "sagemaker:StopHumanLoop",
            on=[loops],
            why="a human loop is named by its task",
        )
        handler.allow("s3:GetObject", on=[self._drop.objects("images/")], why=IMAGES)
        handler.allow(
            "s3:GetObject",
            "s3:PutObject",
            on=[self._drop.objects("reviews/")],
            why="upright copies and human loops' output are named by image and loop",
        )

    def _allow_groundtruth(self, handler: Handler, role: iam.Role) -> None:
        handler.allow(
            "sagemaker:CreateLabelingJob",
            "sagemaker:DescribeLabelingJob",
            "sagemaker:StopLabelingJob",
            on=[self._sagemaker("labeling-job")],
            why="a labeling job is named by its batch",
        )
        handler.allow("iam:PassRole", on=[role.role_arn])
        handler.allow("s3:GetObject", on=[self._drop.objects("images/")], why=IMAGES)
        handler.allow("s3:GetObject", "s3:PutObject", on=[self._drop.objects("reviews/")], why=BATCHES)

    def _labelling(self) -> iam.Role | None:
        """What Ground Truth reads and writes with."""
        workteam = self._deployment.settings.groundtruth_workteam_arn
        if not workteam:
            return None
        permissions = Permissions(self, "Labelling", service="sagemaker.amazonaws.com")
        permissions.allow("s3:GetObject", on=[self._drop.objects("images/")], why=IMAGES)
        permissions.allow("s3:GetObject", on=[self._drop.objects("reviews/")], why=BATCHES)
        permissions.allow("s3:PutObject", on=[self._drop.objects("reviews/groundtruth/")], why=BATCHES)
        kinds: tuple[Kind, ...] = ("detection", "classification")
        functions = [groundtruth_functions.of(workteam.split(":")[3], kind) for kind in kinds]
        permissions.allow(
            "lambda:InvokeFunction",
            on=sorted({arn for pair in functions for arn in (pair.before, pair.after)}),
        )
        self.environment |= {
            "GROUNDTRUTH_WORKTEAM_ARN": workteam,
            "GROUNDTRUTH_ROLE_ARN": permissions.role.role_arn,
        }
        return permissions.role

    def _sagemaker(self, resource: str) -> str:
        return self._deployment.stack.format_arn(
            service="sagemaker", resource=resource, resource_name=f"{self._deployment.settings.name}-*"
        )

    # Tasks

    def _tasks(self) -> dynamodb.Table:
        text = dynamodb.AttributeType.STRING
        table = dynamodb.Table(
            self,
            "Tasks",
            partition_key=dynamodb.Attribute(name="id", type=text),
            sort_key=dynamodb.Attribute(name="part", type=text),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=self._deployment.removal_policy,
        )
        table.add_global_secondary_index(
            index_name="by_state",
            partition_key=dynamodb.Attribute(name="state", type=text),
            sort_key=dynamodb.Attribute(name="available_at", type=text),
        )
        return table
