// What docs/editors.md tells a VS Code user to do, done as it stands there by somebody with nothing but Python and Node.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, test } from "node:test";
import { root, START, STATUS, until, Workbench } from "./workbench.mjs";

const home = mkdtempSync(join(tmpdir(), "foretype-home-"));
const checkout = join(home, "foretype");
const programs = join(home, "bin");
// What others have got already is not got again: the model, and pip's downloads.
const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
const environment = {
  HOME: home,
  PATH: [programs, ...process.env.PATH.split(delimiter).filter((folder) => !existsSync(join(folder, "foretype")))].join(delimiter),
  FORETYPE_CACHE: process.env.FORETYPE_CACHE ?? join(cache, "foretype"),
  PIP_CACHE_DIR: process.env.PIP_CACHE_DIR ?? join(cache, "pip"),
};
const INSTALL_MS = 5 * START;

let bench;

after(async () => {
  await bench?.close();
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
});

function steps() {
  const page = [join(root, "tests", "documented.py"), join(root, "docs", "editors.md"), "VS Code and its forks"];
  return JSON.parse(execFileSync("python3", page, { encoding: "utf8" }));
}

/** A clone of this checkout, with what is not committed yet. */
function checkOut() {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  for (const path of listed.split("\0").filter((one) => one && existsSync(join(root, one)))) {
    mkdirSync(dirname(join(checkout, path)), { recursive: true });
    copyFileSync(join(root, path), join(checkout, path));
  }
  const git = (...rest) => execFileSync("git", ["-c", "user.name=Nobody", "-c", "user.email=nobody@localhost", ...rest], { cwd: checkout });
  git("init", "--quiet");
  git("add", "--all");
  git("commit", "--quiet", "--message", "As it is");
}

/** The commands of a step, as a shell would run them in the checkout. */
function run(step) {
  assert.ok(step.blocks.length && step.blocks.every(({ language }) => language === "sh"), step.text);
  for (const { text } of step.blocks) {
    execFileSync("bash", ["-e", "-c", text], { cwd: checkout, env: bench.environment, stdio: ["ignore", "pipe", "inherit"] });
  }
}

/** Whether there is ghost text in a while; a machine that was too slow for it gets another key. */
async function isOffered() {
  await bench.page.keyboard.press("Backspace");
  await bench.page.keyboard.press("t");
  return until("ghost text", () => bench.ghost(), 3000).catch(() => false);
}

test("the three steps lead to ghost text", async () => {
  const [pack, install, use, ...more] = steps();
  assert.equal(more.length, 0);
  checkOut();
  bench = new Workbench();
  await bench.prepare({ "sums.py": "def add(first, second):\n" }, null, environment);
  mkdirSync(programs);
  writeFileSync(join(programs, "code"), `#!/bin/sh\nexec ${bench.program.map((word) => `'${word}'`).join(" ")} "$@"\n`);
  chmodSync(join(programs, "code"), 0o755);
  run(pack);
  run(install);
  assert.match(use.text, /^Open a file\..* press Install\.$/);
  await bench.start();
  const offer = bench.page.locator(".notifications-toasts .monaco-button", { hasText: "Install" });
  await offer.waitFor({ timeout: START });
  await bench.shot("install-offer");
  await offer.click();
  await bench.page.locator(".notifications-toasts", { hasText: "installing" }).waitFor({ timeout: START });
  await bench.shot("install-progress");
  await bench.page.locator(`${STATUS} .codicon-edit`).waitFor({ timeout: INSTALL_MS });
  await bench.openFile("sums.py");
  await bench.page.keyboard.press("Control+End");
  await bench.page.keyboard.type("    return first", { delay: 30 });
  await until("ghost text", isOffered, START);
  await bench.shot("installed");
  await bench.page.keyboard.press("Tab");
  await until("the text", async () => (await bench.lines()).some((line) => /return first.+/.test(line)));
});
