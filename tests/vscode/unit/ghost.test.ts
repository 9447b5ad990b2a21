import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Ghost } from "../../../editors/vscode/src/ghost";
import { commands, world } from "./vscode";

const TEXT = "first +\n    second";
let ghost: Ghost;
let told: [string, unknown][];

beforeEach(() => {
  told = [];
  ghost = new Ghost({
    notify: (method, params) => void told.push([method, params]),
    wanted: () => true,
    busy() {},
    visible() {},
  });
});

afterEach(() => ghost.dispose());

/** Ghost text at the cursor of a new document; the editor's own commands take `line` and `word` of it. */
async function offered(line: string, word: string): Promise<void> {
  const editor = world.open("/w/sums.py", "return ");
  const item = { insertText: TEXT, command: { arguments: [{ suggestionId: "one" }] } };
  const token = { isCancellationRequested: false };
  const ask = ghost.provide as unknown as (...all: unknown[]) => Promise<unknown>;
  await ask(editor.document, editor.selection.active, {}, token, async () => [item]);
  commands.registerCommand("editor.action.inlineSuggest.acceptNextLine", () => world.type(line));
  commands.registerCommand("editor.action.inlineSuggest.acceptNextWord", () => world.type(word));
  commands.registerCommand("editor.action.inlineSuggest.hide", () => undefined);
  assert.equal(world.context["foretype.ghost"], true);
}

const lengths = () => told.map(([method, params]) => [method, (params as { acceptedLength?: number }).acceptedLength]);

test("a line that is taken is told with its length", async () => {
  await offered("first +\n", "");
  await commands.executeCommand("foretype.acceptLine");
  assert.deepEqual(lengths(), [["textDocument/didPartiallyAcceptCompletion", "first +\n".length]]);
});

test("words are told with all that was taken so far", async () => {
  await offered("", "first");
  await commands.executeCommand("foretype.acceptWord");
  commands.registerCommand("editor.action.inlineSuggest.acceptNextWord", () => world.type(" +"));
  await commands.executeCommand("foretype.acceptWord");
  assert.deepEqual(lengths().map(([, length]) => length), ["first".length, "first +".length]);
});

test("what the editor put in instead is not told as taken", async () => {
  await offered("something else", "");
  await commands.executeCommand("foretype.acceptLine");
  assert.deepEqual(told, []);
});

test("it is dismissed once", async () => {
  await offered("", "");
  await commands.executeCommand("foretype.dismiss");
  await commands.executeCommand("foretype.dismiss");
  assert.deepEqual(told, [["foretype/didReject", { suggestionId: "one" }]]);
  assert.equal(world.context["foretype.ghost"], false);
});
