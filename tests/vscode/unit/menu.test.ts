import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { explain, type MenuHost, report } from "../../../editors/vscode/src/menu";
import type { FullStatus } from "../../../editors/vscode/src/protocol";
import { world } from "./vscode";

let logShown: number;
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "foretype-menu-"));
  process.env[process.platform === "win32" ? "TEMP" : "TMPDIR"] = folder; // reports go there
});

after(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(() => {
  logShown = 0;
  world.shown = [];
  world.opened = [];
  world.press = undefined;
});

function host(given: Partial<MenuHost>): MenuHost {
  const output = { show: () => void logShown++ } as unknown as MenuHost["output"];
  const nothing = async () => undefined;
  return { command: () => undefined, status: nothing, snoozed: () => false, snooze() {}, restart: nothing, install: nothing, output, ...given };
}

/** A server's program that is a script, with the arguments it was given in `args`. */
const program = (script: string) => [process.execPath, "-e", `const args = process.argv.slice(1); ${script}`];

test("why there was no suggestion", async () => {
  const status = { last: { reason: "gated", why: "not likely" } } as unknown as FullStatus;
  await explain(host({ status: async () => status }));
  assert.deepEqual(world.shown, [["information", "Foretype: There was no suggestion: not likely."]]);
  assert.equal(logShown, 0);
});

test("where there is no server that is said, and the log is one click away", async () => {
  world.press = "Show Log";
  await explain(host({}));
  assert.match(world.shown[0]![1], /not running/);
  assert.equal(logShown, 1);
});

test("the report is written by the server's program, and opened", async () => {
  const writes = "if (args[0] === 'report' && args[1] === '--html') require('fs').writeFileSync(args[2], '<p>');";
  await report(host({ command: () => program(writes) }));
  assert.equal(world.opened.length, 1);
  assert.ok(existsSync(world.opened[0]!));
  assert.deepEqual(world.shown, []);
});

test("a report that cannot be made says why", async () => {
  const fails = "console.error('first line'); console.error('--html needs Matplotlib'); process.exitCode = 1;";
  await report(host({ command: () => program(fails) }));
  assert.deepEqual(world.opened, []);
  assert.deepEqual(world.shown, [["error", "Foretype: there is no report: --html needs Matplotlib"]]);
});

test("nor can a program that is not there", async () => {
  await report(host({ command: () => ["/no/such/foretype"] }));
  assert.match(world.shown[0]![1], /ENOENT/);
});

test("without a server there is no report, and no message", async () => {
  await report(host({}));
  assert.deepEqual([world.shown, world.opened], [[], []]);
});
