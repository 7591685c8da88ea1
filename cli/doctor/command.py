"""`labelloop doctor`: what would keep a deployment from working, before it is made and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import deployment, progress
from cli.doctor import access, deployed, machine, models, names, serverless
from cli.doctor.account import Account, identify
from cli.doctor.findings import Check, Finding, Findings, State, examine, fails

EngineSetting = Literal["rekognition", "serverless", "both"]
STYLES = {State.FINE: "green", State.HURTS: "yellow", State.FAILS: "red", State.UNSEEN: "dim"}
_SIGN_IN = "sign in as for the AWS CLI (`aws sso login`, `aws configure`), or set AWS_PROFILE"

ALWAYS = (
    Check("Lambda concurrency", access.look_at_lambda, embedded=False),
    Check("Rekognition quotas", models.look_at_quotas, embedded=False),
    Check("models", models.look_at_models),
    Check("AWS Health", models.look_at_lifecycle, embedded=False),
)
BEFORE = (
    Check("permissions", access.look_at_deployer, embedded=False),
    Check("CDK bootstrap", access.look_at_bootstrap),
    Check("stack", names.look_at_stack),
    Check("Rekognition project", names.look_at_project),
    Check("fixed names", names.look_at_fixed_names),
    Check("kept data", names.look_at_leftovers),
)
BEFORE_SERVERLESS = (Check("training machine", serverless.look_before, embedded=False),)
"""Where the deployment is to have the engine serverless."""
AFTER = (
    Check("stack", deployed.look_at_stack),
    Check("permissions", deployed.look_at_user, embedded=False),
    Check("training machine", serverless.look_at_machine),
    Check("training container", serverless.look_at_container),
    Check("bucket's key", serverless.look_at_key),
    Check("mails", deployed.look_at_mails, embedded=False),
    Check("state", deployed.look_at_drift),
    Check("dead letters", deployed.look_at_dead_letters),
)


def diagnose(
    name: str, *, before_deploy: bool, console: Console, engine: EngineSetting = "rekognition"
) -> dict[str, Any]:
    """Everything that `labelloop doctor` shows. Without credentials that AWS accepts, it looks no further.

    Args:
        engine: that is to be deployed; a deployment that is there says it itself.
    """
    before = (*BEFORE, *(BEFORE_SERVERLESS if engine != "rekognition" else ()))
    region = deployment.session().region_name or ""
    findings = [access.judge_region(region)]
    if before_deploy:
        findings += [names.judge_name(name), *machine.judge(machine.look())]
    account = None
    if region:
        try:
            account = Account(name, region, identify(region))
        except (ClientError, BotoCoreError) as error:
            findings.append(fails("credentials", deployment.explain(error), _SIGN_IN))
    if account:
        findings += access.judge_identity(account.identity, datetime.now(UTC), embedded=account.embedded)
        findings += _examined((*ALWAYS, *(before if before_deploy else AFTER)), account, console)
    return {
        "deployment": name,
        "region": region,
        "account": account.identity.account if account else None,
        "before_deploy": before_deploy,
        "findings": [asdict(finding) for finding in findings],
        **{state.name.lower(): sum(each.state is state for each in findings) for state in State},
    }


def _examined(checks: Sequence[Check], account: Account, console: Console) -> Findings:
    """The findings of all checks, which are made at once, in the order of the checks."""
    with ThreadPoolExecutor(len(checks)) as pool:
        futures = {pool.submit(examine, check, account): check.subject for check in checks}
        done: Iterator[Any] = as_completed(futures)
        progress.counted(console, f"Looking at the account in {account.region}", done, len(checks))
        return [finding for future in futures for finding in future.result()]


def show(console: Console, document: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for each in document["findings"]:
        finding = Finding(each["subject"], State(each["state"]), each["text"], each["mend"])
        mend = f"\n[dim]{escape(finding.mend)}[/dim]" if finding.mend else ""
        style = STYLES[finding.state]
        table.add_row(f"[{style}]{finding.state}[/{style}]", finding.subject, escape(finding.text) + mend)
    console.print(table)
    console.print(f"\n{_verdict(document)}")


def _verdict(document: dict[str, Any]) -> str:
    """The report in a sentence."""
    counts = [f"{document[state.name.lower()]} {state}" for state in State if document[state.name.lower()]]
    listed = ", ".join(counts)
    if document["fails"]:
        return f"{listed}: mend what will fail first"
    if not document["before_deploy"]:
        return listed
    known = "that could be seen" if document["unseen"] else "known"
    return f"{listed}: nothing {known} keeps `npx cdk deploy` from working"
