import assert from "node:assert/strict";
import { test } from "node:test";
import manifest from "../../../editors/vscode/package.json";
import { chosen, type Inspected, lost, optionNames } from "../../../editors/vscode/src/settings";

function inspect(values: Record<string, Inspected>): (name: string) => Inspected | undefined {
  return (name) => values[name];
}
const names = ["completion.mode", "model.backend", "edits.enabled"];

test("the server's options are those of the manifest, without the extension's own", () => {
  const found = optionNames(manifest);
  assert.ok(found.includes("completion.debounce_ms"));
  assert.ok(!found.some((name) => name.startsWith("server.") || name.startsWith("install.")));
});

test("what nobody has set is left to the server", () => {
  assert.deepEqual(chosen(names, inspect({}), true), {});
});

test("the workspace's word counts more than the user's, and no more without trust", () => {
  const values = {
    "completion.mode": { globalValue: "multi", workspaceValue: "single" },
    "edits.enabled": { workspaceFolderValue: false },
  };
  assert.deepEqual(chosen(names, inspect(values), true), {
    completion: { mode: "single" },
    edits: { enabled: false },
  });
  assert.deepEqual(chosen(names, inspect(values), false), { completion: { mode: "multi" }, model: { backend: "local" } });
});

test("no code goes to another machine from a workspace that is not trusted", () => {
  const values = { "model.backend": { globalValue: "openai" } };
  assert.deepEqual(chosen(names, inspect(values), false), { model: { backend: "local" } });
  assert.deepEqual(chosen(names, inspect(values), true), { model: { backend: "openai" } });
});

test("a setting that is gone needs another start", () => {
  assert.ok(lost({ completion: { mode: "single" } }, {}));
  assert.ok(!lost({ completion: { mode: "single" } }, { completion: { mode: "multi", gate: 0 } }));
});
