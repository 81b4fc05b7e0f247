"""Objects with a number that comes back: what they look like, and a memory of those that were looked at."""

from sam_edge.identity.events import EventKind, KnownObject, ObjectEvent, final_numbers
from sam_edge.identity.memory import ObjectMemory, ObjectsKeptError

__all__ = ["EventKind", "KnownObject", "ObjectEvent", "ObjectMemory", "ObjectsKeptError", "final_numbers"]
