"""An occurrence of a name, as the rules of its language read it (`context/*_names.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tree_sitter import Node

from foretype.context.rules.trees import Spot

# "bind": a name comes to be in `scope`, `other` is the node that says so (a parameter, an assignment, a definition).
# "read": any other bare use; once resolved, `scope` is where it is bound, None if nowhere in the file.
# "import": the name that another file knows it by, `other` is the statement; bound in `scope` unless it has an alias.
# "member": a part of what `other` is (`other.name`); with `scope`, an assignment to it.
# "declare": a member in the body of the type `scope`, which bare names do not see.
# "key": of an object literal or pattern, or of a literal of a struct, which `other` is.
# "keyword": the name of an argument in the call `other`.
# "quoted": an annotation in quotes which may hold the name.
Role = Literal["bind", "read", "import", "member", "declare", "key", "keyword", "quoted"]


@dataclass(frozen=True)
class Mention:
    spot: Spot
    role: Role
    scope: Node | None = None
    other: Node | None = None
    since: int = 0  # the byte from which on a binding holds, in languages where what comes before means another one

    @property
    def node(self) -> Node:
        return self.spot.node
