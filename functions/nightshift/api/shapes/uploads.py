"""A place to put a file."""

from typing import Literal

from pydantic import Field

from nightshift.api.shapes.common import ApiModel, Time, example


class NewUpload(ApiModel):
    """What is to be uploaded."""

    purpose: Literal["image", "bulk"] = Field(description="A job's image, or a bulk job's rows.")
    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$", description="How its file is called.")
    contentType: str = Field(pattern=r"^[a-z]+/[a-z0-9.+-]{1,100}$", max_length=110)

    model_config = example(purpose="bulk", name="recipients.csv", contentType="text/csv")


class UploadPlace(ApiModel):
    """Where the file goes, by one request of the caller's own; and the name by which a job then names it."""

    uri: str = Field(description="For `imageUri`, or a bulk job's `source.uri`.")
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str] = Field(description="Send these as they are; the link is signed for them.")
    expiresAt: Time

    model_config = example(
        uri="gs://my-project.firebasestorage.app/users/kX3vQ9aBcD/bulk/Xq3vQ9aBcDk2mPz0RtYu-recipients.csv",
        method="PUT",
        url="https://storage.googleapis.com/my-project.firebasestorage.app/users/…?X-Goog-Signature=…",
        headers={"Content-Type": "text/csv", "x-goog-content-length-range": "0,104857600"},
        expiresAt="2026-11-28T10:45:00.000Z",
    )
