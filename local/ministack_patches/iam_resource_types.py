"""Actions that no resource can be named for.

AWS: allows them by a policy for all resources, `*`, and by no other. The table is the service authorization
reference's, for what functions call; a test holds it against the reference's data that cfn-lint brings.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
MiniStack: checks them on whatever ARN it makes of a request's members.
"""

from __future__ import annotations

from typing import Any

WITHOUT_RESOURCE_TYPES = {
    "dynamodb": """
        describeendpoints describelimits describereservedcapacity describereservedcapacityofferings
        getabacstatus injecterror listbackups listcontributorinsights listglobaltables liststreams
        listtables purchasereservedcapacityofferings updateabacstatus
    """,
    "events": """
        listapidestinations listarchives listconnections listendpoints listeventbuses listeventsources
        listpartnereventsources listreplays listrulenamesbytarget listrules listsubscribers
        putpartnerevents putpermission removepermission testeventpattern
    """,
    "lambda": """
        connectmicrovm createcodesigningconfig createeventsourcemapping createmicrovmimage
        getaccountsettings getwebaccountsettings listcapacityproviders listcodesigningconfigs
        listeventsourcemappings listfunctions listlayers listlayerversions listmanagedmicrovmimages
        listmicrovmimages listmicrovms listnetworkconnectors listwebfunctions passnetworkconnector
    """,
    "s3": """
        createjob createstoragelensgroup getaccesspoint getaccountpublicaccessblock
        listaccessgrantsinstances listaccesspoints listaccesspointsforobjectlambda listallmybuckets
        listjobs listmultiregionaccesspoints liststoragelensconfigurations liststoragelensgroups
        putaccesspointpublicaccessblock putaccountpublicaccessblock putstoragelensconfiguration
    """,
    "sns": """
        checkifphonenumberisoptedout createplatformapplication createplatformendpoint
        createsmssandboxphonenumber deleteendpoint deleteplatformapplication deletesmssandboxphonenumber
        getendpointattributes getplatformapplicationattributes getsmsattributes getsmssandboxaccountstatus
        listendpointsbyplatformapplication listoriginationnumbers listphonenumbersoptedout
        listplatformapplications listsmssandboxphonenumbers listsubscriptions listtopics optinphonenumber
        setendpointattributes setplatformapplicationattributes setsmsattributes
        verifysmssandboxphonenumber
    """,
    "sqs": """
        listqueues
    """,
    "states": """
        invokehttpendpoint listactivities liststatemachines revealsecrets sendtaskfailure
        sendtaskheartbeat sendtasksuccess teststate validatestatemachinedefinition
    """,
    "sts": """
        decodeauthorizationmessage getaccesskeyinfo getcalleridentity getdelegatedaccesstoken
        getservicebearertoken getsessiontoken getwebidentitytoken taggetwebidentitytoken
    """,
}
"""By the services' prefixes, in lower case: actions are compared without regard to case."""
_ACTIONS = frozenset(
    f"{service}:{action}" for service, actions in WITHOUT_RESOURCE_TYPES.items() for action in actions.split()
)


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.core import iam_evaluator  # noqa: PLC0415 reads the environment when first imported

    enforce = iam_evaluator.enforce

    def enforced(access_key_id: str, iam_action: str, *request: Any, **named: Any) -> Any:
        if iam_action.lower() in _ACTIONS:
            named["resource_arn"] = "*"
        return enforce(access_key_id, iam_action, *request, **named)

    iam_evaluator.enforce = enforced
