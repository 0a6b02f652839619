"""The content-addressed store on this disk: downloads, trees, and facts about them."""

from crossdock.store.blobs import Partial
from crossdock.store.core import Store, boot_identity, default_root

__all__ = ["Partial", "Store", "boot_identity", "default_root"]
