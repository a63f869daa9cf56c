"""Pub/Sub and Eventarc."""

from typing import Any

from tests.deploy.google_apis.project import Asked, GoogleApis, answers


@answers("pubsub", "GET", "v1/PROJECT/(?P<kind>topics|subscriptions)/(?P<name>[^/]+)")
def _pubsub(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"pubsub/projects/P/{found['kind']}/{found['name']}")


@answers("pubsub", "PATCH", "v1/PROJECT/subscriptions/(?P<name>[^/]+)")
def _change_subscription(google: GoogleApis, asked: Asked, found: Any) -> Any:
    subscription = google.there(f"pubsub/projects/P/subscriptions/{found['name']}")
    given = asked.body["subscription"]
    letters = given.get("deadLetterPolicy")
    if letters:
        google.there(f"pubsub/projects/P/topics/{letters['deadLetterTopic'].rpartition('/')[2]}")
    subscription.update({name: value for name, value in given.items() if name != "name"})
    return subscription


@answers("eventarc", "GET", "v1/PROJECT/locations/(?P<place>[^/]+)/triggers/(?P<name>[^/]+)")
def _trigger(google: GoogleApis, _: Asked, found: Any) -> Any:
    return google.there(f"eventarc/{found['place']}/{found['name']}")
