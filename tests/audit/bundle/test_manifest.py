"""manifest.json: whatever is done to a bundle shows."""

import hashlib
import json
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal_audit.bundle.manifest import MANIFEST, read_manifest, verify_manifest, write_manifest

FINGERPRINT = "ab" * 32


def write_key(path, key, encryption=None):
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    public = path.with_suffix(".pub")
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path, public


def fill(folder, key=None, previous=None):
    (folder / "generators" / "fc1:7").mkdir(parents=True)
    (folder / "findings.json").write_text('{"a": 1}')
    (folder / "report.html").write_text("<p>report</p>")
    (folder / "generators" / "fc1:7" / "card.json").write_text("{}")
    write_manifest(folder, FINGERPRINT, previous, key)
    return folder


@pytest.fixture
def key(tmp_path):
    return write_key(tmp_path / "audit.key", Ed25519PrivateKey.generate())


@pytest.fixture(params=["signed", "unsigned"])
def bundle(request, tmp_path, key):
    return fill(tmp_path / "bundle", key[0] if request.param == "signed" else None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A signed bundle as bytes, for the property tests, which may not change a fixture's files."""
    folder = tmp_path_factory.mktemp("whole")
    key, _ = write_key(folder / "audit.key", Ed25519PrivateKey.generate())
    return fill(folder / "bundle", key)


def test_an_untouched_bundle_is_intact(bundle):
    assert verify_manifest(bundle) == []


def test_every_file_is_listed_with_its_hash_by_its_path_with_slashes(bundle):
    files = json.loads((bundle / MANIFEST).read_text())["files"]
    assert sorted(files) == ["findings.json", "generators/fc1:7/card.json", "report.html"]
    assert files["report.html"] == hashlib.sha256(b"<p>report</p>").hexdigest()


@pytest.mark.parametrize("name", ["findings.json", "report.html", "generators/fc1:7/card.json"])
def test_an_altered_file_is_named(bundle, name):
    (bundle / name).write_bytes((bundle / name).read_bytes() + b" ")
    assert verify_manifest(bundle) == [f"{name}: altered"]


def test_each_problem_is_named(bundle):
    (bundle / "findings.json").unlink()
    (bundle / "notes.txt").write_text("mine")
    (bundle / "report.html").write_text("other")
    expected = ["findings.json: missing", "report.html: altered", "notes.txt: not in the manifest"]
    assert verify_manifest(bundle) == expected


def test_two_swapped_files_are_named(bundle):
    a, b = bundle / "findings.json", bundle / "report.html"
    kept = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(kept)
    assert verify_manifest(bundle) == ["findings.json: altered", "report.html: altered"]


def test_a_link_to_the_same_content_is_not_the_file(bundle, tmp_path):
    shutil.copy(bundle / "report.html", tmp_path / "elsewhere.html")
    (bundle / "report.html").unlink()
    (bundle / "report.html").symlink_to(tmp_path / "elsewhere.html")
    assert verify_manifest(bundle) == ["report.html: a link, not a file"]


def test_a_manifest_cannot_reach_outside_its_bundle(bundle, tmp_path):
    (tmp_path / "outside").write_text("x")
    content = json.loads((bundle / MANIFEST).read_text())
    content["files"]["../outside"] = hashlib.sha256(b"x").hexdigest()
    (bundle / MANIFEST).write_text(json.dumps(content, sort_keys=True, indent=1) + "\n")
    assert verify_manifest(bundle)[0] == "../outside: missing"


@given(st.data())
def test_any_changed_byte_anywhere_shows(whole, data):
    """Every byte of every file, the manifest's own included."""
    name = data.draw(
        st.sampled_from([MANIFEST, "findings.json", "report.html", "generators/fc1:7/card.json"])
    )
    content = bytearray((whole / name).read_bytes())
    at, new = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 255))
    old, content[at] = content[at], new
    try:
        (whole / name).write_bytes(content)
        problems = verify_manifest(whole)
    finally:
        content[at] = old
        (whole / name).write_bytes(content)
    assert (problems == []) == (new == old)
    assert new == old or any(problem.startswith(name) for problem in problems)
    assert verify_manifest(whole) == []


@given(st.integers(0, 10_000))
def test_any_truncation_of_the_manifest_shows(whole, length):
    content = (whole / MANIFEST).read_bytes()
    length %= len(content)
    try:
        (whole / MANIFEST).write_bytes(content[:length])
        assert verify_manifest(whole) == ["manifest.json: altered, it can no longer be read"]
    finally:
        (whole / MANIFEST).write_bytes(content)


def test_a_rewritten_file_list_breaks_the_chain(bundle):
    (bundle / "report.html").write_text("other")
    content = json.loads((bundle / MANIFEST).read_text())
    content["files"]["report.html"] = hashlib.sha256(b"other").hexdigest()
    (bundle / MANIFEST).write_text(json.dumps(content, sort_keys=True, indent=1) + "\n")
    assert verify_manifest(bundle)[0] == "manifest.json: altered, the chain does not fit its files"


def test_a_whole_new_manifest_breaks_the_signature(tmp_path, key):
    """Whoever rewrites files, list and chain cannot sign them."""
    bundle = fill(tmp_path / "bundle", key[0])
    signed = json.loads((bundle / MANIFEST).read_text())
    (bundle / "report.html").write_text("other")
    forged = json.loads(write_manifest(bundle, FINGERPRINT).to_json())
    forged |= {"signature": signed["signature"], "public_key": signed["public_key"]}
    (bundle / MANIFEST).write_text(json.dumps(forged, sort_keys=True, indent=1) + "\n")
    assert verify_manifest(bundle) == ["manifest.json: altered, the signature does not hold"]


def test_a_signature_without_its_key_shows(tmp_path, key):
    bundle = fill(tmp_path / "bundle", key[0])
    content = json.loads((bundle / MANIFEST).read_text()) | {"public_key": None}
    (bundle / MANIFEST).write_text(json.dumps(content, sort_keys=True, indent=1) + "\n")
    assert verify_manifest(bundle) == ["manifest.json: altered, a signature and its key belong together"]


def test_the_signature_is_plain_ed25519_over_the_chain(tmp_path, key):
    manifest = read_manifest(fill(tmp_path / "bundle", key[0]))
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(manifest.public_key))
    public.verify(bytes.fromhex(manifest.signature), f"foveal bundle {manifest.chain}".encode())


def test_the_signer_can_be_demanded(tmp_path, key):
    _, stranger = write_key(tmp_path / "stranger.key", Ed25519PrivateKey.generate())
    signed, unsigned = fill(tmp_path / "signed", key[0]), fill(tmp_path / "unsigned")
    assert verify_manifest(signed, public_key=key[1]) == []
    assert verify_manifest(signed, public_key=stranger) == [f"manifest.json: not signed by {stranger}"]
    assert verify_manifest(unsigned, public_key=key[1]) == [f"manifest.json: not signed by {key[1]}"]


def test_audits_form_a_chain(tmp_path):
    first = fill(tmp_path / "first")
    second = fill(tmp_path / "second", previous=first)
    third = fill(tmp_path / "third", previous=second)
    assert read_manifest(first).previous is None
    assert read_manifest(second).previous == hashlib.sha256((first / MANIFEST).read_bytes()).hexdigest()
    assert read_manifest(second).chain != read_manifest(first).chain
    assert verify_manifest(third, previous=second) == []
    assert verify_manifest(third, previous=first) == [f"manifest.json: does not follow {first}"]


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path):
    with pytest.raises(UsageError) as error:
        verify_manifest(tmp_path)
    fault = f"{tmp_path} is not a bundle: it holds no manifest.json"
    assert str(error.value) == f"{fault}. Give the folder that `foveal audit -o` wrote."


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda path: None, "cannot read the key {path}"),
        (lambda path: path.write_text("no key"), "{path} is not an unencrypted private key in PEM"),
        (
            lambda path: write_key(path, Ed25519PrivateKey.generate(), BestAvailableEncryption(b"x")),
            "{path} is not an unencrypted private key in PEM",
        ),
        (lambda path: write_key(path, X25519PrivateKey.generate()), "{path} is not an Ed25519 key"),
    ],
)
def test_wrong_private_keys_are_explained(tmp_path, make, fault):
    path = tmp_path / "wrong.key"
    make(path)
    with pytest.raises(UsageError) as error:
        fill(tmp_path / "bundle", path)
    mend = "Make one with: openssl genpkey -algorithm ed25519 -out audit.key."
    assert str(error.value) == f"{fault.format(path=path)}. {mend}"


def test_a_private_key_is_no_public_key(tmp_path, key):
    bundle = fill(tmp_path / "bundle", key[0])
    with pytest.raises(
        UsageError, match=r"audit\.key is not a public key in PEM\. Make it from the private key"
    ):
        verify_manifest(bundle, public_key=key[0])
