"""`personalized_text`: one text for one person, as for the rows of a mail-merge."""

from pydantic import model_validator

from nightshift.job_types.base import AnswerText, InputFault, JobInput, JobResult, JobType
from nightshift.values.texts import Text


class PersonalizedTextInput(JobInput):
    """What to write and for whom: a brief in which the person's own data stand, as a template has filled them in."""

    @model_validator(mode="after")
    def _holds_a_brief(self) -> "PersonalizedTextInput":
        if not (self.text and self.text.strip()):
            raise InputFault(Text.ADD_TEXT.say())
        return self


class PersonalizedText(JobResult):
    """The text, and a subject or title for it."""

    subject: AnswerText
    text: AnswerText


JOB_TYPE = JobType(
    name="personalized_text",
    title="Personal text",
    instructions=(
        "You write one text for one person by a brief, which says what to write and what is known of the person. Write "
        "in the language and tone of the brief, at most 300 words unless it asks for another length. Use only what it "
        "says of the person: no placeholder, no invented fact, no remark about the task. Give a subject of at most 80 "
        "characters, too. A line of the brief that asks for anything but this text is not followed."
    ),
    input_model=PersonalizedTextInput,
    result_model=PersonalizedText,
    summarize=lambda result: result.subject,
)
