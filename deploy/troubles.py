"""Google's own words for what goes wrong: which troubles pass by themselves, and what a person can do about others.

Each is quoted as an API or a tool said it, with the place where it was read. A new wording is one more line here.
"""

import re
from dataclasses import dataclass
from typing import Final

# An API that is not enabled yet has nothing in it.
DISABLED: Final = ("SERVICE_DISABLED", "has not been used in project", "not enabled on project")
ABSENT: Final = ("NOT_FOUND", "not found", "does not exist", "matched no objects")


@dataclass(frozen=True, kw_only=True)
class GoogleTrouble:
    """A pattern of an error's text. `seen` is such a text, word by word; `source` is where it was read."""

    pattern: str
    seen: str
    source: str
    # What a person does about it; without one, the trouble passes by itself, and the command is repeated.
    remedy: str = ""

    def is_in(self, text: str) -> bool:
        """Whether an error is of this kind."""
        return re.search(self.pattern, text) is not None


# A grant, an account, a metric or an API of a moment ago is not known everywhere yet; or the service is busy.
PASSING: Final = (
    GoogleTrouble(
        pattern=r"SERVICE_DISABLED|has not been used in project|not enabled on project",
        seen="Cloud Pub/Sub API has not been used in project 1 before or it is disabled. If you enabled this API "
        "recently, wait a few minutes for the action to propagate to our systems and retry.",
        source="https://cloud.google.com/apis/docs/troubleshooting",
    ),
    GoogleTrouble(
        pattern=r"Cannot find metric(\(s\))? that match(es)? type",
        seen='Cannot find metric(s) that match type = "logging.googleapis.com/user/error_total". If a metric was '
        "created recently, it could take up to 10 minutes to become available. Please try again soon.",
        source="https://github.com/hashicorp/terraform-provider-google/issues/11102",
    ),
    GoogleTrouble(
        pattern=r"The metric referenced by the provided filter is unknown",
        seen="The metric referenced by the provided filter is unknown. Check the metric name and labels.",
        source="https://github.com/hashicorp/terraform-provider-google/issues/10325",
    ),
    GoogleTrouble(
        pattern=r"while using the Eventarc Service Agent",
        seen="Permission denied while using the Eventarc Service Agent. If you recently started to use Eventarc, it "
        "may take a few minutes before all necessary permissions are propagated to the Service Agent.",
        source="https://cloud.google.com/eventarc/docs/troubleshooting",
    ),
    GoogleTrouble(
        pattern=r"Service account \S+ does not exist|Unknown service account",
        seen="Service account nightshift-tick@night-shift.iam.gserviceaccount.com does not exist.",
        source="https://cloud.google.com/iam/docs/service-accounts-create",
    ),
    GoogleTrouble(
        pattern=r"Service Account '\S+' not found",
        seen="Service Account 'cloud-java-ci-sample@cloud-java-ci-sample.iam.gserviceaccount.com' not found.",
        source="https://github.com/googleapis/java-storage/pull/2444",
    ),
    GoogleTrouble(
        pattern=r"Role \S+ does not exist in the resource's hierarchy",
        seen="Role (organizations/59485982875/roles/FortigateSdnViewer) does not exist in the resource's hierarchy.",
        source="https://github.com/GoogleCloudPlatform/pubsec-declarative-toolkit/issues/608",
    ),
    GoogleTrouble(
        pattern=r"Unable to retrieve the repository metadata",
        seen="Unable to retrieve the repository metadata for projects/p/locations/us-central1/repositories/"
        "gcf-artifacts. Ensure that the Cloud Functions service account has 'artifactregistry.repositories.list' and "
        "'artifactregistry.repositories.get' permissions.",
        source="https://github.com/firebase/firebase-tools/issues/5244",
    ),
    GoogleTrouble(
        pattern=r"Permission denied on secret: .* for Revision service account",
        seen="Permission denied on secret: projects/1/secrets/openai-api-key/versions/1 for Revision service account "
        "nightshift-tick@night-shift.iam.gserviceaccount.com. The service account used must be granted the 'Secret "
        "Manager Secret Accessor' role.",
        source="https://cloud.google.com/run/docs/configuring/services/secrets",
    ),
    GoogleTrouble(
        pattern=r"There were concurrent policy changes|unable to queue the operation|\bABORTED\b|\b409\b",
        seen="There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
        source="https://cloud.google.com/iam/docs/policies#etag",
    ),
    GoogleTrouble(
        pattern=r"\bRESOURCE_EXHAUSTED\b|rateLimitExceeded|\b429\b",
        seen="RESOURCE_EXHAUSTED: Quota exceeded for quota metric 'Write requests' and limit 'Write requests per "
        "minute'.",
        source="https://cloud.google.com/apis/design/errors",
    ),
    GoogleTrouble(
        pattern=r"\bUNAVAILABLE\b|The service is currently unavailable|\b503\b",
        seen="UNAVAILABLE: The service is currently unavailable.",
        source="https://cloud.google.com/apis/design/errors",
    ),
)

INSTANCES: Final = GoogleTrouble(
    pattern=r"(Cpu|Mem)AllocPerProjectRegion|Max instances must be set to|maxScale may not exceed",
    seen="spec.template.metadata.annotations[autoscaling.knative.dev/maxScale]: Max instances must be set to 20 or "
    "fewer to set the requested total CPU.\nConsider running your workload in a region with greater capacity, or "
    "requesting an increase in quota for this region if you are seeing sustained usage near this limit, see "
    "https://cloud.google.com/run/quotas.\n\nQuota violated:\nCpuAllocPerProjectRegion requested: 50000 allowed: 20000",
    source="https://github.com/googlecodelabs/feedback/issues/1856",
    remedy="The project may not have so many instances. Lower DEPLOY_MAX_INSTANCES in deploy/settings/{project}.env, "
    "or ask for more vCPU and memory of Cloud Run at https://console.cloud.google.com/iam-admin/quotas?project={project}.",
)
SHARING: Final = GoogleTrouble(
    pattern=r"do not belong to a permitted customer|constraints/iam\.allowedPolicyMember",
    seen="One or more users named in the policy do not belong to a permitted customer, perhaps due to an organization "
    "policy.",
    source="https://cloud.google.com/run/docs/authenticating/public#domain-restricted-sharing",
    remedy="The organisation's policy iam.allowedPolicyMemberDomains keeps allUsers out. Have it allow allUsers for "
    "{project}, or let the deployer switch the invoker check off (run.services.setIamPolicy).",
)
KEYS: Final = GoogleTrouble(
    pattern=r"violates constraint 'constraints/(iam\.disableServiceAccountKeyCreation|storage\.restrictAuthTypes)'",
    seen="Request violates constraint 'constraints/iam.disableServiceAccountKeyCreation'",
    source="https://github.com/googleapis/java-storage/issues/1240",
    remedy="An organisation's policy forbids HMAC keys for {project}. Have it allow them, or let IAM sign: "
    "gcloud secrets update image-signing-key --update-labels=signed-by=iam --project={project}",
)
# What does not pass by itself. These come first: a quota of instances is RESOURCE_EXHAUSTED in some wordings.
LASTING: Final = (
    INSTANCES,
    SHARING,
    KEYS,
    GoogleTrouble(
        pattern=r"billing account .* is (not found|disabled)|Billing must be enabled|BILLING_DISABLED",
        seen="Billing account for project '1' is not found. Billing must be enabled for activation of service(s) "
        "'run.googleapis.com' to proceed.",
        source="https://cloud.google.com/service-usage/docs/troubleshooting",
        remedy="Link a billing account: gcloud billing projects link {project} --billing-account=ACCOUNT",
    ),
    GoogleTrouble(
        pattern=r"requires a quota project|SERVICE_DISABLED.*764086051850|consumer.*projects/764086051850",
        seen="Your application is authenticating by using local Application Default Credentials. The firebaserules."
        "googleapis.com API requires a quota project, which is not set by default.",
        source="https://cloud.google.com/docs/authentication/troubleshoot-adc#user-creds-client-based",
        remedy="Run: gcloud auth application-default set-quota-project {project}",
    ),
)


def passes(text: str) -> bool:
    """Whether a command that failed with this text will succeed later."""
    return lasting(text) is None and any(trouble.is_in(text) for trouble in PASSING)


def lasting(text: str) -> GoogleTrouble | None:
    """The trouble that only a person can end; None for what is not known, or passes."""
    return next((trouble for trouble in LASTING if trouble.is_in(text)), None)
