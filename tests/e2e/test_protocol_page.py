"""The examples of `docs/protocol.md`, played to the real server: it takes them, and answers in their shape."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import SERVE, options, wait_for_state
from stub_openai import StubOpenAI

from foretype.lsp.wire import Client

REPORT = "def log(message):\n    print(message)\n"
CART = 'from shop.report import log\n\n\ndef checkout(cart, level):\n    log("checkout")\n'
PAGE = Path(__file__).parent.parent.parent / "docs" / "protocol.md"
MESSAGE = re.compile(r"`(initialize|(?:foretype|textDocument|workspace)/\w+)`")


def examples() -> dict[str, list[Any]]:
    """The examples of each message, in the order of the page: that which the text before them names first."""
    found: dict[str, list[Any]] = defaultdict(list)
    message = ""
    for part in re.split(r"\n\n(?=\S)", PAGE.read_text("utf-8")):
        if block := re.fullmatch(r"```json\n(.*?)```\s*", part, re.DOTALL):
            found[message].append(json.loads(block[1]))
        elif named := MESSAGE.search(part):
            message = named[1]
    return found


EXAMPLES = examples()


def assert_like(example: Any, answer: Any, where: str = "") -> None:
    """Whether all that the example has is in the answer, with values of the same kind."""
    if isinstance(example, dict):
        assert isinstance(answer, dict), where
        for key, value in example.items():
            assert key in answer or where.endswith(("reasons", "changeAnnotations", "last")), f"{where}.{key}"
            if key in answer:
                assert_like(value, answer[key], f"{where}.{key}")
    elif isinstance(example, list):
        assert isinstance(answer, list), where
        if example and answer:
            assert_like(example[0], answer[0], f"{where}[0]")
    elif isinstance(example, int | float) and not isinstance(example, bool):
        assert isinstance(answer, int | float), where
    elif example is not None and answer is not None:
        assert type(example) is type(answer), where


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path, Any]]:
    folder = tmp_path_factory.mktemp("protocol")
    root = folder / "shop"
    (root / "shop").mkdir(parents=True)
    (root / "shop" / "report.py").write_text(REPORT, "utf-8")
    (root / "shop" / "cart.py").write_text(CART, "utf-8")
    with StubOpenAI() as stub, Client.start(SERVE, env={"FORETYPE_CACHE": str(folder / "cache")}) as client:
        stub.script = lambda prompt, suffix: 'g("checkout")'
        given = options(stub.url) | {"edits": {"enabled": True, "idle_ms": 1, "mid_word": True}}
        answer = client.initialize(root, given)
        wait_for_state(client, "ready")
        yield client, root, answer


def at(value: Any, **strings: str) -> Any:
    """The example with another workspace and another suggestion in it."""
    text = json.dumps(value)
    for old, new in (("file:///home/me/shop/", strings["folder"]), ("3d13e48b738a", strings.get("id", ""))):
        text = text.replace(old, new)
    return json.loads(text)


def test_what_it_announces(served: tuple[Client, Path, Any]) -> None:
    params, capabilities = EXAMPLES["initialize"]
    assert params["workspaceFolders"]
    assert_like(capabilities, served[2]["capabilities"])
    assert EXAMPLES["foretype/didChangeStatus"] == [{"state": "ready", "message": ""}]


def test_ghost_text(served: tuple[Client, Path, Any]) -> None:
    client, root, _ = served
    uri = client.open(root / "shop" / "cart.py", "python", CART.replace('g("checkout")', ""))
    here = {"folder": uri.removesuffix("cart.py")}
    params, result = EXAMPLES["textDocument/inlineCompletion"]
    answer = client.request("textDocument/inlineCompletion", at(params, **here))
    assert_like(result, answer)
    known = answer["items"][0]["command"]["arguments"][0]["suggestionId"]

    def counts() -> dict[str, int]:
        return client.request("foretype/status")["counts"]

    for message, count in (
        ("textDocument/didShowCompletion", "shown"),
        ("textDocument/didPartiallyAcceptCompletion", "partially_accepted"),
    ):
        before = counts()[count]
        client.notify(message, at(EXAMPLES[message][0], **here, id=known))
        assert counts()[count] == before + 1, message
    before = counts()["accepted"]
    client.request("workspace/executeCommand", at(EXAMPLES["workspace/executeCommand"][0], **here, id=known))
    assert counts()["accepted"] == before + 1
    client.notify("foretype/didMoveCursor", at(EXAMPLES["foretype/didMoveCursor"][0], **here))
    assert_like(EXAMPLES["foretype/status"][0], client.request("foretype/status"))
    assert_like(EXAMPLES["foretype/stats"][0], client.request("foretype/stats"))
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})


def test_next_edits(served: tuple[Client, Path, Any]) -> None:
    client, root, _ = served
    cart = client.open(root / "shop" / "cart.py", "python", CART)
    uri = client.open(root / "shop" / "report.py", "python", REPORT)
    place = {"line": 0, "character": REPORT.index(")")}
    client.change(uri, {"range": {"start": place, "end": place}, "text": ", level"})
    (listing,) = EXAMPLES["foretype/didFindNextEdits"]
    told = client.wait_for_notification("foretype/didFindNextEdits", lambda one: one["complete"] and one["edits"])
    assert_like(listing, told)
    expected, (edit,) = listing["edits"][0], told["edits"]
    for name in ("path", "range", "oldText", "text", "lane", "reason", "why"):
        assert edit[name] == expected[name]
    here = {"folder": cart.removesuffix("cart.py"), "id": edit["id"]}
    assert client.request("foretype/nextEdits", at(EXAMPLES["foretype/nextEdits"][0], **here))["edits"] == [edit]
    params, whole, failed = EXAMPLES["foretype/applyAll"]
    assert_like(whole, client.request("foretype/applyAll", at(params, **here)))
    params, inline = {"textDocument": {"uri": cart}, "position": place}, EXAMPLES["textDocument/copilotInlineEdit"][0]
    assert_like(inline, client.request("textDocument/copilotInlineEdit", params))
    client.notify("textDocument/didShowInlineEdit", at(EXAMPLES["textDocument/didShowInlineEdit"][0], **here))
    assert client.request("foretype/status")["edits"]["counts"]["shown"] == 1
    client.notify("foretype/didChangeDiagnostics", at(EXAMPLES["foretype/didChangeDiagnostics"][0], **here))
    client.notify("foretype/didReject", at(EXAMPLES["foretype/didReject"][0], **here))
    assert client.request("foretype/status")["edits"]["counts"]["rejected"] == 1
    assert client.request("foretype/applyAll", at(params, **here) | {"suggestionIds": [edit["id"]]}) == failed
