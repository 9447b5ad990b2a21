import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { NextEdits } from "../../../editors/vscode/src/nextEdits";
import type { NextEdit } from "../../../editors/vscode/src/protocol";
import { commands, world } from "./vscode";

const FILE = "/w/shapes.py";
let edits: NextEdits;
let told: [string, unknown][];
let asked: [string, unknown][];
let answer: unknown;
let confirmed: boolean[];
let executed: string[];

beforeEach(() => {
  told = [];
  asked = [];
  confirmed = [];
  executed = [];
  answer = undefined;
  world.shown = [];
  world.applied = [];
  world.applies = true;
  edits = new NextEdits({
    async request<T>(method: string, params?: unknown) {
      asked.push([method, params]);
      return answer as T;
    },
    notify: (method, params) => void told.push([method, params]),
    execute: (command) => void executed.push(command.command),
    asWorkspaceEdit: async (edit, confirm) => (confirmed.push(confirm), edit as never),
    wanted: () => true,
  });
  world.open(FILE, "one = area(1)\ntwo = area(2)\n");
});

afterEach(() => edits.dispose());

function edit(id: string, line: number): NextEdit {
  const range = { start: { line, character: 6 }, end: { line, character: 10 } };
  const command = { title: "Accept", command: "foretype.acceptEdit", arguments: [{ suggestionId: id }] };
  const about = { lane: "rule", reason: "rename", why: "area was renamed", confidence: 0.99 } as const;
  return { id, path: "shapes.py", uri: `file://${FILE}`, version: 1, range, oldText: "area", text: "size", ...about, command };
}

/** Two proposals, the first of them drawn. */
async function proposed(): Promise<void> {
  edits.receive({ edits: [edit("a", 0), edit("b", 1)] });
  await drawn();
}

/** What is to be drawn is, one turn later. */
const drawn = () => new Promise((resolve) => setTimeout(resolve, 5));
const methods = () => told.map(([method]) => method);

test("one that is skipped is turned down, and the next one is in turn", async () => {
  await proposed();
  await commands.executeCommand("foretype.nextEdit.skip");
  assert.deepEqual(told.at(-1), ["foretype/didReject", { suggestionId: "a" }]);
  assert.deepEqual(edits.edits.map((one) => one.id), ["b"]);
  await drawn();
  await commands.executeCommand("foretype.nextEdit.skip");
  assert.deepEqual(edits.edits, []);
});

test("nothing is skipped that is not drawn", async () => {
  await proposed();
  edits.setGhost(true);
  await commands.executeCommand("foretype.nextEdit.skip");
  assert.ok(!methods().includes("foretype/didReject"));
});

test("accept goes there, then applies it", async () => {
  await proposed();
  await commands.executeCommand("foretype.nextEdit.accept");
  await drawn();
  await commands.executeCommand("foretype.nextEdit.accept");
  assert.deepEqual(executed, ["foretype.acceptEdit"]);
  assert.deepEqual(edits.edits.map((one) => one.id), ["b"]);
});

test("all are dismissed", async () => {
  await proposed();
  await commands.executeCommand("foretype.nextEdit.dismiss");
  assert.equal(methods().filter((method) => method === "foretype/didReject").length, 2);
  assert.deepEqual(edits.edits, []);
});

test("find asks at once, and says so where there is nothing", async () => {
  answer = { edits: [], complete: true, capped: 0, note: "no edit yet" };
  await commands.executeCommand("foretype.nextEdit.find");
  const [[method, params]] = asked as [[string, { context: unknown }]];
  assert.equal(method, "foretype/nextEdits");
  assert.deepEqual(params.context, { triggerKind: 1 });
  assert.match(world.shown[0]![1], /nothing else \(no edit yet\)/);
});

test("find shows what there is", async () => {
  answer = { edits: [edit("a", 0)], complete: true, capped: 0, note: "" };
  await commands.executeCommand("foretype.nextEdit.find");
  assert.deepEqual(edits.edits.map((one) => one.id), ["a"]);
  assert.deepEqual(world.shown, []);
});

for (const [command, preview] of [["acceptAll", false], ["previewAll", true]] as const) {
  test(`${command} applies all, ${preview ? "" : "not "}to be confirmed`, async () => {
    await proposed();
    const done = { title: "Accept", command: "foretype.acceptEdit" };
    answer = { edit: { documentChanges: ["all"], changeAnnotations: {} }, edits: [], command: done, message: "" };
    await commands.executeCommand(`foretype.nextEdit.${command}`);
    assert.deepEqual(asked, [["foretype/applyAll", { suggestionIds: ["a", "b"] }]]);
    assert.deepEqual(confirmed, [preview]);
    assert.equal(world.applied.length, 1);
    assert.deepEqual(executed, ["foretype.acceptEdit"]);
    assert.deepEqual(edits.edits, []);
  });
}

test("a preview that was called off accepts nothing", async () => {
  await proposed();
  world.applies = false;
  const done = { title: "Accept", command: "foretype.acceptEdit" };
  answer = { edit: { documentChanges: [], changeAnnotations: {} }, edits: [], command: done, message: "" };
  await commands.executeCommand("foretype.nextEdit.previewAll");
  assert.deepEqual(executed, []);
  assert.equal(edits.edits.length, 2);
});

test("all or none, and why", async () => {
  await proposed();
  answer = { edit: null, edits: [], command: null, message: "nothing was applied: shapes.py has changed since" };
  await commands.executeCommand("foretype.nextEdit.acceptAll");
  assert.deepEqual(world.applied, []);
  assert.match(world.shown[0]![1], /shapes\.py has changed since/);
});

test("with no proposals there is nothing to apply", async () => {
  await commands.executeCommand("foretype.nextEdit.previewAll");
  assert.deepEqual(asked, []);
  assert.match(world.shown[0]![1], /nothing to apply/);
});
