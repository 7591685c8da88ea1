"""The AWS Regions that have Amazon Rekognition Custom Labels."""

from __future__ import annotations

CUSTOM_LABELS_REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-2": "US West (Oregon)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-northeast-2": "Asia Pacific (Seoul)",
    "ap-south-1": "Asia Pacific (Mumbai)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
    "ap-southeast-2": "Asia Pacific (Sydney)",
    "eu-central-1": "Europe (Frankfurt)",
    "eu-west-1": "Europe (Ireland)",
    "eu-west-2": "Europe (London)",
}
"""As of 28 November 2026: those of AWS's own partition where CloudFormation has AWS::Rekognition::Project,
which is a project of Custom Labels. The guide lists none: it refers to those of all of Rekognition, some of
which have no Custom Labels. To one that is missing here `-c other_region=true` deploys all the same.
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""
