"""Lock -> selections -> wheels in hand -> shipments, for many targets side by side."""

from crossdock.pipeline.gather import gather
from crossdock.pipeline.hands import Means, sdist_is_pure

__all__ = ["Means", "gather", "sdist_is_pure"]
