import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Ahead } from "../../../editors/vscode/src/ahead";
import { CancellationTokenSource, type Editor, InlineCompletionTriggerKind, world } from "./vscode";

const { Automatic, Invoke } = InlineCompletionTriggerKind;
let ahead: Ahead;
let editor: Editor;
let wanted: boolean;
/** What went to the server: where, and with which token. */
let asked: { column: number; token: { isCancellationRequested: boolean } }[];

beforeEach(() => {
  [wanted, asked] = [true, []];
  world.settings = {};
  ahead = new Ahead(() => wanted);
  editor = world.open("/w/sums.py", "x");
});

afterEach(() => ahead.dispose());

/** The editor asks. */
function ask(context: object = { triggerKind: Automatic }, source = new CancellationTokenSource()): Promise<unknown> {
  const next = async (_: unknown, position: { character: number }, __: unknown, token: { isCancellationRequested: boolean }) =>
    asked.push({ column: position.character, token });
  const provide = ahead.provide.bind(ahead) as unknown as (...all: unknown[]) => Promise<unknown>;
  return provide(editor.document, editor.selection.active, context, source.token, next);
}

test("what a key asked for is not asked for again", async () => {
  await ask();
  world.type("y");
  assert.deepEqual(asked.map((one) => one.column), [1, 2]);
  assert.equal(await ask(), 2);
  assert.equal(asked.length, 2);
});

test("the editor's word that it has no use for it goes on to the server", async () => {
  await ask();
  world.type("y");
  const source = new CancellationTokenSource();
  const answer = ask({ triggerKind: Automatic }, source);
  source.cancel();
  await answer;
  assert.ok(asked[1]!.token.isCancellationRequested);
});

test("a further key gives up the one before", async () => {
  await ask();
  world.type("y");
  world.type("z");
  assert.deepEqual(asked.map((one) => one.token.isCancellationRequested), [false, true, false]);
});

test("what is asked by hand, or beside the completion menu, is asked anew", async () => {
  await ask();
  for (const context of [{ triggerKind: Invoke }, { triggerKind: Automatic, selectedCompletionInfo: { text: "y" } }]) {
    asked.length = 0;
    world.type("y");
    await ask(context);
    assert.deepEqual(asked.map((one) => one.token.isCancellationRequested), [true, false]);
  }
});

test("text that came from elsewhere is not asked for ahead", async () => {
  await ask();
  for (const text of ["a pasted line", "name()"]) {
    world.type(text);
  }
  assert.equal(asked.length, 1);
  world.type("\n    ");
  world.type("()");
  assert.equal(asked.length, 3);
});

test("nothing is asked ahead where nothing is wanted", async () => {
  await ask();
  wanted = false;
  world.type("y");
  wanted = true;
  world.settings = { "inlineSuggest.enabled": false };
  world.type("y");
  ahead.clear();
  world.settings = {};
  world.type("y");
  assert.equal(asked.length, 1);
});
