"""`embedding`: a text as a vector, for search by meaning. It is stored as a vector of Firestore's."""

from typing import ClassVar

from pydantic import Field, model_validator

from nightshift.job_types.base import JobInput, JobResult, JobType

# Firestore's vectors have up to 2,048: https://firebase.google.com/docs/firestore/vector-search
_DIMENSIONS = 1_536


class EmbeddingInput(JobInput):
    """A text, and nothing else."""

    @model_validator(mode="after")
    def _is_a_text(self) -> "EmbeddingInput":
        if not (self.text and self.text.strip()) or self.imageUri:
            raise ValueError("it needs a text, and no imageUri")
        return self


class Embedding(JobResult):
    """Where a text lies among all texts: near are those that mean much the same."""

    vectors: ClassVar = ("vector",)

    vector: list[float] = Field(min_length=_DIMENSIONS, max_length=_DIMENSIONS)


JOB_TYPE = JobType(
    name="embedding",
    title="Embedding",
    # A model for embeddings takes none.
    instructions="",
    input_model=EmbeddingInput,
    result_model=Embedding,
    summarize=lambda result: f"{len(result.vector)} dimensions",
    model="openai:text-embedding-3-small",
    dimensions=_DIMENSIONS,
    # Vectors of two models cannot be compared.
    falls_back=False,
    max_output_tokens=0,
)
