import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const SOURCES = ["package.json", "README.md", "LICENSE", "build.mjs", "tsconfig.json", ".vscodeignore", "src", "walkthrough"];

/** The bytes of the extension, packed in a copy of its folder after `prepare` was there. */
function packed(folder: string, env: Record<string, string>, prepare: (copy: string) => void): Buffer {
  const copy = mkdtempSync(join(folder, "copy-"));
  for (const name of SOURCES) {
    cpSync(name, join(copy, name), { recursive: true });
  }
  symlinkSync(join(process.cwd(), "node_modules"), join(copy, "node_modules"), "junction");
  prepare(copy);
  const command = [join(copy, "build.mjs"), "--package", join(copy, "out.vsix")];
  execFileSync(process.execPath, command, { env: { ...process.env, SOURCE_DATE_EPOCH: "1700000000", ...env }, stdio: "ignore" });
  return readFileSync(join(copy, "out.vsix"));
}

// `npm test` runs in the extension's folder.
test("two packages of the same sources have the same bytes", () => {
  const folder = mkdtempSync(join(tmpdir(), "foretype-vsix-"));
  try {
    const first = packed(folder, { TZ: "UTC" }, () => {});
    const second = packed(folder, { TZ: "Asia/Kolkata" }, (copy) => {
      utimesSync(join(copy, "package.json"), 1, 1);
      chmodSync(join(copy, "walkthrough", "status.md"), 0o600);
    });
    assert.ok(first.equals(second));
    const other = packed(folder, {}, (copy) => writeFileSync(join(copy, "walkthrough", "status.md"), "other"));
    assert.ok(!first.equals(other));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
