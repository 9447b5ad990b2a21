// A workspace that is not trusted, in a real VS Code: the server is told of no folder, and of nothing that it sets.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { START, until, Workbench } from "./workbench.mjs";

let bench;

before(async () => {
  const files = {
    "sums.py": "def add(first, second):\n",
    ".vscode/settings.json": JSON.stringify({ "foretype.completion.mode": "multi", "foretype.edits.enabled": false }),
  };
  const settings = {
    "security.workspace.trust.startupPrompt": "never",
    "foretype.model.name": "/there/is/none.gguf", // what the built-in model would say is not looked at here
  };
  bench = await Workbench.open(files, settings, { trust: false });
});

after(() => bench?.close());

const starts = () => bench.messages("client", "initialize").map((one) => one.params);

test("nothing of it reaches the server, and no code another machine", async () => {
  await until("a server", () => starts().length === 1, START);
  const [{ rootUri, workspaceFolders, initializationOptions }] = starts();
  assert.deepEqual([rootUri, workspaceFolders], [null, null]);
  assert.equal(initializationOptions.model.backend, "local");
  assert.equal(initializationOptions.completion, undefined);
  assert.equal(initializationOptions.edits, undefined);
  assert.equal(bench.stub.requests, 0);
  await bench.shot("restricted");
});

test("once it is trusted, the server is started again with its folder and its settings", async () => {
  await bench.command("Workspaces: Manage Workspace Trust");
  await bench.page.locator(".workspace-trust-editor .monaco-button", { hasText: /^Trust$/ }).click();
  await until("another server", () => starts().length === 2, START);
  const [, { workspaceFolders, initializationOptions }] = starts();
  assert.equal(workspaceFolders.length, 1);
  assert.equal(initializationOptions.completion.mode, "multi");
  assert.equal(initializationOptions.model.backend, "openai");
});
