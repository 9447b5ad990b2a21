// Bundles the extension into dist/, with `--tests FOLDER` the unit tests of a folder into dist/tests/; or with `--package FILE`
// packs the extension, the same bytes for the same sources.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const common = { bundle: true, platform: "node", format: "cjs", target: "node20", logLevel: "warning" };

if (process.argv[2] === "--tests") {
  const folder = resolve(process.argv[3]);
  const outdir = join(here, "dist", "tests");
  rmSync(outdir, { recursive: true, force: true });
  const entryPoints = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
  const alias = { vscode: join(folder, "vscode.ts") }; // there is no editor around a unit test
  await build({ ...common, entryPoints: entryPoints.map((name) => join(folder, name)), outdir, alias, sourcemap: "inline" });
} else if (process.argv[2] === "--package") {
  pack(resolve(process.argv[3]));
} else {
  // Two files: what an editor waits for at its start is small, the protocol's library comes when a server starts.
  await build({
    ...common,
    entryPoints: [join(here, "src", "extension.ts"), join(here, "src", "client.ts")],
    outdir: join(here, "dist"),
    external: ["vscode", "./client.js"],
    minify: true,
  });
}

// vsce sorts the files and gives them one time where SOURCE_DATE_EPOCH is set; their modes and the time zone are left to us.
function pack(file) {
  const files = (folder) => (existsSync(join(here, folder)) ? readdirSync(join(here, folder)).map((name) => join(here, folder, name)) : []);
  files("dist").filter((name) => name.endsWith(".js")).forEach((name) => rmSync(name)); // what an earlier version left
  process.umask(0o022);
  for (const name of [...["package.json", "README.md", "LICENSE"].map((name) => join(here, name)), ...files("walkthrough"), ...files("wheel")]) {
    chmodSync(name, 0o644);
  }
  const env = { ...process.env, TZ: "UTC", SOURCE_DATE_EPOCH: process.env.SOURCE_DATE_EPOCH || lastCommit() };
  const vsce = join(here, "node_modules", "@vscode", "vsce", "vsce");
  const words = ["package", "--no-dependencies", "--allow-missing-repository", "--out", file];
  execFileSync(process.execPath, [vsce, ...words], { cwd: here, env, stdio: "inherit" });
}

function lastCommit() {
  try {
    return execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: here, encoding: "utf8" }).trim() || "315532800";
  } catch {
    return "315532800"; // no clone: the first time that a zip file can hold, 1980-01-01
  }
}
