import assert from "node:assert/strict";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { findServer, type Places } from "../../../editors/vscode/src/server";

function places(files: string[], given: Partial<Places> = {}): Places {
  return {
    setting: [],
    folders: ["/w"],
    trusted: true,
    path: ["/usr/bin", "/opt/bin"].join(delimiter),
    environment: "/own",
    windows: false,
    exists: (file) => files.includes(file),
    ...given,
  };
}
const inside = join("/w", ".venv", "bin", "foretype");
const onPath = join("/opt/bin", "foretype");
const own = join("/own", "bin", "foretype");

test("the setting comes first, with or without `serve`", () => {
  const setting = ["python", "-m", "foretype", "serve"];
  assert.deepEqual(findServer(places([inside], { setting })), { command: setting.slice(0, 3), from: "setting" });
});

test("then the workspace's environment, the path, and the extension's own", () => {
  assert.deepEqual(findServer(places([inside, onPath, own])), { command: [inside], from: "workspace" });
  assert.deepEqual(findServer(places([onPath, own])), { command: [onPath], from: "path" });
  assert.deepEqual(findServer(places([own])), { command: [own], from: "own" });
  assert.equal(findServer(places([])), undefined);
});

test("no program of a workspace that is not trusted is run", () => {
  assert.equal(findServer(places([inside], { trusted: false })), undefined);
});

test("Windows has programs elsewhere", () => {
  const file = join("/w", "venv", "Scripts", "foretype.exe");
  assert.equal(findServer(places([file], { windows: true }))?.from, "workspace");
});
