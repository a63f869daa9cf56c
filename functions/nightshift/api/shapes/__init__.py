"""What the REST API takes and answers, as pydantic models: the source of docs/openapi.yaml."""
