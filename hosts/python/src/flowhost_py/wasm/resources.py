"""The host's objects that a guest holds handles to."""

from __future__ import annotations

from typing import Any, ClassVar

MOST = 10_000
"""Objects that one instance may have at the same time; a guest that leaks them is stopped, not the host."""


class Resource:
    """An object behind a handle. Each kind of resource in the WIT is one class, and its subclasses."""

    TYPE: ClassVar[int]
    """Tells wasmtime the kinds of resources apart."""
    NAME: ClassVar[str]
    """The resource's name in the WIT."""

    _kinds: ClassVar[int] = 0

    def __init_subclass__(cls, name: str | None = None, **more: Any) -> None:
        super().__init_subclass__(**more)
        if name is not None:
            Resource._kinds += 1
            cls.TYPE = Resource._kinds
            cls.NAME = name

    def dropped(self) -> None:
        """The guest has dropped its handle."""


class Resources:
    """The objects that one instance has handles to, by the number that wasmtime keeps for us."""

    def __init__(self) -> None:
        self._held: dict[int, Resource] = {}
        self._next = 1
        self.context: Any = None
        """The Store's context, while the guest runs."""

    def put(self, resource: Resource) -> int:
        """Keeps an object for the guest."""
        if len(self._held) >= MOST:
            raise MemoryError(f"the connector holds more than {MOST} handles")
        rep = self._next
        # Numbers are not used twice, so a stale one can never mean another object. wasmtime keeps 32 bits.
        self._next += 1
        self._held[rep] = resource
        return rep

    def get(self, rep: int) -> Any:
        """The object behind a borrowed handle."""
        return self._held[rep]

    def take(self, rep: int) -> Any:
        """The object behind a handle that the guest gives away."""
        return self._held.pop(rep)

    def drop(self, rep: int) -> None:
        """The guest has dropped the handle."""
        self._held.pop(rep).dropped()

    def clear(self) -> None:
        """Drops everything, at the end of the instance."""
        held, self._held = list(self._held.values()), {}
        for resource in held:
            resource.dropped()
