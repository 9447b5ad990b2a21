"""The components of React whose properties are of certain types: functions that take one of them first."""

from __future__ import annotations

from collections import defaultdict

from tree_sitter import Node

from foretype.context.rules import uses
from foretype.context.rules.receivers import Types
from foretype.context.rules.trees import Parsed
from foretype.context.rules.view import View

_ENDS = (".tsx", ".jsx")


def taking(view: View, types: Types) -> Types:
    """The occurrences, in all files, of the names of components whose properties are of one of the types."""
    names: dict[str, set[int]] = defaultdict(set)
    for path, starts in types.names.items():
        file = view.file(path) if path.endswith(_ENDS) else None
        for start in sorted(starts) if file is not None else ():
            named = _component(file, start) if file is not None else None
            for use in uses.top_level(view, path, named) if named else ():
                names[use.file.path].add(use.mention.node.start_byte)
    return Types(names, {})


def _component(file: Parsed, start: int) -> str:
    """The function at the top level whose first parameter has the type at a byte, or that says so of itself."""
    spot = file.spot(start, _end(file, start))
    nodes = list(spot.nodes) if spot is not None else []
    kinds = [node.type for node in nodes]
    if "formal_parameters" in kinds:
        at = kinds.index("formal_parameters")
        first = nodes[at].named_children[0] if nodes[at].named_children else None
        holder = nodes[at + 2] if kinds[at + 1] == "arrow_function" else nodes[at + 1]
        return _name(file, holder) if first == nodes[at - 1] else ""
    if "type_arguments" in kinds and "variable_declarator" in kinds:  # const Name: FC<Properties>
        holder = nodes[kinds.index("variable_declarator")]
        note = holder.child_by_field_name("type")
        inside = note is not None and note.start_byte <= start < note.end_byte
        return _name(file, holder) if inside and note is not None and b"FC<" in (note.text or b"") else ""
    return ""


def _end(file: Parsed, start: int) -> int:
    leaf = file.root.descendant_for_byte_range(start, start + 1)
    return leaf.end_byte if leaf is not None else start + 1


def _name(file: Parsed, node: Node) -> str:
    named = node.child_by_field_name("name")
    return file.text(named) if named is not None and named.type == "identifier" else ""
