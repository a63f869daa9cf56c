"""Every sentence that a person reads of a request: one table. Those of a table of many rows are in table_texts.py.

A sentence is for the user of an app. So it names no field, no library and no machine. It says what the person can do.
Why exactly a job was refused or failed is for the developer, and stands in the log (`reason` of the event).

Another language is one more mapping from `Text` to a sentence with the same names in braces. What a job type says (its
title, its summary, what its input lacks) stands in the job type's own file.
"""

from enum import Enum, unique


class Sentence(Enum):
    """A sentence in a table of them."""

    def say(self, **values: str | int) -> str:
        """The sentence, with its names filled in."""
        return str(self.value).format(**values)


@unique
class Text(Sentence):
    """A sentence, in English. The names in braces are filled in by `say`."""

    # What the app sent.
    ADD_TEXT_OR_PHOTO = "Add a text or a photo."
    ADD_PHOTO = "Add a photo."
    ADD_TEXT = "Add a text."
    TEXT_TOO_LONG = "The text is too long. Send at most {characters:,} characters."
    REQUEST_TOO_LARGE = "The request is too large. Send a shorter text, or a smaller photo."
    REQUEST_UNREADABLE = "The app sent a request that cannot be read. Update the app, and try again."
    KIND_UNKNOWN = "This kind of request is not known here. Update the app."
    KIND_NOT_ANSWERED = "This kind of request is not answered here."
    SENT_BEFORE = "This request was sent before. Send it again as a new one."
    TIME_TOO_NEAR = "The time for the answer is too near. Choose one at least {minutes} min ahead."

    # Photos.
    PHOTO_MISSING = "The photo was not found. Upload it again."
    PHOTO_NOT_OWN = "This photo is not one of your uploads. Upload it again."
    PHOTO_ADDRESS = "The address of the photo cannot be used. Upload the photo instead."
    PHOTO_HOST = "Photos from this website are not accepted. Upload the photo instead."
    PHOTO_EMPTY = "The photo is empty. Upload it again."
    PHOTO_TOO_LARGE = "The photo is larger than {megabytes} MB. Upload a smaller one."
    PHOTO_ENCODED = "The photo cannot be read as it was uploaded. Update the app, and upload it again."
    PHOTO_FORMAT = "The AI cannot read this file. Upload a JPEG, PNG, WebP or GIF."
    PHOTO_FORMAT_FOR_AI = "The AI that answers this cannot read a {kind}. Upload a {wanted}."
    PHOTO_HEIC = "The AI cannot read photos in the HEIC format. Upload the photo as JPEG or PNG."
    PHOTO_DAMAGED = "The photo is incomplete or damaged. Upload it again."
    PHOTO_ANIMATED = "The photo is animated, which the AI cannot read. Upload a still picture."
    PHOTO_PIXELS = (
        "The photo has {width:,} by {height:,} pixels. "
        "Upload one of at most {side:,} on a side, and {millions} million in all."
    )
    PHOTO_CROWDED = "The photo's file carries too much besides the picture. Save a copy without it, and upload that."
    PHOTO_SEVERAL = (
        "The file holds several pictures, and the AI reads one. Save a copy as JPEG or PNG, and upload that."
    )
    PHOTO_RARE = "The photo is a rare kind of JPEG, which the AI cannot read. Save it as an ordinary JPEG or PNG."
    GIF_TOO_LARGE = "A GIF of more than {megabytes} MB may be an animation. Upload the picture as JPEG or PNG."

    # Videos.
    VIDEO_FORMAT = "The AI cannot watch this file. Upload an MP4, MOV or WebM."
    VIDEO_EMPTY = "The video is empty. Upload it again."
    VIDEO_TOO_LARGE = "The video is larger than {megabytes} MB. Upload a shorter one."
    VIDEO_ENCODED = "The video cannot be read as it was uploaded. Update the app, and upload it again."

    # Tables of many rows.
    TABLE_MISSING = "The table was not found, or was replaced. Upload it, and begin anew."
    TABLE_NOT_OWN = "This table is not one of your uploads. Upload it again."
    TABLE_TOO_LARGE = "The table has more than {megabytes} MB. Divide it."
    TABLE_TOO_LONG = "The table has more than {rows:,} rows. Divide it."
    TABLE_ENCODED = "The table cannot be read as it was uploaded. Upload it as it is, not compressed."
    TABLE_EMPTY = "The table has no row to answer."
    COLUMN_MISSING = "There is no column {column}. There are: {there}."
    TABLE_NO_ROW = "No row of the table can be answered."
    TABLE_CANCELLED = "The rest of the table was cancelled."
    PRICE_UNCONFIRMED = "Its price was not confirmed within a week."
    TABLE_SUMMARY = "{ends} of {total:,}."
    EARLIER_TABLE_MISSING = "The earlier table, whose answers are to be left out, was not found."
    EARLIER_TABLE_OPEN = "The earlier table, whose answers are to be left out, is not answered yet."

    # Tokens and limits.
    NO_TOKENS = "You have no tokens."
    LIMIT_OF_TABLES = "As many of your tables as may be under way ({limit:,}) are. Try again when one is answered."
    ID_USED = "You have used the id of this table before. Send the table again under another one."
    LIMIT_OF_QUOTES = "You have had {limit:,} tables priced today and paid for none. Try again after midnight UTC."
    TOKENS_MISSING = "You have too few tokens. The price is {price}, and you have {balance}."
    LIMIT_OF_DAY = "You have reached today's limit of {limit:,} requests. Try again after midnight UTC."
    LIMIT_OF_WAITING = "As many of your requests as may wait ({limit:,}) do. Try again when some are answered."
    LIMIT_OF_FAILURES = "Too many of your requests could not be answered today. Try again after midnight UTC."

    # When a table is answered.
    ETA_TOO_LITTLE = "Too few requests of this kind were answered so far to tell."
    ETA_LONGER = "It takes longer than most of the last ones."
    ETA_BEGUN = "It has only begun."
    ETA_BY_THEN = "By then each row is answered, or its tokens are back."
    ETA_BY_LAST = "By how long the last {number} took."
    ETA_BY_PACE = "By its own pace so far."

    # What became of it.
    CANCELLED = "The request was cancelled."
    DECLINED = "The AI declined to answer this."
    AI_CANNOT_READ_PHOTO = "The AI cannot read the photo. Upload another JPEG, PNG, WebP or GIF."
    AI_CANNOT_FETCH_PHOTO = "The AI could not fetch the photo. Upload it again."
    TOO_LONG_FOR_AI = "The request is too long for the AI. Send a shorter text."
    NOT_ACCEPTED = "The AI service did not accept the request."
    NOT_PROCESSED = "The AI service could not process the request."
    NO_ANSWER = "The AI service gave no answer."
    NOT_IN_TIME = "The AI service did not get to it in time."
    STOPPED = "The AI service stopped before it got to it."
    LOST = "The request was lost on its way to the AI."
    ANSWER_CUT_OFF = "The AI's answer was cut off."
    ANSWER_EMPTY = "The AI's answer was empty."
    ANSWER_UNUSABLE = "The AI's answer could not be used."

    # Notifications.
    TOKENS_RETURNED = "{what} Your tokens were returned."
    NOTHING_CHARGED = "{what} Nothing was charged."
    COST_NOTHING = "{what} It cost you nothing."
    ANSWER_THERE = "Your answer is there."
    YOUR_REQUEST = "Your request"
    TITLE_COMPLETED = "{title} ready"
    TITLE_FAILED = "{title} failed"
    TITLE_CANCELLED = "{title} cancelled"
    TITLE_TABLE_READY = "{title}: your results are ready"
    TITLE_TABLE_FAILED = "{title}: your table could not be answered"
    TITLE_TABLE_CANCELLED = "{title}: your table was cancelled"
