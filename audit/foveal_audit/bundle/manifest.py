"""``manifest.json``: the hash of every file, the link to the previous audit, and a signature.

``chain`` hashes the list of files together with the hash of the previous audit's manifest, so audits form an
append-only chain: nobody can change an early one without changing all later ones. The signature (Ed25519)
covers ``chain``. A bundle alone cannot show that it was replaced by another intact one: for that, compare
its ``chain`` or its signer's key with a copy kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import Field, ValidationError

from foveal.errors import UsageError
from foveal_audit.bundle.fields import Record, Sha256
from foveal_audit.bundle.identity import canonical_json, sha256_file, sha256_json
from foveal_audit.bundle.redactions import REDACTIONS, read_redactions

MANIFEST = "manifest.json"
_MAKE_KEY = "Make one with: openssl genpkey -algorithm ed25519 -out audit.key"


class Manifest(Record):
    """The content of ``manifest.json``.

    Attributes
    ----------
    files
        Path relative to the bundle, with forward slashes, and the file's sha256.
    fingerprint
        Hash of the findings without their date and timings: equal for equal audits.
    previous
        sha256 of the previous audit's manifest, ``None`` for the first audit.
    chain
        sha256 over ``files``, ``fingerprint`` and ``previous``.
    signature, public_key
        Ed25519 over ``chain``, and the raw key that checks it, both as hex.
    """

    files: dict[str, Sha256]
    fingerprint: Sha256
    previous: Sha256 | None
    chain: Sha256
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")] | None = None
    public_key: Sha256 | None = None

    def to_json(self) -> str:
        """Write ``manifest.json`` in its only valid form."""
        return canonical_json(self.model_dump(mode="json"))


def write_manifest(
    bundle: Path, fingerprint: str, previous: Path | None = None, key: Path | None = None
) -> Manifest:
    """Hash every file of a finished bundle, link it to the previous audit and sign it.

    Parameters
    ----------
    previous
        The previous audit's bundle.
    key
        PEM file with an unencrypted Ed25519 private key.

    Raises
    ------
    UsageError
        ``previous`` is not a bundle, or ``key`` is not such a key.
    """
    files = {name: sha256_file(bundle / name) for name in _listing(bundle)}
    earlier = None if previous is None else sha256_file(manifest_path(previous))
    chain = _chain(files, fingerprint, earlier)
    signature, public = (None, None) if key is None else _sign(chain, load_private_key(key))
    manifest = Manifest(
        files=files,
        fingerprint=fingerprint,
        previous=earlier,
        chain=chain,
        signature=signature,
        public_key=public,
    )
    (bundle / MANIFEST).write_text(manifest.to_json())
    return manifest


def read_manifest(bundle: Path) -> Manifest:
    """Read the manifest of a bundle.

    Raises
    ------
    UsageError
        The folder holds no manifest: it is not a bundle.
    ValueError
        The manifest is there and was altered beyond reading.
    """
    text = manifest_path(bundle).read_bytes()
    manifest = Manifest.model_validate_json(text)
    if manifest.to_json().encode() != text:
        raise ValueError("not in its canonical form")
    return manifest


def verify_manifest(bundle: Path, previous: Path | None = None, public_key: Path | None = None) -> list[str]:
    """Recompute every hash, the chain and the signature.

    What an erasure took out of a bundle (``redactions.json``) is no problem, and cannot be checked either.

    Parameters
    ----------
    previous
        The bundle that this one says it follows; checked when given.
    public_key
        PEM file with the Ed25519 key that must have signed; without it any signer will do.

    Returns
    -------
    list of str
        One line per problem, beginning with the file it concerns; empty when the bundle is intact.

    Raises
    ------
    UsageError
        The folder is not a bundle, or ``public_key`` is not such a key.
    """
    try:
        manifest = read_manifest(bundle)
    except (ValidationError, ValueError):
        return [f"{MANIFEST}: altered, it can no longer be read"]
    return [
        *_altered_files(bundle, manifest.files),
        *_broken_chain(manifest, previous),
        *_bad_signature(manifest, public_key),
    ]


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a signing key, or say what is wrong with it.

    Raises
    ------
    UsageError
        The file is missing or no unencrypted Ed25519 private key in PEM.
    """
    try:
        key = load_pem_private_key(_read_key(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # no PEM, encrypted, exotic
        raise UsageError(f"{path} is not an unencrypted private key in PEM", _MAKE_KEY) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is not an Ed25519 key", _MAKE_KEY)
    return key


def _listing(bundle: Path) -> list[str]:
    """Name everything in the bundle that is not a folder, except the manifest itself."""
    found = (
        path.relative_to(bundle).as_posix()
        for path in bundle.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )
    return sorted(name for name in found if name not in {MANIFEST, REDACTIONS})


def manifest_path(bundle: Path) -> Path:
    """Find the manifest of a bundle; a folder without one is no bundle."""
    path = bundle / MANIFEST
    if not path.is_file():
        raise UsageError(
            f"{bundle} is not a bundle: it holds no {MANIFEST}",
            "Give the folder that `foveal audit -o` wrote",
        )
    return path


def _chain(files: Mapping[str, str], fingerprint: str, previous: str | None) -> str:
    return sha256_json({"files": dict(files), "fingerprint": fingerprint, "previous": previous})


def _signed_text(chain: str) -> bytes:
    return f"foveal bundle {chain}".encode()  # says what it is, so that it can stand for nothing else


def _sign(chain: str, key: Ed25519PrivateKey) -> tuple[str, str]:
    return key.sign(_signed_text(chain)).hex(), key.public_key().public_bytes_raw().hex()


def _altered_files(bundle: Path, files: Mapping[str, str]) -> Iterator[str]:
    try:
        redactions = read_redactions(bundle)
    except ValueError as error:
        yield f"{error}"
    else:
        misfits = redactions.misfits(files)
        yield from (f"{name}: altered before samples were erased from it" for name in misfits)
        files = _as_redacted(files, redactions.files())
    present = set(_listing(bundle))
    for name, digest in sorted(files.items()):
        if name not in present:
            yield f"{name}: missing"
        elif (bundle / name).is_symlink():
            yield f"{name}: a link, not a file"
        elif sha256_file(bundle / name) != digest:
            yield f"{name}: altered"
    yield from (f"{name}: not in the manifest" for name in sorted(present - set(files)))


def _as_redacted(files: Mapping[str, str], redacted: Mapping[str, str | None]) -> dict[str, str]:
    """Say what the files should be after an erasure took something out of them."""
    kept = {name: digest for name, digest in files.items() if name not in redacted}
    return kept | {name: digest for name, digest in redacted.items() if digest is not None}


def _broken_chain(manifest: Manifest, previous: Path | None) -> Iterator[str]:
    if _chain(manifest.files, manifest.fingerprint, manifest.previous) != manifest.chain:
        yield f"{MANIFEST}: altered, the chain does not fit its files"
    if previous is not None and sha256_file(manifest_path(previous)) != manifest.previous:
        yield f"{MANIFEST}: does not follow {previous}"


def _bad_signature(manifest: Manifest, public_key: Path | None) -> Iterator[str]:
    if (manifest.signature is None) != (manifest.public_key is None):
        yield f"{MANIFEST}: altered, a signature and its key belong together"
    elif manifest.signature and manifest.public_key and not _signature_holds(manifest):
        yield f"{MANIFEST}: altered, the signature does not hold"
    if public_key is not None and manifest.public_key != _load_public_key(public_key):
        yield f"{MANIFEST}: not signed by {public_key}"


def _signature_holds(manifest: Manifest) -> bool:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(manifest.public_key or ""))
    try:
        key.verify(bytes.fromhex(manifest.signature or ""), _signed_text(manifest.chain))
    except InvalidSignature:
        return False
    return True


def _load_public_key(path: Path) -> str:
    mend = "Make it from the private key with: openssl pkey -in audit.key -pubout -out audit.pub"
    try:
        key = load_pem_public_key(_read_key(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} is not a public key in PEM", mend) from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path} is not an Ed25519 key", mend)
    return key.public_bytes_raw().hex()


def _read_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the key {path}", _MAKE_KEY) from error
