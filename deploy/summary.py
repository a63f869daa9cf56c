"""What a deployment says at its end: where the functions are, and what a person has yet to do."""

from deploy.choices import DASHBOARD_SITE, MONTHLY_BUDGET
from deploy.deployment import Deployment
from nightshift.functions import FUNCTIONS, SECRETS, WEBHOOK_SECRET

_WEBHOOK = "openaiWebhook"
_EVENTS = "batch.completed, batch.failed, batch.expired and batch.cancelled"


async def summary(deployment: Deployment) -> list[str]:
    """The lines."""
    project = deployment.cloud.project
    live = await deployment.live_functions()
    lines = ["", "Deployed:"]
    for function in FUNCTIONS:
        if function.name in live:
            address = live[function.name].get("serviceConfig", {}).get("uri", "")
            lines.append(f"  {function.name:<20} {'takes events' if function.takes_events else address}")
    if site := deployment.choices.dashboard_site:
        lines.append(f"  {'dashboard':<20} https://{site}.web.app")
    lines += ["", "By hand, once:"]
    if site is None:
        lines += [
            "  The dashboard: make a web app, and a site for it,",
            f"    firebase apps:create WEB dashboard --project {project}",
            f"    firebase hosting:sites:create SITE --app APP_ID --project {project};",
            f"  put {DASHBOARD_SITE}=SITE into deploy/settings/{project}.env, and deploy again.",
        ]
    if _WEBHOOK in live:
        lines.append(f"  OpenAI's settings, Webhooks: the address of {_WEBHOOK}, for {_EVENTS}.")
    else:
        lines += [
            f"  {_WEBHOOK} is left out: without it the tick finds an ended batch, up to ten minutes later. To have it,",
            "  create an endpoint in OpenAI's settings, Webhooks, with the address",
            f"  https://{deployment.cloud.region}-{project}.cloudfunctions.net/{_WEBHOOK}",
            f"  for {_EVENTS};",
            f"  put its secret into {SECRETS[WEBHOOK_SECRET]}, and deploy again.",
        ]
    claim = (
        "import firebase_admin as f; from firebase_admin import auth; "
        f"f.initialize_app(options={{'projectId': '{project}'}}); auth.set_custom_user_claims('UID', {{'admin': True}})"
    )
    if deployment.choices.monthly_budget is None:
        lines.append(f"  A budget alert: {MONTHLY_BUDGET}=200 in deploy/settings/{project}.env, and deploy again.")
    return [
        *lines,
        "  An admin, who may read getBatchStats and call the admins' routes of api:",
        f'    GOOGLE_CLOUD_QUOTA_PROJECT={project} .venv/bin/python -c "{claim}"',
    ]
