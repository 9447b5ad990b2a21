// Bundles the extension into dist/, or with `--tests FOLDER` the unit tests of a folder into dist/tests/.
import { readdirSync, rmSync } from "node:fs";
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
