"""Every option: its default, its meaning and its limits side by side, and the places that options come from.

Later places win: the defaults, the user's file, the workspace's `.foretype.toml`, the client's `initializationOptions`,
its last `didChangeConfiguration`. What is wrong in one of them becomes a line that says so; the rest counts. A
workspace file comes with a cloned repository and is not trusted: it cannot send code elsewhere, load weights from a
path, or switch on what the user switched off.

Knows no protocol objects, and not whether a model of some name exists.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from foretype.context import machine

WORKSPACE_FILE = ".foretype.toml"

# Bytes. tomllib takes time and memory by the square of a dotted key's length: 1 s for 16 KiB of nothing else.
LARGEST_FILE = 16 * 1024

# Problem lines of one place; the rest is counted.
MOST_PROBLEMS = 20


class _Wrong(Exception):
    """A value that an option cannot have; the message says what was expected."""


def _yes(standing: Any, value: Any) -> Any:
    return value


def _no(standing: Any, value: Any) -> Any:
    raise _Wrong("a workspace file may not set this, only your own options may")


def _name(standing: Any, value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value) or value.lower().endswith((".gguf", ".onnx")):
        raise _Wrong("a workspace file may give a name here, but no path")
    return value


def _off(standing: bool | str, value: bool | str) -> bool | str:
    if value not in (standing, False, "off"):
        raise _Wrong("a workspace file may switch this off, not on")
    return value


def _more(standing: tuple[str, ...], value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(standing + value))


# What a workspace file may do to an option: from the value that stands and the file's to the new one, or `_Wrong`.
_WORKSPACE: dict[str, Callable[[Any, Any], Any]] = {
    "yes": _yes,
    "no": _no,
    "a name, no path": _name,
    "only off": _off,
    "adds to it": _more,
}


def _option(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    workspace: str = "yes",
) -> Any:
    meaning = {"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices, "workspace": workspace}
    return field(default=default, metadata=meaning)


@dataclass(frozen=True)
class ModelOptions:
    name: str = _option(
        "qwen2.5-coder-0.5b",
        "A name from the catalogue, or a path: a `.gguf` file, or a folder with `model.onnx`.",
        workspace="a name, no path",
    )
    adapter: str = _option(
        "default",
        "`default` for the adapter that comes with the model, `none`, or an adapter's folder.",
        workspace="a name, no path",
    )
    backend: str = _option(
        "local",
        "`local`: the built-in engine. `hf`: transformers. `openai`: a server; see `[openai]`.",
        choices=("local", "hf", "openai"),
        workspace="no",
    )
    fallback: str = _option(
        "none",
        "With `openai`, what answers while the server does not: `local` keeps the built-in model in memory for that.",
        choices=("none", "local"),
        workspace="no",
    )
    engine: str = _option(
        "auto",
        "What computes the built-in model; `auto`: OpenVINO for long prompts where it is there and faster.",
        choices=("auto", "onnx", "openvino"),
        workspace="no",
    )
    threads: int = _option(0, "Threads of the engine; 0: one for each physical core.", minimum=0, maximum=1024)
    share: bool = _option(True, "Whether all windows of a user share one engine process.", workspace="no")
    context_tokens: int = _option(
        2048, "Size of the engine's key-value cache: prompt and answer must fit.", minimum=256, maximum=131072
    )


@dataclass(frozen=True)
class CompletionOptions:
    enabled: bool = _option(True, "Whether ghost text is suggested at all.", workspace="only off")
    disabled_languages: tuple[str, ...] = _option(
        (), "Language identifiers without ghost text, such as `markdown`.", workspace="adds to it"
    )
    mode: str = _option(
        "auto",
        "Length of a suggestion: one line, several, or what the place calls for.",
        choices=("auto", "single", "multi"),
    )
    comments: bool = _option(True, "Whether ghost text is suggested in comments.")
    max_tokens_single: int = _option(32, "Longest suggestion of one line, in tokens.", minimum=1, maximum=1024)
    max_tokens_multi: int = _option(96, "Longest suggestion of several lines, in tokens.", minimum=1, maximum=4096)
    prefix_tokens: int = _option(256, "Text before the cursor that the model sees.", minimum=16, maximum=65536)
    suffix_tokens: int = _option(64, "Text after the cursor that the model sees.", minimum=0, maximum=65536)
    deadline_ms: int = _option(
        700, "A cold prompt is cut to what this machine reads and answers in time; 0: never.", minimum=0, maximum=60_000
    )
    gate: float = _option(
        0.08, "How likely a suggestion must be to be taken, to be shown; 0 shows everything.", minimum=0, maximum=1
    )
    debounce_ms: int = _option(10, "Rest after a key before the model starts.", minimum=0, maximum=10_000)


@dataclass(frozen=True)
class ContextOptions:
    enabled: bool = _option(
        True,
        "Whether parts of other files of the workspace are put into the prompt.",
        workspace="only off",
    )
    tokens: int = _option(192, "What of other files the model sees.", minimum=0, maximum=8192)
    include: tuple[str, ...] = _option((), "Read only these folders of the workspace.", workspace="no")


@dataclass(frozen=True)
class EditsOptions:
    enabled: bool = _option(
        True, "Whether next edits are proposed, which needs the symbols of the workspace.", workspace="only off"
    )
    model: str = _option(
        "due",
        "Places that the model is asked about where no rule can tell: none, where something is known to be due, or all "
        "that are likely. It is the model of ghost text: nothing is asked while `completion.enabled` is off.",
        choices=("off", "due", "likely"),
        workspace="only off",
    )
    disabled_languages: tuple[str, ...] = _option(
        (), "Language identifiers whose edits call for nothing, such as `markdown`.", workspace="adds to it"
    )
    idle_ms: int = _option(600, "Rest after a key before an edit counts as settled.", minimum=0, maximum=60_000)
    line_left: bool = _option(True, "Whether an edit settles when the cursor leaves its line.")
    saved: bool = _option(True, "Whether an edit settles when its file is saved.")
    diagnostics: bool = _option(True, "Whether a new diagnostic near a recent change settles it.")
    diagnostics_ms: int = _option(300, "Rest after diagnostics before they are looked at.", minimum=0, maximum=60_000)
    mid_word: bool = _option(False, "Whether an edit settles while the cursor is inside a word.")
    after_undo: bool = _option(False, "Whether an undo or a redo is an edit.")
    rejected_s: float = _option(
        5.0, "How long nothing is proposed on the line of a rejected edit.", minimum=0, maximum=3600
    )
    recent_s: float = _option(
        300.0, "Edits call for others for so long, or while their proposals are accepted.", minimum=1, maximum=86_400
    )
    most: int = _option(200, "Most edits that the rules propose after an edit.", minimum=1, maximum=1000)


@dataclass(frozen=True)
class OpenaiOptions:
    url: str = _option("", "Base address of a server with `/v1/completions`.", workspace="no")
    model: str = _option("", "The model's name on that server.", workspace="no")
    family: str = _option(
        "", "Prompt layout to render here; empty: prompt and suffix are sent as two fields.", workspace="no"
    )
    api_key_env: str = _option(
        "FORETYPE_API_KEY", "Name of the environment variable that holds the key.", workspace="no"
    )
    timeout_s: float = _option(10.0, "Longest wait for the server.", minimum=0.1, maximum=600, workspace="no")
    retries: int = _option(
        2,
        "Further tries after a failure that may pass; none with `model.fallback`.",
        minimum=0,
        maximum=10,
        workspace="no",
    )
    concurrent: int = _option(
        4, "Most requests of one process at the server at once.", minimum=1, maximum=1024, workspace="no"
    )


@dataclass(frozen=True)
class TelemetryOptions:
    enabled: bool = _option(
        True, "Whether what becomes of suggestions is counted, in a file on this machine alone.", workspace="only off"
    )
    capture_code: bool = _option(
        False, "Whether that file holds the code too, without secrets, to train on.", workspace="no"
    )
    retention_days: int = _option(
        90, "What nobody has added to for so long is deleted.", minimum=1, maximum=3650, workspace="no"
    )
    max_mib: int = _option(
        256, "Size of the file from which on its oldest part is deleted.", minimum=1, maximum=65_536, workspace="no"
    )


@dataclass(frozen=True)
class LogOptions:
    level: str = _option(
        "info", "What is written to stderr.", choices=("debug", "info", "warning", "error"), workspace="no"
    )


@dataclass(frozen=True)
class Options:
    model: ModelOptions = ModelOptions()
    completion: CompletionOptions = CompletionOptions()
    context: ContextOptions = ContextOptions()
    edits: EditsOptions = EditsOptions()
    openai: OpenaiOptions = OpenaiOptions()
    telemetry: TelemetryOptions = TelemetryOptions()
    log: LogOptions = LogOptions()

    @property
    def model_name(self) -> str:
        """What the model that answers is called, on this machine or on a server."""
        return self.openai.model if self.model.backend == "openai" else self.model.name


@dataclass(frozen=True)
class Loaded:
    """Options that hold whatever happened, and one line for each thing that was wrong."""

    options: Options = Options()
    problems: tuple[str, ...] = ()


def load(workspace: Path | None, initialization: object = None, configuration: object = None) -> Loaded:
    """The options for a workspace folder. The client's two objects hold sections, or hold them under "foretype"."""
    user = user_file()
    places = [(str(user), *read(user, required=bool(os.environ.get("FORETYPE_CONFIG"))), True)]
    if workspace is not None:
        path = workspace / WORKSPACE_FILE
        # A repository can hold a link to a device or a pipe, and reading that would never end.
        values, problems = read(path) if os.path.isfile(path) else ({}, ())
        places.append((str(path), values, problems, False))
    places.append(("initializationOptions", _section(initialization), (), True))
    places.append(("didChangeConfiguration", _section(configuration), (), True))
    loaded = Loaded()
    for source, values, problems, trusted in places:
        merged = merge(loaded.options, values, source, trusted)
        loaded = Loaded(merged.options, loaded.problems + problems + merged.problems)
    return loaded


def user_file() -> Path:
    """The user's options: where FORETYPE_CONFIG says, else in the platform's folder for configurations."""
    return machine.config_file()


def read(path: Path, required: bool = False) -> tuple[object, tuple[str, ...]]:
    """The tables of a TOML file, and a problem if it cannot be read; a missing file is one only if it is `required`."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            return {}, (f"{path}: larger than {LARGEST_FILE} bytes, not read",)
        return tomllib.loads(data.decode("utf-8-sig")), ()
    except (FileNotFoundError, NotADirectoryError):
        return {}, (f"{path}: FORETYPE_CONFIG names it, but there is no such file",) if required else ()
    except OSError as error:
        return {}, (f"{path}: cannot be read: {error.strerror}",)
    except UnicodeDecodeError:
        return {}, (f"{path}: is not UTF-8; save it as UTF-8",)
    except RecursionError:
        return {}, (f"{path}: is nested too deeply",)
    except ValueError as error:
        return {}, (f"{path}: is not TOML: {error}",)


def merge(options: Options, values: object, source: str, trusted: bool = True) -> Loaded:
    """`options` with those that `values` sets; None, as a value, a section or the whole, sets nothing."""
    if values is None:
        return Loaded(options)
    if not isinstance(values, Mapping):
        return Loaded(options, (f"{source}: expected an object with sections, got {_shown(values)}",))
    problems: list[str] = []
    known = {section.name: section for section in fields(Options)}
    for name, table in values.items():
        if name not in known:
            problems.append(f"{source}: unknown section {_quoted(name)}{_hint(name, known)}")
        elif isinstance(table, Mapping):
            section, wrong = _merge_section(getattr(options, name), table, trusted)
            options = replace(options, **{name: section})
            problems += [f"{source}: {name}.{line}" for line in wrong]
        elif table is not None:
            problems.append(f"{source}: {name}: expected a section, got {_shown(table)}")
    if len(problems) > MOST_PROBLEMS:
        problems[MOST_PROBLEMS:] = [f"{source}: {len(problems) - MOST_PROBLEMS} more problems"]
    return Loaded(options, tuple(problems))


def markdown_table() -> str:
    """All options as a table in Markdown, for the reference."""
    defaults = Options()
    lines = ["| option | default | values | workspace file | meaning |", "|---|---|---|---|---|"]
    for section in fields(Options):
        for option in fields(getattr(defaults, section.name)):
            name, default = f"`{section.name}.{option.name}`", f"`{json.dumps(option.default)}`"
            cells = name, default, _expected(option), option.metadata["workspace"], option.metadata["doc"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _merge_section(section: Any, table: Mapping[str, Any], trusted: bool) -> tuple[Any, list[str]]:
    known = {option.name: option for option in fields(section)}
    values: dict[str, Any] = {}
    problems = []
    for name, value in table.items():
        if name not in known:
            problems.append(f"{_quoted(name)}: unknown option{_hint(name, known)}")
        elif value is not None:
            try:
                value = _checked(known[name], value)
                allowed = _WORKSPACE["yes" if trusted else known[name].metadata["workspace"]]
                values[name] = allowed(getattr(section, name), value)
            except _Wrong as wrong:
                problems.append(f"{name}: {wrong}")
    return replace(section, **values), problems


def _checked(option: Field[Any], value: Any) -> Any:
    """The value as the option's own type; a number such as 3.0 is a whole one, true and false are none."""
    kind: Any = type(option.default)
    meaning = option.metadata
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is tuple:
        fits = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    elif kind in (int, float):
        fits = number and meaning["minimum"] <= value <= meaning["maximum"] and (kind is float or value % 1 == 0)
    else:
        fits = isinstance(value, kind) and (not meaning["choices"] or value in meaning["choices"])
    if not fits:
        got = _quoted(value) if meaning["choices"] and isinstance(value, str) else _shown(value)
        raise _Wrong(f"expected {_expected(option)}, got {got}")
    return kind(value)


def _expected(option: Field[Any]) -> str:
    kind, meaning = type(option.default), option.metadata
    if meaning["choices"]:
        return "one of " + ", ".join(f'"{choice}"' for choice in meaning["choices"])
    if kind in (int, float):
        return f"a {'whole ' * (kind is int)}number from {meaning['minimum']} to {meaning['maximum']}"
    return {bool: "true or false", tuple: "a list of strings", str: "a string"}[kind]


def _shown(value: object) -> str:
    """What a wrong value is, on one line; never the text of a string, which may be a secret in the wrong place."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else "a huge number"  # str() refuses more than 4300 digits
    if isinstance(value, float):
        return str(value)
    names: dict[type, str] = {str: "a string", list: "a list", tuple: "a list", dict: "a table"}
    return names.get(type(value), f"a {type(value).__name__}")


def _quoted(name: str) -> str:
    return json.dumps(name if len(name) <= 40 else name[:37] + "...")


def _section(message: object) -> object:
    return message.get("foretype", message) if isinstance(message, Mapping) else message


def _hint(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name[:40], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
