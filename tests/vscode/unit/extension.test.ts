import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { ExtensionContext } from "vscode";
import manifest from "../../../editors/vscode/package.json";
import { activate } from "../../../editors/vscode/src/extension";
import { commands, Disposable, world } from "./vscode";

const path = process.env["PATH"];
let folder: string;
let subscriptions: { dispose(): unknown }[];
let state: Map<string, unknown>;

beforeEach(() => {
  process.env["PATH"] = ""; // no server is found there
  world.shown = [];
  world.press = undefined;
  folder = mkdtempSync(join(tmpdir(), "foretype-extension-"));
  subscriptions = [];
  state = new Map();
  const globalState = { get: (key: string) => state.get(key), update: async (key: string, value: unknown) => void state.set(key, value) };
  const context = { subscriptions, globalState, extension: { packageJSON: manifest }, globalStorageUri: { fsPath: folder } };
  activate({ ...context, asAbsolutePath: (file: string) => join(folder, file) } as unknown as ExtensionContext);
});

afterEach(() => {
  process.env["PATH"] = path;
  Disposable.from(...subscriptions).dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** The server is looked for after the activation. */
const started = () => new Promise((resolve) => setTimeout(resolve, 20));

test("each command of the manifest is there once it is active, and no other", async () => {
  const own = [...world.registered.keys()].filter((name) => name.startsWith("foretype."));
  assert.deepEqual(own.sort(), manifest.contributes.commands.map((one) => one.command).sort());
  await started();
});

test("where there is no server one is offered, and Never means never", async () => {
  world.press = "Never";
  await started();
  assert.match(world.shown[0]![1], /not installed/);
  world.shown = [];
  await commands.executeCommand("foretype.restart");
  await started();
  assert.deepEqual(world.shown, []);
});

test("a restart looks for a server anew", async () => {
  await started();
  const before = world.shown.length;
  await commands.executeCommand("foretype.restart");
  await started();
  assert.equal(world.shown.length, before + 1);
});

test("the log", async () => {
  await started();
  await commands.executeCommand("foretype.showLog");
  assert.deepEqual(world.shown.at(-1), ["log", ""]);
});
