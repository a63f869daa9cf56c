"""Brings a Google Cloud project to what this checkout declares: `python -m deploy --help`.

Read `steps/__init__.py` for the order, and one file of `steps/` for each step. A step looks at what there is and names
the changes; it changes nothing by itself. So the plan and the deployment are the same code, a second run finds nothing
to do, and a run that was broken off at any command is mended by the next.

Every change is a command of gcloud or of the Firebase CLI, as a person could type it.
"""
