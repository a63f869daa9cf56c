"""Images: whose they are, what they are by their bytes, and which addresses the provider is sent to."""

import asyncio
import io
import socket
import unicodedata
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.cloud import storage
from google.oauth2 import service_account
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nightshift.admission.admit import rescue_one
from nightshift.errors import JobRefused
from nightshift.images import uploads
from nightshift.images.formats.portions import HEAD_BYTES, TAIL_BYTES
from nightshift.images.image_format import FIRST_BYTES, MAX_IMAGE_BYTES, media_type
from nightshift.images.image_uri import check_web_address, is_web_address, own_object
from nightshift.jobs import created
from nightshift.providers.registry import TRAITS
from nightshift.runtime import Runtime
from nightshift.settings import Settings
from nightshift.values.hosts import parse_hosts
from tests.support.promises import assert_promises_kept
from tests.support.world import PNG, World

BUCKET = "app.firebasestorage.app"
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100)
AVIF = b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1miaf" + bytes(100)


def picture(file_format: str) -> bytes:
    """A picture that Pillow draws and writes."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(content, file_format)
    return content.getvalue()


def pictures(file_format: str) -> bytes:
    """Two pictures in one file."""
    content = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(
        content, file_format, save_all=True, append_images=[Image.new("RGB", (8, 8), "red")]
    )
    return content.getvalue()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts whose addresses any part of this process asks for."""
    hosts: list[str] = []
    real = socket.getaddrinfo

    def listening(host: Any, *args: Any, **options: Any) -> Any:
        hosts.append(host.decode() if isinstance(host, bytes) else str(host))
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", listening)
    return hosts


def refusal(uri: str, hosts: str | None = None) -> JobRefused | None:
    """Why Alice may not name this image, if she may not."""
    try:
        if is_web_address(uri):
            check_web_address(uri, parse_hosts(hosts) if hosts else None)
        else:
            own_object(uri, BUCKET, "alice")
    except JobRefused as refused:
        return refused
    return None


@pytest.mark.parametrize(
    "name",
    [
        "photo.jpg",
        "my holiday (1) [copy] + more & more.png",
        "Größe/Übersicht.webp",
        unicodedata.normalize("NFD", "Größe.jpg"),
        "ガラス瓶.png",
        "Screenshot at 9.41\u202fAM.png",
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.png",
        "🍾.gif",
        "...jpg",
        "a'b\"c;d=e@f:g.png",
    ],
)
def test_a_name_that_an_app_may_upload_is_taken_as_it_stands(name: str) -> None:
    """Spaces, umlauts and scripts are no reason to refuse, and nothing in a name is changed."""
    assert own_object(f"gs://{BUCKET}/users/alice/{name}", BUCKET, "alice") == f"users/alice/{name}"


@pytest.mark.parametrize(
    "uri",
    [
        f"gs://{BUCKET}/users/bob/photo.png",
        f"gs://{BUCKET}/users/alice",
        f"gs://{BUCKET}/users/alice/",
        f"gs://{BUCKET}/users/alice//photo.png",
        f"gs://{BUCKET}/users/alice/../bob/photo.png",
        f"gs://{BUCKET}/users/alice/./photo.png",
        f"gs://{BUCKET}/users/alice/..",
        f"gs://{BUCKET}/users/alice\\..\\bob\\photo.png",
        f"gs://{BUCKET}/users/alice%2Fphoto.png",
        f"gs://{BUCKET}/users/alice/%2e%2e/bob/photo.png",
        f"gs://{BUCKET}/users/alice/photo.png%00",
        f"gs://{BUCKET}/users/alice/photo.png#1700000000000000",
        f"gs://{BUCKET}/users/alice/photo.png?generation=1",
        f"gs://{BUCKET}/users/alice/photo.png\n",
        f"gs://{BUCKET}/users/alice/photo.png\x00",
        f"gs://{BUCKET}/users/alice/\u202egnp.photo",
        f"gs://{BUCKET}/users/alice/photo\u200b.png",
        f"gs://{BUCKET}/users/alice/\ufeffphoto.png",
        f"gs://{BUCKET}/users/alice/\u2028photo.png",
        f"gs://{BUCKET}/users/alice/photo\ud800.png",
        f"gs://{BUCKET}/users/a\u200blice/photo.png",
        f"gs://{BUCKET}/users/alice\u200d/photo.png",
        f"gs://{BUCKET}/users/\uff41lice/photo.png",
        f"gs://{BUCKET}/users/\u0430lice/photo.png",
        f"gs://{BUCKET}/users/alice\u0301/photo.png",
        f"gs://{BUCKET}/Users/alice/photo.png",
        f"gs://{BUCKET}/users\uff0falice/photo.png",
        f"gs://{BUCKET}//users/alice/photo.png",
        f"gs://{BUCKET}.evil.example/users/alice/photo.png",
        f"gs://{BUCKET.upper()}/users/alice/photo.png",
        f"gs://evil@{BUCKET}/users/alice/photo.png",
        f"gs://{BUCKET}:443/users/alice/photo.png",
        "gs://another-bucket/users/alice/photo.png",
        f"gs:///{BUCKET}/users/alice/photo.png",
        "gs://",
    ],
)
def test_what_could_be_another_object_is_forbidden(uri: str) -> None:
    """Another folder or bucket, in whatever spelling; and what some reader might decode, resolve or not see."""
    refused = refusal(uri)

    assert refused is not None
    assert refused.code == "forbidden_image"


@given(st.text(max_size=60))
def test_no_text_leads_out_of_the_users_folder(text: str) -> None:
    """Whatever stands behind the bucket's name, what is accepted is the same text, below the user's folder."""
    for uri in (f"gs://{BUCKET}/{text}", f"gs://{BUCKET}/users/alice/{text}", f"gs://{text}/users/alice/a.png"):
        if refusal(uri) is None:
            name = own_object(uri, BUCKET, "alice")
            assert uri == f"gs://{BUCKET}/{name}"
            assert name.startswith("users/alice/")
            assert not {"", ".", ".."} & set(name.split("/"))


@pytest.mark.parametrize("letters", ["ü", "u\u0308"])
def test_a_user_whose_id_looks_like_anothers_is_another_user(letters: str) -> None:
    """Composed and decomposed letters look alike and name two folders; neither opens the other."""
    other = {"ü": "u\u0308", "u\u0308": "ü"}[letters]

    assert own_object(f"gs://{BUCKET}/users/J{letters}rg/a.png", BUCKET, f"J{letters}rg")
    with pytest.raises(JobRefused, match="forbidden_image"):
        own_object(f"gs://{BUCKET}/users/J{letters}rg/a.png", BUCKET, f"J{other}rg")


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/bottle.jpg",
        "https://EXAMPLE.com:443/a/b.jpg?width=100&url=https://x.example/?y",
        "https://xn--bcher-kva.example.org/%C3%BC.png",
        "https://images.xn--p1ai/a.png",
        "https://example.com/@user/a.jpg",
        "https://1.2.3.4.example.com/a.jpg",
        "https://firebasestorage.googleapis.com/v0/b/app/o/users%2Falice%2Fa.jpg?alt=media&token=0b-1",
        "https://localhost.example.com/",
    ],
)
def test_a_plain_and_public_address_is_passed_on(uri: str) -> None:
    """What an ordinary web server or image host would be asked."""
    assert refusal(uri) is None


@pytest.mark.parametrize(
    "uri",
    [
        "http://example.com/a.jpg",
        "HTTPS://example.com/a.jpg",
        " https://example.com/a.jpg",
        "ftp://example.com/a.jpg",
        "data:image/png;base64,AAAA",
        "file:///etc/passwd",
        "https:example.com/a.jpg",
        "https:/example.com/a.jpg",
        "https:///example.com/a.jpg",
        "https://example.com",
        "https://example.com?a.jpg",
        "https://user@example.com/a.jpg",
        "https://user:password@example.com/a.jpg",
        "https://@example.com/a.jpg",
        "https://example.com:443@evil.example.org/a.jpg",
        "https://example.com:80/a.jpg",
        "https://example.com:/a.jpg",
        "https://example.com:0443/a.jpg",
        "https://example.com:443:443/a.jpg",
        "https://example.com/a.jpg#@evil.example.org",
        "https://example.com#@evil.example.org/a.jpg",
        "https://example.com\\@evil.example.org/a.jpg",
        "https://example.com\\.evil.example.org/a.jpg",
        "https://exam\tple.com/a.jpg",
        "https://example.com/a\n.jpg",
        "https://example.com/a.jpg\n",
        "https://example.com/a b.jpg",
        "https://example.com/ü.jpg",
        "https://example.com/%zz.jpg",
        "https://example.com/\x00.jpg",
        "https://exa%6dple.com/a.jpg",
        "https://bücher.example.org/a.jpg",
        "https://example\u3002com/a.jpg",
        "https://ⓔxample.com/a.jpg",
        "https://exa\u00admple.com/a.jpg",
        "https://example..com/a.jpg",
        "https://.example.com/a.jpg",
        "https://example.com./a.jpg",
        "https://-example.com/a.jpg",
        "https://example-.com/a.jpg",
        "https://exam_ple.com/a.jpg",
        f"https://{'a' * 64}.com/a.jpg",
        f"https://{'a.' * 126}example.com/a.jpg",
        f"https://example.com/{'a' * 2_000}.jpg",
        "https://127.0.0.1/a.jpg",
        "https://127.1/a.jpg",
        "https://2130706433/a.jpg",
        "https://0177.0.0.1/a.jpg",
        "https://0x7f.0.0.1/a.jpg",
        "https://0x7f000001/a.jpg",
        "https://127.0.0.0x1/a.jpg",
        "https://127.0.0.1./a.jpg",
        "https://①②⑦.⓪.⓪.①/a.jpg",
        "https://169.254.169.254/latest/meta-data/",
        "https://8.8.8.8/a.jpg",
        "https://[::1]/a.jpg",
        "https://[::ffff:127.0.0.1]/a.jpg",
        "https://[fe80::1%25eth0]/a.jpg",
        "https://localhost/a.jpg",
        "https://app.localhost/a.jpg",
        "https://intranet/a.jpg",
        "https://metadata/a.jpg",
        "https://printer.local/a.jpg",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://METADATA.GOOGLE.INTERNAL/computeMetadata/v1/",
        "https://metadata.goog/computeMetadata/v1/",
        "https://x.metadata.goog/computeMetadata/v1/",
        "https://service.namespace.svc.cluster.local/a.jpg",
        "https://router.lan/a.jpg",
        "https://nas.home.arpa/a.jpg",
        "https://1.0.0.127.in-addr.arpa/a.jpg",
        "https://site.test/a.jpg",
        "https://site.example/a.jpg",
        "https://site.onion/a.jpg",
        "https://a.invalid/a.jpg",
    ],
)
def test_an_address_that_is_not_plain_and_public_is_refused(uri: str) -> None:
    """Other schemes, credentials, ports, literal and internal addresses, and what two readers may read differently."""
    refused = refusal(uri)

    assert refused is not None
    assert refused.code == "invalid_input"
    assert refused.message.endswith(".")
    assert uri not in refused.message


@given(st.text(alphabet=st.sampled_from("ab1.:@/\\#?[]%0xF-_\t\n ü。localhost"), max_size=25))
def test_an_address_that_is_passed_on_has_one_reading(text: str) -> None:
    """Python's own parser finds the same host in it, and neither user name nor port."""
    uri = f"https://{text}"
    if refusal(uri) is None:
        parsed = urlsplit(uri)
        assert (parsed.hostname or "").isascii()
        assert uri.removeprefix("https://").lower().startswith(f"{parsed.hostname}")
        assert parsed.username is None
        assert parsed.port in {None, 443}
        assert not parsed.fragment
        assert not (parsed.hostname or "").split(".")[-1][0].isdigit()


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("cdn.example.com", True),
        ("CDN.example.com", True),
        ("a.cdn.example.com", False),
        ("example.com", False),
        ("example.org", False),
        ("img.example.org", True),
        ("a.img.example.org", True),
        ("evilexample.org", False),
        ("img.example.org.evil.com", False),
        ("pics.example.net", True),
        ("example.net", False),
    ],
)
def test_the_allow_list_names_hosts_and_subdomains(host: str, is_allowed: bool) -> None:
    """A host is that host alone; a leading dot or `*.` stands for its subdomains, without itself."""
    refused = refusal(f"https://{host}/a.jpg", " cdn.example.com, *.example.org,.Example.NET")

    assert (refused is None) == is_allowed


@pytest.mark.parametrize(
    "wrong",
    [
        "https://example.com",
        "example.com,",
        ",",
        "*",
        "*.com",
        "*example.com",
        "127.0.0.1",
        "localhost",
        "example.com:443",
        "a b.com",
        "bücher.de",
    ],
)
def test_a_list_of_hosts_that_cannot_be_meant_is_wrong(wrong: str) -> None:
    """It is refused as a whole: a list that is silently empty would allow nothing, or all."""
    with pytest.raises(ValueError, match="public name"):
        parse_hosts(wrong)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (picture("JPEG"), "image/jpeg"),
        (picture("PNG"), "image/png"),
        (picture("WEBP"), "image/webp"),
        (picture("GIF"), "image/gif"),
        (b"GIF87a" + bytes(20), "image/gif"),
        (PNG, "image/png"),
    ],
)
def test_an_image_is_known_by_its_first_bytes(content: bytes, found: str) -> None:
    """The four formats that OpenAI reads, as a common library writes them."""
    assert media_type(content[:FIRST_BYTES]) == found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\x89PN",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"BM" + bytes(40),
        b"II*\x00" + bytes(40),
        b"\x1f\x8b\x08" + bytes(40),
        AVIF,
        b" " + PNG,
    ],
)
def test_what_is_no_image_that_the_ai_reads_is_refused(content: bytes) -> None:
    """Documents, sounds, other formats, and halves of a signature."""
    with pytest.raises(JobRefused) as refused:
        media_type(content[:FIRST_BYTES])
    assert refused.value.code == "invalid_input"


@given(st.binary(max_size=FIRST_BYTES))
def test_any_bytes_are_an_image_or_refused(content: bytes) -> None:
    """No content breaks the check."""
    try:
        assert media_type(content).startswith("image/")
    except JobRefused as refused:
        assert refused.code == "invalid_input"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"just a text that calls itself a PNG", "cannot read this file"),
        (HEIC, "HEIC"),
        (PNG + bytes(MAX_IMAGE_BYTES + 1 - len(PNG)), "larger than 20 MB"),
        (b"\xff\xd8\xff", "incomplete"),
        (picture("JPEG")[:-2], "incomplete"),
        (b"RIFF\x00\x00\x00\x00WEBP", "incomplete"),
        (PNG[:8], "incomplete"),
        (PNG[:16] + bytes.fromhex("00009c4000009c40") + PNG[24:], "40,000 by 40,000 pixels"),
        (pictures("GIF"), "animated"),
        (pictures("WEBP"), "animated"),
        (pictures("MPO"), "several pictures"),
    ],
    ids=range(11),
)
async def test_an_upload_that_is_no_usable_image_costs_nothing(world: World, content: bytes, says: str) -> None:
    """Its content type says image/png; its bytes are looked at, before the charge."""
    await world.give("alice", 3)
    uri = await world.upload("alice", content=content)

    job_id = await world.submit("alice", input={"imageUri": uri})

    job = await world.job(job_id)
    assert (job["status"], job["errorCode"], job["tokensSpent"]) == ("failed", "invalid_input", 0)
    assert says in job["errorMessage"]
    assert (await world.read("wallets/alice"))["balance"] == 3
    await assert_promises_kept(world)


async def test_an_upload_without_a_byte_is_refused(world: World) -> None:
    """An upload that was broken off may leave an empty object."""
    await world.give("alice", 3)
    uri = (await world.upload("alice")).replace("photo", "empty")
    empty = world.operators_runtime().uploads.blob("users/alice/empty.png")
    await asyncio.to_thread(empty.upload_from_string, b"", content_type="image/png")

    job_id = await world.submit("alice", input={"imageUri": uri})

    job = await world.job(job_id)
    assert (job["errorCode"], job["tokensSpent"]) == ("invalid_input", 0)
    assert "empty" in job["errorMessage"]


async def test_of_an_upload_only_two_portions_are_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest image that is allowed is checked by one reading of its metadata and two of its bytes."""
    photo = picture("JPEG")
    uri = await world.upload("alice", content=photo[:-2] + bytes(MAX_IMAGE_BYTES - len(photo)) + photo[-2:])
    sizes = []
    real = requests.adapters.HTTPAdapter.send

    def weighing(adapter: Any, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        response = real(adapter, request, *args, **options)
        # The client also reads the bucket's metadata, once, for its own tracing.
        if "/o/" in str(request.url):
            sizes.append(int(response.headers["Content-Length"]))
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", weighing)

    await uploads.check_image(world.operators_runtime(), "alice", uri, TRAITS["openai"].image_types)

    assert len(sizes) == 3
    assert sizes[0] < 5_000
    assert sizes[1:] == [HEAD_BYTES, TAIL_BYTES]


async def test_an_older_projects_bucket_is_named_to_the_operator(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that names PROJECT.appspot.com is refused with a sentence for the person; the log names the setting."""
    await world.give("alice", 3)
    older = f"{world.project}.appspot.com"

    job_id = await world.submit("alice", input={"imageUri": f"gs://{older}/users/alice/a.png"})

    job = await world.job(job_id)
    assert (job["errorCode"], job["tokensSpent"]) == ("forbidden_image", 0)
    assert "NIGHTSHIFT" not in job["errorMessage"]
    assert f"NIGHTSHIFT_UPLOADS_BUCKET={older}" in capsys.readouterr().out


async def test_an_upload_that_is_stored_encoded_is_refused(world: World) -> None:
    """The provider would get other bytes than those that were checked, and as many as the server likes to send."""
    await world.give("alice", 3)
    uri = await world.upload("alice")
    encoded = world.operators_runtime().uploads.blob("users/alice/photo.png")
    encoded.content_encoding = "gzip"
    await asyncio.to_thread(encoded.upload_from_string, PNG, content_type="image/png")

    job_id = await world.submit("alice", input={"imageUri": uri})

    job = await world.job(job_id)
    assert (job["errorCode"], job["tokensSpent"]) == ("invalid_input", 0)
    assert "cannot be read as it was uploaded" in job["errorMessage"]


@pytest.mark.parametrize("speed", ["batch", "instant"])
async def test_an_image_that_was_replaced_is_not_sent_unchecked(world: World, speed: str) -> None:
    """An operator may replace an object after the charge; one that cannot be read costs nothing then, either."""
    await world.give("alice", 5)
    job_id = await world.write(speed=speed, input={"imageUri": await world.upload("alice")})
    job = await created.read(world.operators_runtime(), job_id)
    assert job is not None
    await rescue_one(world.operators_runtime(), job)
    assert isinstance((await world.job(job_id))["imageGeneration"], int)
    await world.upload("alice", content=picture("JPEG")[:-2])

    await world.tick()

    ended = await world.job(job_id)
    assert (ended["status"], ended["errorCode"], ended["tokensSpent"]) == ("failed", "invalid_input", 0)
    assert not [call for call in world.provider.calls if call.method == "POST"]
    await assert_promises_kept(world)


async def test_the_signed_address_names_the_generation() -> None:
    """A deployed function signs for that one content; later ones under the same name are not reached by it."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    account = {
        "type": "service_account",
        "client_email": "worker@app.iam.gserviceaccount.com",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    credentials = service_account.Credentials.from_service_account_info(account)
    runtime = Runtime(Settings(GOOGLE_CLOUD_PROJECT="app").model_copy(update={"storage_emulator": None}))
    runtime.uploads = storage.Client(project="app", credentials=credentials).bucket(BUCKET)

    for generation in (1_700_000_000_000_001, 1_700_000_000_000_002):
        address = await uploads.image_url(runtime, "alice", f"gs://{BUCKET}/users/alice/a.png", generation)
        assert parse_qs(urlsplit(address).query)["generation"] == [str(generation)]


async def test_a_name_with_spaces_and_umlauts_reaches_the_provider(world: World) -> None:
    """The object is found under exactly this name, and its type is that of its bytes."""
    await world.give("alice", 1)
    uri = await world.upload("alice", "Größe (1) + ガラス.png", picture("JPEG"))

    job_id = await world.submit("alice", input={"imageUri": uri})

    line = await world.artifact((await world.job(job_id))["batchId"], "input.jsonl")
    assert b"data:image/jpeg;base64," in line


async def test_the_same_letters_otherwise_composed_name_no_object(world: World) -> None:
    """What was uploaded as `ü` is not found as `u` and two dots, and the other way round."""
    await world.give("alice", 1)
    uri = await world.upload("alice", "Größe.png")

    job_id = await world.submit("alice", input={"imageUri": unicodedata.normalize("NFD", uri)})

    job = await world.job(job_id)
    assert (job["errorCode"], job["tokensSpent"]) == ("invalid_input", 0)


async def test_a_server_that_a_job_names_hears_nothing(world: World) -> None:
    """However its address is spelt, no connection is opened; nor is the provider sent there."""
    connections = 0

    def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    await world.give("alice", 20)
    async with await asyncio.start_server(count, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for host in (
            "127.0.0.1",
            "localhost",
            "127.1",
            "2130706433",
            "0x7f000001",
            "alice@localhost",
            "example.com@[::1]",
        ):
            for scheme in ("http", "https"):
                await world.submit("alice", input={"imageUri": f"{scheme}://{host}:{port}/photo.png"})

        assert connections == 0
    refused = await world.jobs("failed")
    assert [job["errorCode"] for job in refused.values()] == ["invalid_input"] * 14
    assert (await world.read("wallets/alice"))["balance"] == 20
    await assert_promises_kept(world)


async def test_an_address_that_is_passed_on_is_never_looked_up(world: World, looked_up: list[str]) -> None:
    """From the job's creation to its answer, this process does not so much as ask for the host's address."""
    await world.give("alice", 1)
    world.set_env(OPENAI_BASE_URL=world.base_url.replace("127.0.0.1", "localhost"))

    job_id = await world.submit("alice", input={"imageUri": "https://images.example.com/photo.png"})
    await world.finish()

    assert (await world.job(job_id))["status"] == "completed"
    assert "localhost" in looked_up, "what is looked up is heard here"
    assert not [host for host in looked_up if "example" in host]
    await assert_promises_kept(world)


async def test_with_an_allow_list_other_hosts_are_refused(world: World) -> None:
    """NIGHTSHIFT_IMAGE_HOSTS restricts where the provider is sent."""
    world.set_env(NIGHTSHIFT_IMAGE_HOSTS="cdn.example.com,*.example.org")
    await world.give("alice", 3)

    allowed = await world.submit("alice", input={"imageUri": "https://cdn.example.com/a.png"})
    refused = await world.submit("alice", input={"imageUri": "https://example.com/a.png"})

    assert (await world.job(allowed))["status"] == "processing"
    job = await world.job(refused)
    assert (job["status"], job["errorCode"], job["tokensSpent"]) == ("failed", "invalid_input", 0)
    await world.finish()
    await assert_promises_kept(world)
