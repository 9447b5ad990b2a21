"""What a file declares at an identifier: a function with its parameters, a type, a member of one, a variable.

Unlike `context/symbols.py`, which reads whole files for the symbol graph, this reads the one place that was edited,
local names too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tree_sitter import Node

from foretype.context.rules import scopes
from foretype.context.rules.mentions import Mention
from foretype.context.rules.trees import Parsed

SymbolKind = Literal[
    "function", "method", "class", "type", "constant", "field", "member", "variable", "parameter", "import"
]
# "plain" may be given by place and, where the language has it, by name; "positional" by place alone; "keyword" by name
# alone; "rest" and "keywords" take all others; "pattern" has no name of its own.
Form = Literal["plain", "positional", "keyword", "rest", "keywords", "pattern"]

_SELF = (b"self", b"this", b"cls")
_ENUMS = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")
_FUNCTION_VALUES = ("arrow_function", "function_expression", "generator_function")
_PARAMETER_LISTS = ("parameters", "formal_parameters", "parameter_list", "lambda_parameters")
_CLASS_NODES = ("class_definition", "class_declaration", "class", "abstract_class_declaration")
_RUST_TYPES = ("struct_item", "enum_item", "trait_item", "union_item", "type_item")
_TYPE_NODES = (
    "record_declaration",
    "interface_declaration",
    "enum_declaration",
    "type_alias_declaration",
    "type_spec",
    "type_alias",
)


@dataclass(frozen=True)
class Parameter:
    """`default` is its text, "?" where TypeScript has it optional without one, "" where it must be given."""

    name: str
    form: Form
    default: str
    annotation: str

    @property
    def needed(self) -> bool:
        return not self.default and self.form not in ("rest", "keywords")


@dataclass(frozen=True)
class Symbol:
    """A declaration. `start` and `end` are the bytes of its name in the text that it was found in, `line` is its line,
    `first` and `last` are the bytes of all of it. `container` holds the names of the definitions around it, dotted."""

    path: str
    name: str
    kind: SymbolKind
    container: str
    start: int
    end: int
    line: int
    first: int
    last: int
    parameters: tuple[Parameter, ...] | None = None


def symbol(file: Parsed, mention: Mention) -> Symbol | None:
    """What is declared at a mention, None if nothing is."""
    kind = _kind(file, mention)
    if kind is None:
        return None
    node, whole = mention.node, definition(mention)
    function = function_of(mention)
    return Symbol(
        path=file.path,
        name=file.text(node),
        kind=kind,
        container=container(file, mention),
        start=node.start_byte,
        end=node.end_byte,
        line=file.line(node.start_byte),
        first=whole.start_byte,
        last=whole.end_byte,
        parameters=tuple(parameters(file, function)) if function is not None else None,
    )


def definition(mention: Mention) -> Node:
    """The node of a whole declaration."""
    if mention.role == "member" and mention.scope is not None:
        return mention.scope
    return mention.other if mention.other is not None else mention.node


def function_of(mention: Mention) -> Node | None:
    """The function that a mention gives its name to, or the signature of one."""
    node = definition(mention)
    if mention.role == "member":
        return None
    if node.type in ("variable_declarator", "public_field_definition", "field_definition"):
        value = node.child_by_field_name("value")
        return value if value is not None and value.type in _FUNCTION_VALUES else None
    return node if node.type != "lambda" and node.child_by_field_name("parameters") is not None else None


def type_around(mention: Mention) -> Node | None:
    """The type that a mention is declared in, or whose method it stands in; of Go, the receiver's name."""
    for node in mention.spot.nodes[1:]:
        if node.type in (*_CLASS_NODES, "interface_declaration", "enum_declaration"):
            return node
        if node.type == "type_spec":
            return node
        if node.type in ("record_declaration", "struct_item", "enum_item", "trait_item", "union_item"):
            return node
        if node.type == "impl_item":
            return _implemented(node)
        if node.type == "method_declaration" and node.child_by_field_name("receiver") is not None:
            return _receiver_type(node)
    return None


def container(file: Parsed, mention: Mention) -> str:
    """The names of the types and functions around a declaration, dotted; of Go, the receiver's type."""
    names: list[str] = []
    own = definition(mention) if mention.role != "member" else None
    for node in mention.spot.nodes[1:]:
        if node.type == "impl_item" and (target := _implemented(node)) is not None:
            names.append(file.text(target))
        receiver = _receiver_type(node) if node.type == "method_declaration" else None
        if receiver is not None:
            names += [file.text(node.child_by_field_name("name") or node)] if node != own else []
            names.append(file.text(receiver))
        elif node != own and (name := _name(node)) is not None:
            names.append(file.text(name))
    if mention.role == "member":  # `self.x`: of the class, not of the method
        while len(names) > 1 and not _is_type_name(mention, names[0], file):
            names.pop(0)
    return ".".join(reversed(names))


def parameters(file: Parsed, function: Node) -> Iterator[Parameter]:
    """The parameters of a function, in order."""
    listed = function.child_by_field_name("parameters")
    if listed is None:
        single = function.child_by_field_name("parameter")
        if single is not None:
            yield Parameter(file.text(single), "plain", "", "")
        return
    readers = {
        "python": _python_parameters,
        "go": _go_parameters,
        "java": _java_parameters,
        "rust": _rust_parameters,
    }
    reader = readers.get(file.language.name, _ecma_parameters)
    yield from reader(file, listed)


def _python_parameters(file: Parsed, listed: Node) -> Iterator[Parameter]:
    found: list[Parameter] = []
    form: Form = "plain"
    for node in listed.named_children:
        if node.type == "positional_separator":
            found = [Parameter(row.name, "positional", row.default, row.annotation) for row in found]
        elif node.type == "keyword_separator":
            form = "keyword"
        elif node.type == "list_splat_pattern":
            found.append(Parameter(file.text(node).lstrip("* "), "rest", "", ""))
            form = "keyword"
        elif node.type == "dictionary_splat_pattern":
            found.append(Parameter(file.text(node).lstrip("* "), "keywords", "", ""))
        elif node.type == "typed_parameter":
            name, kind = node.named_children[0], _text(file, node, "type")
            splat = name.type in ("list_splat_pattern", "dictionary_splat_pattern")
            own: Form = form if not splat else "rest" if name.type == "list_splat_pattern" else "keywords"
            found.append(Parameter(file.text(name).lstrip("* "), own, "", kind))
            form = "keyword" if own == "rest" else form
        elif node.type in ("default_parameter", "typed_default_parameter"):
            value, kind = _text(file, node, "value"), _text(file, node, "type")
            found.append(Parameter(_text(file, node, "name"), form, value, kind))
        elif node.type == "identifier":
            found.append(Parameter(file.text(node), form, "", ""))
    yield from found


def _ecma_parameters(file: Parsed, listed: Node) -> Iterator[Parameter]:
    for node in listed.named_children:
        if node.type in ("comment", "decorator"):
            continue
        pattern, default, kind = node, "", ""
        if node.type in ("required_parameter", "optional_parameter"):
            pattern = node.child_by_field_name("pattern") or node
            default = _text(file, node, "value") or ("?" if node.type == "optional_parameter" else "")
            kind = _text(file, node, "type").removeprefix(":").strip()
        if pattern.type == "assignment_pattern":
            default, pattern = _text(file, pattern, "right"), pattern.child_by_field_name("left") or pattern
        if pattern.type == "this":
            continue
        form: Form = {"identifier": "positional", "rest_pattern": "rest"}.get(pattern.type, "pattern")  # type: ignore[assignment]
        yield Parameter(file.text(pattern).lstrip(". "), form, default, kind)


def _go_parameters(file: Parsed, listed: Node) -> Iterator[Parameter]:
    for node in listed.named_children:
        names, kind = node.children_by_field_name("name"), _text(file, node, "type")
        if node.type == "variadic_parameter_declaration":
            yield Parameter(file.text(names[0]) if names else "", "rest", "", kind)
        elif node.type == "parameter_declaration":
            yield from (Parameter(file.text(name), "positional", "", kind) for name in names)
            if not names:
                yield Parameter("", "positional", "", kind)


def _java_parameters(file: Parsed, listed: Node) -> Iterator[Parameter]:
    for node in listed.named_children:
        if node.type == "formal_parameter":
            yield Parameter(_text(file, node, "name"), "positional", "", _text(file, node, "type"))
        elif node.type == "spread_parameter":
            yield Parameter(file.text(node).split()[-1].lstrip("."), "rest", "", "")


def _rust_parameters(file: Parsed, listed: Node) -> Iterator[Parameter]:
    for node in listed.named_children:
        if node.type == "parameter":
            yield Parameter(_text(file, node, "pattern"), "positional", "", _text(file, node, "type"))


def _implemented(impl: Node) -> Node | None:
    """The name of the type that an `impl` of Rust is for."""
    node = impl.child_by_field_name("type")
    return node.child_by_field_name("type") if node is not None and node.type == "generic_type" else node


def _kind(file: Parsed, mention: Mention) -> SymbolKind | None:
    node = definition(mention)
    if mention.role == "member":
        own = mention.scope is not None and mention.other is not None and mention.other.text in _SELF
        return "field" if own else None
    if mention.role == "declare":
        if _is_of_trait(mention):
            return None
        if node.type in ("enum_assignment", "property_identifier", "enum_constant", "enum_variant"):
            return "member"
        return "method" if function_of(mention) is not None else "field"
    if mention.role != "bind" or mention.scope is None:
        return None
    rules = scopes.names_of(file.language.name)
    if rules is None:
        return None
    if any(at.type in rules.IMPORTS and at.type != "export_statement" for at in mention.spot.nodes[1:4]):
        return "import"
    if any(at.type in _PARAMETER_LISTS for at in mention.spot.nodes[1:]) and mention.scope.type in rules.FUNCTIONS:
        return "parameter"
    in_class = file.language.name == "python" and mention.scope.type in rules.CLASSES
    if function_of(mention) is not None:
        return "method" if in_class else "function"
    if node.type in _CLASS_NODES or node.type == "struct_item":
        return "class"
    if node.type in _RUST_TYPES:
        return "type"
    if node.type in _TYPE_NODES:
        return "type" if node.type != "type_spec" or not _is_struct(node) else "class"
    if in_class:
        return "member" if _is_enum(file, mention.scope) else "field"
    return "constant" if mention.scope == file.root else "variable"


def _is_enum(file: Parsed, node: Node) -> bool:
    bases = node.child_by_field_name("superclasses")
    return bases is not None and any(file.text(base).rpartition(".")[2] in _ENUMS for base in bases.named_children)


def _is_struct(node: Node) -> bool:
    kind = node.child_by_field_name("type")
    return kind is not None and kind.type == "struct_type"


def _is_of_trait(mention: Mention) -> bool:
    """Whether a function of Rust is a trait's, which others implement: what becomes of those is not followed."""
    around = mention.scope
    if around is None or mention.node.type == "field_identifier":
        return False
    return around.type == "trait_item" or (
        around.type == "impl_item" and around.child_by_field_name("trait") is not None
    )


def _name(node: Node) -> Node | None:
    """The name of a definition that others are inside of."""
    if node.type in (*_CLASS_NODES, *_TYPE_NODES, "internal_module", "function_definition", "method_definition"):
        return node.child_by_field_name("name")
    if node.type in ("function_item", "mod_item", *_RUST_TYPES):
        return node.child_by_field_name("name")
    if node.type in ("function_declaration", "generator_function_declaration", "constructor_declaration"):
        return node.child_by_field_name("name")
    if node.type == "method_declaration" and node.child_by_field_name("receiver") is None:
        return node.child_by_field_name("name")
    if node.type == "variable_declarator":
        value = node.child_by_field_name("value")
        return node.child_by_field_name("name") if value is not None and value.type in _FUNCTION_VALUES else None
    return None


def _is_type_name(mention: Mention, name: str, file: Parsed) -> bool:
    around = type_around(mention)
    if around is None:
        return True
    named = around.child_by_field_name("name")
    return file.text(named if named is not None else around) == name


def _receiver_type(method: Node) -> Node | None:
    """The name of the type that a method of Go is of."""
    receiver = method.child_by_field_name("receiver")
    nodes = list(receiver.named_children) if receiver is not None else []
    while nodes:
        node = nodes.pop(0)
        if node.type == "type_identifier":
            return node
        inner = node.child_by_field_name("type")
        nodes = [inner] if inner is not None else list(node.named_children) if node.type == "pointer_type" else nodes
    return None


def _text(file: Parsed, node: Node, field: str) -> str:
    child = node.child_by_field_name(field)
    return file.text(child) if child is not None else ""
