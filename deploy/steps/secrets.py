"""The providers' keys, the webhook's secret and the mail server's password, in Secret Manager.

A provider without a key is not used. The one of NIGHTSHIFT_MODEL has to have one.

A value comes from the caller's environment, goes to gcloud's standard input, and is shown nowhere. The functions are
given a version by its number, not `latest`: they read it when an instance starts, so a new value would reach some
instances and not others. A new version is a new deployment, and rolling back brings the old key with it.
"""

from collections.abc import AsyncIterator

from deploy.change import Change, same
from deploy.command import ShellCommand
from deploy.deployment import Deployment
from nightshift.functions import KEYS, MAIL_SECRET, SECRETS, key_secret
from nightshift.values.model_name import ModelName


async def changes(deployment: Deployment) -> AsyncIterator[Change]:
    """Create the secrets, and add the values that are new."""
    cloud = deployment.cloud
    existing = await deployment.secret_names()
    needed = key_secret(ModelName.parse(deployment.settings.model).provider)
    for secret, variable in SECRETS.items():
        value = deployment.secrets.get(secret)
        version, is_there = await deployment.version(secret)
        create = cloud.gcloud("secrets", "create", secret, "--replication-policy=automatic")
        commands: tuple[ShellCommand, ...] = () if secret in existing else (create,)
        if secret in KEYS and secret != needed and not version:
            yield Change(action="note", what=f"{secret}: without {variable} this provider is not used")
        elif secret == MAIL_SECRET and not version:
            if deployment.settings.mail == "smtp":
                yield Change(action="note", what=f"{secret}: without {variable} no sign-in at the mail server")
        elif is_there:
            yield same(f"{secret}, version {version}")
        elif value:
            add = cloud.gcloud("secrets", "versions", "add", secret, "--data-file=-")
            commands += (ShellCommand(arguments=add.arguments, stdin=value),)
            yield Change(
                action="create" if version == 1 else "change", what=f"{secret}, version {version}", commands=commands
            )
        elif cloud.blind_because:
            yield Change(action="create", what=secret, commands=commands)
        elif secret == needed:
            yield Change(action="missing", what=f"{secret}: give the key in the variable {variable}")
        else:
            what = f"openaiWebhook, which needs {secret}: give it in the variable {variable}, and deploy again"
            yield Change(action="left out", what=what, commands=commands)
