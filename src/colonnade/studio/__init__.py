"""How it looks: the pages of Studio, and the diagram of a schema."""

from colonnade.studio._local_access import LocalAccess, require_local_access
from colonnade.studio._local_studio import LocalStudio
from colonnade.studio._studio import Studio

__all__ = ["LocalAccess", "LocalStudio", "Studio", "require_local_access"]
