"""The people: a user pool with the groups of the console, and the page's way to sign in."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from infra import embedded
from infra.deployment import Deployment
from lambdas.domain.applications.directory import RESOURCE_SERVER, SCOPE_NAME

GROUPS = {
    "reviewers": "Say what is on images",
    "administrators": "Reviewers who also manage tasks, labels and people",
}


class UserPool(Construct):
    """A user pool whose people ops adds; nobody signs up by themselves."""

    def __init__(self, scope: Construct, id: str, deployment: Deployment) -> None:
        super().__init__(scope, id)
        self._deployment = deployment
        self.pool = self._pool()
        prefix = f"{deployment.settings.name}-{deployment.stack.account}"
        self.pool.add_domain("SignIn", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=prefix))
        self.sign_in_host = embedded.sign_in_host(deployment, prefix)
        self.issuer = f"https://cognito-idp.{deployment.stack.region}.amazonaws.com/{self.pool.user_pool_id}"

    def add_page(self, address: str) -> cognito.UserPoolClient:
        """The client of a web page: people sign in at Cognito's own page and come back to the address."""
        return self.pool.add_client(
            "Page",
            generate_secret=False,
            auth_flows=cognito.AuthFlow(user_srp=False),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL, cognito.OAuthScope.PROFILE],
                callback_urls=[address],
                logout_urls=[address],
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            access_token_validity=cdk.Duration.hours(1),
            id_token_validity=cdk.Duration.hours(1),
            refresh_token_validity=cdk.Duration.days(7),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
        )

    def add_resource_server(self) -> None:
        """Give the pool the scope that tokens of applications have."""
        cognito.CfnUserPoolResourceServer(
            self,
            "ResourceServer",
            user_pool_id=self.pool.user_pool_id,
            identifier=RESOURCE_SERVER,
            name="LabelLoop",
            scopes=[
                cognito.CfnUserPoolResourceServer.ResourceServerScopeTypeProperty(
                    scope_name=SCOPE_NAME, scope_description="Ask for detections"
                )
            ],
        )

    def _pool(self) -> cognito.UserPool:
        pool = cognito.UserPool(
            self,
            "People",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(username=True, email=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
            ),
            mfa=cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            removal_policy=self._deployment.removal_policy,
        )
        for name, description in GROUPS.items():
            cognito.CfnUserPoolGroup(
                self,
                name.capitalize(),
                group_name=name,
                description=description,
                user_pool_id=pool.user_pool_id,
            )
        Validations.of(pool).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG2", reason="a second factor is each person's choice"
            ),
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG8",
                reason="the Plus feature plan is billed for each person who signs in",
            ),
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG3",
                reason="threat protection needs the Plus feature plan",
            ),
        )
        return pool
