"""A release from its store, ready to serve: downloaded, verified, loaded, warm, its golden posts right."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from model.device import ran_out_of_memory, release_memory
from model.inference import Tagger
from model.manifest import Fault, ReleaseError
from model.store.channel import Entry
from model.store.download import download
from model.store.reference import Reference
from workers.fetching import LoggedFetch
from workers.settings import BatchSettings, ModelSettings


def bring_in(
    store: str, entry: Entry, model: ModelSettings, batch: BatchSettings, key: Ed25519PublicKey | None
) -> Tagger:
    """Have a release ready to serve, beside the one that serves.

    Args:
        store: where it is kept.
        entry: what a channel of the store points to.
        model: device and dtype.
        batch: what a whole batch is.
        key: whose owner must have signed it; None to ask for no signature.

    Raises:
        ReleaseError: it can't serve; its fault tells whether trying again may help.
    """
    progress = LoggedFetch(str(entry.release))
    directory = download(Reference(store, entry.release), key=key, progress=progress)
    # A download is named by its manifest's digest.
    if directory.name != entry.manifest_sha256:
        raise ReleaseError(
            f"{store}/{entry.release} is not the release that the channel was pointed at; "
            "publish it again under another version"
        )
    try:
        tagger = Tagger.load(str(directory), device=model.device, dtype=model.dtype)
        tagger.rehearse(posts=batch.batch_posts, tokens=batch.batch_tokens)
    except ReleaseError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a release does, the one in service goes on
        if ran_out_of_memory(error):
            fault, says = Fault.MEMORY, "there is no memory for it beside the release in service"
        else:
            fault, says = Fault.MODEL, f"it fails on known good posts ({type(error).__name__})"
        refused = ReleaseError(f"{store}/{entry.release} can't serve: {says}", fault)
    else:
        return tagger
    # Out here nothing of the failed attempt is held any more by its traceback.
    release_memory()
    raise refused
