"""The one error of `deploy/`: its message is a sentence for the person who deploys."""


class DeployError(Exception):
    """Something has to change before the deployment can go on; the text says what. To run it again is always safe."""
