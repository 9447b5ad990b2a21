import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { ExtensionContext, LogOutputChannel } from "vscode";
import { environment, install } from "../../../editors/vscode/src/install";
import { world } from "./vscode";

const posix = { skip: process.platform === "win32" && "the stand-in for Python is a shell script" };
let folder: string;
let context: ExtensionContext;
const output = { info() {}, error() {}, show() {} } as unknown as LogOutputChannel;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "foretype-install-"));
  const paths = { globalStorageUri: { fsPath: folder }, asAbsolutePath: (path: string) => join(folder, "extension", path) };
  context = paths as unknown as ExtensionContext;
  world.shown = [];
  world.settings = { "install.python": join(folder, "python") };
});

afterEach(() => {
  world.settings = {};
  rmSync(folder, { recursive: true, force: true });
});

/** A Python that writes down what it is asked, makes environments with itself in them, and installs as `pip` says. */
function python(pip: string): void {
  const file = join(folder, "python");
  const script = [
    "#!/bin/sh",
    `echo "$@" >> "${folder}/asked"`,
    'case "$2" in',
    '  venv) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;',
    `  pip) ${pip} ;;`,
    "esac",
  ];
  writeFileSync(file, script.join("\n"));
  chmodSync(file, 0o755);
}

const asked = () => readFileSync(join(folder, "asked"), "utf8").split("\n");

/** The wheel that came with the extension. */
function packed(): string {
  const wheel = join(folder, "extension", "wheel", "foretype-0.1.0-py3-none-any.whl");
  mkdirSync(join(wheel, ".."), { recursive: true });
  writeFileSync(wheel, "");
  return wheel;
}

test("an environment of its own, and in it the server that came with the extension", posix, async () => {
  python("echo Collecting foretype");
  const wheel = packed();
  assert.equal(await install(context, output), true);
  const [check, venv, pip] = asked();
  assert.match(check!, /version_info < \(3, 11\)/);
  assert.equal(venv, `-m venv --clear ${environment(context)}`);
  assert.ok(pip!.startsWith("-m pip install ") && pip!.endsWith(wheel));
  assert.deepEqual(world.shown, []);
});

test("what the user names goes before what came with the extension", posix, async () => {
  python("true");
  packed();
  world.settings["install.source"] = "/srv/foretype";
  assert.equal(await install(context, output), true);
  assert.match(asked()[2]!, / \/srv\/foretype$/);
});

test("a name that anyone could have taken on an index is not installed unasked", posix, async () => {
  python("true");
  assert.equal(await install(context, output), false);
  assert.ok(!asked().some((line) => line.startsWith("-m")));
  assert.match(world.shown[0]![1], /foretype\.install\.source/);
});

test("half an environment does not stay, and the reason is shown", posix, async () => {
  python("echo 'no matching distribution' >&2; exit 1");
  packed();
  assert.equal(await install(context, output), false);
  assert.ok(!existsSync(environment(context)));
  assert.match(world.shown[0]![1], /was not installed: .*no matching distribution/);
});

test("without a Python that is new enough nothing is made", posix, async () => {
  writeFileSync(join(folder, "python"), "#!/bin/sh\nexit 1\n");
  chmodSync(join(folder, "python"), 0o755);
  assert.equal(await install(context, output), false);
  assert.match(world.shown[0]![1], /needs Python 3\.11/);
});
