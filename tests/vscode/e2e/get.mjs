// `node get.mjs`: gets what these tests run: code-server with VS Code's packages, its Node, and a browser.
//
// No install script runs: what they compile (terminals, keychains, SQLite) takes many minutes and system libraries, and
// the workbench that is tested here works without. Interrupted, the next run goes on; when all is there it does nothing.
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findBrowser } from "./browser.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const vscode = join(here, "node_modules", "code-server", "lib", "vscode");
const QUIET = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];

function run(folder, program, ...rest) {
  execFileSync(program, rest, { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
}

/** Whether npm got to its end in a folder, and that after the list of packages was written. */
function isInstalled(folder, list) {
  const end = join(folder, "node_modules", ".package-lock.json");
  return existsSync(end) && statSync(end).mtimeMs >= statSync(join(folder, list)).mtimeMs;
}

function fail(text) {
  console.error(text);
  process.exit(1);
}

if (process.platform !== "linux" || process.arch !== "x64") {
  fail("These tests run on 64-bit Linux alone: there is no other build of the Node that code-server needs among its packages.");
}
if (!isInstalled(here, "package-lock.json")) {
  run(here, "npm", "ci", ...QUIET);
}
if (!isInstalled(vscode, "package.json")) {
  run(vscode, "npm", "install", "--omit=dev", ...QUIET); // its own list is not complete, so that `npm ci` refuses it
}
if (!findBrowser()) {
  if (process.getuid() !== 0 || !existsSync("/usr/bin/apt-get")) {
    fail("These tests need Chromium: install it (Debian: apt-get install chromium), or name the program in CHROMIUM.");
  }
  run("/", "apt-get", "-qq", "update");
  run("/", "apt-get", "-qq", "install", "--yes", "--no-install-recommends", "chromium");
}
console.log(`${vscode}\n${findBrowser()}`);
