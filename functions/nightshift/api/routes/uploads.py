"""`POST /uploads`: a place to put a file, for a client without Firebase's SDK.

Nothing is created before the file comes: the link is for one new object in the caller's own folder, of a bounded size.
An object that is there is never replaced.
"""

from typing import Final

from nightshift.api.creating import id_for
from nightshift.api.route import ApiCall, ApiRoute
from nightshift.api.shapes.uploads import NewUpload, UploadPlace
from nightshift.signed_links import LINK_LIFETIME, signed_link

_FOLDERS: Final = {"image": "", "bulk": "bulk/"}
_MOST_BYTES: Final = {"image": 20 * 1024 * 1024, "bulk": 100 * 1024 * 1024}


async def create(call: ApiCall) -> UploadPlace:
    """Get a link by which one file can be put into the caller's folder, within 15 minutes."""
    runtime, wanted = call.runtime, call.body
    folder = f"users/{call.user_id}/{_FOLDERS[wanted.purpose]}"
    blob = runtime.uploads.blob(f"{folder}{id_for(call.user_id, 'upload', None)}-{wanted.name}")
    headers = {
        "Content-Type": wanted.contentType,
        "x-goog-content-length-range": f"0,{_MOST_BYTES[wanted.purpose]}",
        "x-goog-if-generation-match": "0",
    }
    expires_at = runtime.now() + LINK_LIFETIME
    url = await signed_link(runtime, blob, "PUT", headers)
    return UploadPlace(uri=f"gs://{blob.bucket.name}/{blob.name}", url=url, headers=headers, expiresAt=expires_at)


ROUTES: Final = (
    ApiRoute(
        method="POST", path="/uploads", who="user", handler=create, body=NewUpload, answer=UploadPlace, status=201
    ),
)
