"""Answers of the OpenAI-compatible server: what it refuses, what the stand-in makes, what an upstream is asked."""

import asyncio
import json
from typing import Any, Literal

import jsonschema
import openai
import pytest
from openai.lib._pydantic import to_strict_json_schema
from pydantic import BaseModel, Field

from local.openai_server import OpenAIServer, Reply, ReplyRule
from tests.local.test_openai_server_rig import KEY, Rig, check_answer, request_line, rig

USER = [{"role": "user", "content": "What is this?"}]
PNG = "data:image/png;base64,iVBORw0KGgo="


class Part(BaseModel):
    """A part of a thing, which may have parts."""

    name: str
    weight_grams: float | None
    parts: list["Part"]


class Classification(BaseModel):
    """Every kind of field that a job type's result may have."""

    category: Literal["recyclable", "organic", "hazardous", "single_use"]
    alternative: Literal["paper", "glass"] | None
    confidence: float = Field(ge=0, le=1)
    score: int = Field(gt=3, lt=6)
    steps: list[str] = Field(min_length=2, max_length=4)
    toxic: bool
    part: Part
    explanation: str


SCHEMA = to_strict_json_schema(Classification)


def answer_format(schema: dict[str, Any], *, strict: bool = True) -> dict[str, Any]:
    """A response_format for one schema."""
    return {"type": "json_schema", "json_schema": {"name": "result", "strict": strict, "schema": schema}}


def closed(**properties: Any) -> dict[str, Any]:
    """A strict object schema of these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


async def ask(running: Rig, text: str, schema: dict[str, Any] = SCHEMA, *, strict: bool = True) -> Any:
    """The parsed content for a text and a schema."""
    completion = await running.client.chat.completions.create(  # type: ignore[call-overload]
        model="gpt-5-mini",
        messages=[{"role": "system", "content": "Is it organic?"}, {"role": "user", "content": text}],
        response_format=answer_format(schema, strict=strict),
    )
    instance = json.loads(completion.choices[0].message.content or "")
    jsonschema.Draft202012Validator(schema).validate(instance)
    return instance


async def test_the_stand_in_answers_in_the_requested_shape() -> None:
    """Whatever the text, the answer is valid, and the SDK parses it into the model it was asked for."""
    async with rig() as running:
        for number in range(30):
            instance = await ask(running, f"thing {number}")
            assert instance["score"] in (4, 5)
        parsed = await running.client.chat.completions.parse(
            model="m", messages=[{"role": "user", "content": "a hazardous thing"}], response_format=Classification
        )
        assert parsed.choices[0].message.parsed
        assert parsed.choices[0].message.parsed.category == "hazardous"


async def test_the_stand_in_says_that_no_model_was_asked() -> None:
    """Free text, with and without a schema, tells where it comes from."""
    async with rig() as running:
        instance = await ask(running, "x")
        for text in (instance["explanation"], *instance["steps"], instance["part"]["name"]):
            assert "no model was asked" in text
        plain = await running.client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
        assert "no model was asked" in (plain.choices[0].message.content or "")
        free = await running.client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "as JSON please"}],
            response_format={"type": "json_object"},
        )
        assert "no model was asked" in json.loads(free.choices[0].message.content or "")["answer"]


async def test_the_stand_in_is_deterministic_and_depends_on_the_text() -> None:
    """The same text gets the same answer, and many texts get many answers."""
    async with rig() as running:
        assert await ask(running, "one") == await ask(running, "one")
        confidences = {(await ask(running, str(number)))["confidence"] for number in range(20)}
        assert len(confidences) > 10


async def test_the_stand_in_takes_the_value_that_the_user_names() -> None:
    """A word of the user's text picks the enum value, whole words only; the system's words do not."""
    async with rig() as running:
        assert (await ask(running, "This is HAZARDOUS waste"))["category"] == "hazardous"
        assert (await ask(running, "a single use cup"))["category"] == "single_use"
        assert (await ask(running, "made of glass"))["alternative"] == "glass"
        inorganic = {(await ask(running, f"inorganic {number}"))["category"] for number in range(20)}
        assert len(inorganic) > 1


async def test_the_stand_in_knows_formats_bounds_and_references() -> None:
    """Formats, multiples, exclusive bounds, constants and nullable types all validate."""
    schema = {
        **closed(
            day={"type": "string", "format": "date"},
            code={"type": "string", "pattern": "^[A-Z]{2}$"},
            even={"type": "integer", "multipleOf": 2, "minimum": 3, "maximum": 5},
            small={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
            below={"type": "integer", "maximum": -5},
            fixed={"type": "string", "const": "yes"},
            maybe={"type": ["string", "null"]},
            colours={"type": "array", "items": {"$ref": "#/$defs/Colour"}, "maxItems": 2},
        ),
        "$defs": {"Colour": {"type": "string", "enum": ["red", "blue"]}},
    }
    async with rig() as running:
        for number in range(10):
            instance = await ask(running, f"thing {number}", schema)
            assert instance["even"] == 4
            assert instance["code"] == "AA"
        loose = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 5}}, "required": ["a"]}
        assert len((await ask(running, "x", loose, strict=False))["a"]) == 5


async def test_the_stand_in_refuses_a_pattern_that_it_cannot_meet() -> None:
    """A clear error is better than text that breaks the schema."""
    async with rig() as running:
        with pytest.raises(openai.BadRequestError, match="pattern"):
            await ask(running, "x", closed(a={"type": "string", "pattern": "^q{17}$"}))


async def test_usage_counts_a_quarter_of_the_text_and_85_an_image() -> None:
    """Prompt tokens follow from text and images, completion tokens from the answer."""
    async with rig() as running:
        completion = await running.client.chat.completions.create(
            model="m",
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "x" * 40},
                        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                        {"type": "image_url", "image_url": {"url": "https://example.com/a.jpg"}},
                    ],
                }
            ],
        )
        assert completion.usage
        assert completion.usage.prompt_tokens == 10 + 2 * 85
        assert completion.usage.completion_tokens > 5
        assert completion.model == "m"


async def test_an_answer_over_the_token_limit_is_cut() -> None:
    """max_completion_tokens ends the answer with finish_reason length."""
    async with rig() as running:
        completion = await running.client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], max_completion_tokens=3, n=2
        )
        assert [choice.finish_reason for choice in completion.choices] == ["length"] * 2
        assert len(completion.choices[0].message.content or "") == 12


@pytest.mark.parametrize(
    "change",
    [
        {"model": None},
        {"model": ""},
        {"messages": None},
        {"messages": []},
        {"messages": "hello"},
        {"messages": ["hello"]},
        {"messages": [{"content": "x"}]},
        {"messages": [{"role": "wizard", "content": "x"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "user", "content": "x", "colour": "red"}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": ["x"]}]},
        {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]},
        {"temperature": 2.5},
        {"temperature": "hot"},
        {"top_p": True},
        {"n": 0},
        {"max_completion_tokens": 1.5},
        {"metadata": {"k": 1}},
        {"colour": "red"},
        {"stream": True},
        {"response_format": "json"},
        {"response_format": {"type": "xml"}},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": closed()}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": closed()}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": 1}}},
    ],
)
async def test_a_wrong_chat_request_is_refused(change: dict[str, Any]) -> None:
    """Each mistake is a 400 in the error shape, where the right request is answered."""
    right = {"model": "m", "messages": USER}
    async with rig() as running:
        assert (await running.raw.post("/chat/completions", json=right)).status_code == 200
        wrong = {key: kept for key, kept in (right | change).items() if kept is not None}
        refused = await running.raw.post("/chat/completions", json=wrong)
        assert refused.status_code == 400
        check_answer("POST", "/v1/chat/completions", refused.status_code, refused.json())


async def test_streaming_is_refused_clearly() -> None:
    """The error names the parameter and says what to do."""
    async with rig() as running:
        with pytest.raises(openai.BadRequestError, match="does not stream") as refused:
            await running.client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "x"}], stream=True
            )
        assert refused.value.param == "stream"


@pytest.mark.parametrize(
    "url",
    [
        "gs://bucket/users/u/cat.png",
        "http://example.com/a.png",
        "data:image/png;base64,",
        "data:image/png;base64,@@@",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/plain;base64,eA==",
        "",
        "cat.png",
    ],
)
async def test_an_image_that_the_provider_could_not_read_is_refused(url: str) -> None:
    """Only https addresses and base64 images of the four types are accepted."""
    content = [{"type": "image_url", "image_url": {"url": url}}]
    async with rig() as running:
        refused = await running.raw.post(
            "/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": content}]}
        )
        assert refused.status_code == 400
        assert "url" in refused.json()["error"]["param"]


@pytest.mark.parametrize(
    ("schema", "rule"),
    [
        ({"type": "array", "items": {"type": "string"}}, 'type: "object"'),
        ({"anyOf": [closed()]}, "anyOf"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, "additionalProperties"),
        ({**closed(a={"type": "string"}), "additionalProperties": True}, "additionalProperties"),
        ({**closed(a={"type": "string"}), "required": []}, "Missing 'a'"),
        ({**closed(a={"type": "string"}), "required": ["a", "b"]}, "extra required key 'b'"),
        (closed(a={"type": "object", "properties": {}, "required": []}), "additionalProperties"),
        (closed(a={"type": "string", "minLength": 1}), "'minLength' is not permitted"),
        (closed(a={"type": "string", "maxLength": 9}), "'maxLength' is not permitted"),
        (closed(a={"type": "string", "default": "x"}), "'default' is not permitted"),
        (closed(a={"type": "array", "items": {"type": "string"}, "uniqueItems": True}), "'uniqueItems'"),
        (closed(a={"oneOf": [{"type": "string"}]}), "'oneOf' is not permitted"),
        (closed(a={"allOf": [{"type": "string"}]}), "'allOf' is not permitted"),
        (closed(a={"type": "array"}), "missing items"),
        (closed(a={}), "'type' key"),
        (closed(a={"type": "text"}), "not a valid type"),
        (closed(a={"type": "string", "format": "uri"}), "not a valid format"),
        (closed(a={"$ref": "#/$defs/Nothing"}), "not found"),
        ({**closed(a={"$ref": "#/$defs/B", "description": "x"}), "$defs": {"B": {"type": "null"}}}, "$ref cannot"),
        ({**closed(a={"type": "null"}), "$defs": {"B": {"type": "string", "default": ""}}}, "'default'"),
        (closed(a={"type": "string", "enum": [str(number) for number in range(1001)]}), "enum values"),
        (closed(**{f"p{number}": {"type": "null"} for number in range(5001)}), "properties"),
    ],
)
async def test_a_schema_that_strict_mode_does_not_support_is_refused(schema: dict[str, Any], rule: str) -> None:
    """The error names the rule; without strict mode the same schema is accepted."""
    async with rig() as running:
        body = {"model": "m", "messages": USER, "response_format": answer_format(schema)}
        refused = await running.raw.post("/chat/completions", json=body)
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert error["param"] == "response_format"
        assert error["message"].startswith("Invalid schema for response_format 'result': ")
        assert rule in error["message"]


async def test_a_schema_nested_too_deeply_is_refused() -> None:
    """Ten levels are allowed, eleven are not."""
    deep: dict[str, Any] = closed()
    for _ in range(9):
        deep = closed(a=deep)
    async with rig() as running:
        await ask(running, "x", deep)
        with pytest.raises(openai.BadRequestError, match="nesting"):
            await ask(running, "x", closed(a=deep))


async def test_an_upstream_answers_lines_and_direct_requests() -> None:
    """Bodies, statuses and answers pass through unchanged, with the upstream's own key."""
    upstream = OpenAIServer(api_key="upstream-key")
    upstream.faults.add(ReplyRule(Reply.http_error(429, "slow_down"), text="too much"))
    upstream.faults.add(ReplyRule(Reply(content="from upstream"), times=None))
    async with upstream.serve() as upstream_url:
        server = OpenAIServer(api_key=KEY, upstream=upstream_url, upstream_key="upstream-key")
        async with rig(server) as running:
            lines = [request_line(f"r{number}") for number in range(20)]
            batch = await running.run(*lines, request_line("bad", "too much"))
            assert batch.request_counts
            assert batch.request_counts.model_dump() == {"completed": 20, "failed": 1, "total": 21}
            for line in await running.lines(batch.output_file_id):
                assert line["response"]["body"]["choices"][0]["message"]["content"] == "from upstream"
            (error,) = await running.lines(batch.error_file_id)
            assert (error["custom_id"], error["response"]["status_code"]) == ("bad", 429)
            direct = await running.client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "x"}]
            )
            assert direct.choices[0].message.content == "from upstream"
        assert {call.path for call in upstream.calls} == {"/v1/chat/completions"}
        assert len(upstream.calls) == 22


async def test_an_upstream_that_is_away_is_a_502() -> None:
    """The batch completes, with the line in the error file."""
    async with rig(OpenAIServer(api_key=KEY, upstream="http://127.0.0.1:9/v1")) as running:
        batch = await running.run(request_line("a"))
        (error,) = await running.lines(batch.error_file_id)
        assert (batch.status, error["response"]["status_code"]) == ("completed", 502)


async def test_the_requests_to_an_upstream_are_bounded() -> None:
    """No more than upstream_concurrency requests are under way at once, and more than one is."""
    upstream = OpenAIServer()
    under_way, most = 0, 0

    async def answer(custom_id: str | None, body: dict[str, Any]) -> Reply | None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.005)
        under_way -= 1
        return None

    upstream.script.answer = answer
    async with upstream.serve() as url:
        server = OpenAIServer(api_key=KEY, upstream=url, upstream_key="k", upstream_concurrency=3)
        async with rig(server) as running:
            await running.submit(*[request_line(f"a{number}") for number in range(10)])
            await running.run(*[request_line(f"b{number}") for number in range(10)])
    assert most == 3
