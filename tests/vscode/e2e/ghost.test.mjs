// Ghost text in a real VS Code: seen, taken whole and in parts, turned down; the server hears of each.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root, until, VSIX, Workbench } from "./workbench.mjs";

const LINES = 20_000;
let bench;

before(async () => {
  bench = await Workbench.open({
    "sums.py": "def add(first, second):\n",
    "large.py": Array.from({ length: LINES }, (_, i) => `value_${i} = ${i}\n`).join(""),
  }, { "foretype.edits.enabled": false }, { install });
});

/** Ours, and an extension of somebody else's that draws ghost text as well. */
function install(bench) {
  const folder = join(bench.folder, "another");
  const manifest = {
    ...{ name: "another", publisher: "somebody", version: "1.0.0", engines: { vscode: "^1.91.0" } },
    ...{ main: "./main.js", activationEvents: ["onStartupFinished"] },
  };
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "main.js"), `
    const vscode = require("vscode");
    exports.activate = () => vscode.languages.registerInlineCompletionItemProvider({ pattern: "**" }, {
      provideInlineCompletionItems: (document, position) =>
        document.lineAt(position.line).text.slice(0, position.character).endsWith("both = ")
          ? [new vscode.InlineCompletionItem("from_another()")] : [],
    });`);
  const vsce = join(root, "editors", "vscode", "node_modules", "@vscode", "vsce", "vsce");
  const flags = ["--no-dependencies", "--allow-missing-repository", "--skip-license", "--out", "another.vsix"];
  execFileSync(process.execPath, [vsce, "package", ...flags], { cwd: folder, stdio: "pipe" });
  bench.code("--install-extension", VSIX, "--install-extension", join(folder, "another.vsix"));
}

after(() => bench?.close());

async function typeAtEnd(text) {
  await bench.page.keyboard.press("Control+End");
  await bench.page.keyboard.type(text, { delay: 30 });
}

function accepted() {
  const calls = bench.messages("client", "workspace/executeCommand").map((one) => one.params);
  return calls.filter((call) => call.command === "foretype.accept").map((call) => call.arguments[0].suggestionId);
}

test("Tab takes all of it, and the server hears so", async () => {
  bench.stub.script = (prompt) => (prompt.endsWith("return ") ? "first + second" : "");
  await bench.openFile("sums.py");
  await typeAtEnd("    return ");
  await until("ghost text", async () => (await bench.ghost()) === "first + second");
  await bench.shot("ghost");
  await bench.page.keyboard.press("Tab");
  await until("the text", async () => (await bench.lines()).includes("    return first + second"));
  await until("the acceptance", () => accepted().length === 1);
  const answers = bench.messages("server").filter((one) => one.result?.items?.length);
  assert.equal(answers.at(-1).result.items[0].command.arguments[0].suggestionId, accepted()[0]);
});

test("words are told with what was taken so far, and the rest stays", async () => {
  bench.stub.script = (prompt) => (prompt.endsWith("total = ") ? "add(first, second)" : "");
  await typeAtEnd("\ntotal = ");
  await until("ghost text", async () => (await bench.ghost()) === "add(first, second)");
  const before = accepted().length;
  await bench.page.keyboard.press("Control+ArrowRight");
  await until("a word", async () => (await bench.lines()).some((line) => /total = add/.test(line)));
  const told = () => bench.messages("client", "textDocument/didPartiallyAcceptCompletion");
  await until("the report", () => told().length === 1);
  const { item, acceptedLength } = told()[0].params;
  assert.ok("add(first, second)".startsWith(item.insertText.slice(0, acceptedLength)));
  assert.ok(acceptedLength >= 3 && acceptedLength < item.insertText.length);
  await bench.shot("ghost-word");
  await until("the rest", async () => (await bench.ghost()) !== "");
  await bench.page.keyboard.press("Tab");
  await until("the text", async () => (await bench.lines()).some((line) => line.endsWith("total = add(first, second)")));
  await until("the acceptance", () => accepted().length === before + 1);
});

test("Escape turns it down, and the server hears so", async () => {
  bench.stub.script = (prompt) => (prompt.endsWith("print(") ? "total)" : "");
  await typeAtEnd("\nprint(");
  await until("ghost text", async () => (await bench.ghost()) === "total)");
  await bench.page.keyboard.press("Escape");
  await until("no ghost text", async () => (await bench.ghost()) === "");
  const rejected = await until("the report", () => bench.messages("client", "foretype/didReject")[0]);
  const answers = bench.messages("server").filter((one) => one.result?.items?.[0]?.insertText === "total)");
  assert.equal(rejected.params.suggestionId, answers.at(-1).result.items[0].command.arguments[0].suggestionId);
});

test("beside another extension's ghost text one of the two is shown, and taken alone", async () => {
  const texts = ["from_foretype()", "from_another()"];
  bench.stub.script = (prompt) => (prompt.endsWith("both = ") ? texts[0] : "");
  const before = accepted().length;
  await typeAtEnd("\nboth = ");
  const shown = await until("ghost text", () => bench.ghost());
  assert.ok(texts.includes(shown), shown);
  await bench.shot("ghost-another");
  await bench.page.keyboard.press("Tab");
  await until("the text", async () => (await bench.lines()).some((line) => line.endsWith(`both = ${shown}`)));
  if (shown === texts[0]) {
    await until("the acceptance", () => accepted().length === before + 1);
  }
});

/** Milliseconds a key takes until its text is on the screen. */
async function perKey(text) {
  await bench.page.keyboard.press("Control+End");
  const start = Date.now();
  await bench.page.keyboard.type(text);
  await until("the text", async () => (await bench.lines()).some((line) => line.endsWith(text.trim())));
  return (Date.now() - start) / text.length;
}

test("a file of 20,000 lines stays responsive", async () => {
  bench.stub.script = () => "";
  const small = await perKey("\na_value = 1");
  await bench.openFile("large.py");
  const large = [];
  for (const name of ["second", "third", "fourth"]) {
    large.push(await perKey(`\n${name}_value = 1`)); // the editor and the server read the file while the first is typed
  }
  assert.ok(Math.min(...large) < Math.max(100, 2 * small), `${large.map(Math.round)} ms a key, in a small file ${Math.round(small)}`);
});

test("a server that was killed comes back", async () => {
  const servers = () => bench.messages("tee").map((one) => one.pid);
  const before = servers().length;
  process.kill(servers().at(-1), "SIGKILL");
  await until("another server", () => servers().length > before);
  await until("it is ready", () => bench.isReady());
  bench.stub.script = (prompt) => (prompt.endsWith("x = ") ? "value_1" : "");
  await typeAtEnd("\nx = ");
  await until("ghost text", async () => (await bench.ghost()) === "value_1");
  await bench.shot("after-restart");
});

test("a restart by command, and why there was no suggestion", async () => {
  const servers = () => bench.messages("tee").length;
  const before = servers();
  await bench.command("Foretype: Restart the Server");
  await until("another server", () => servers() > before);
  await until("it is ready", () => bench.isReady());
  await bench.command("Foretype: Why Was There No Suggestion?");
  await until("the answer", async () => {
    const said = await bench.page.$$eval(".notification-list-item-message", (all) => all.map((one) => one.textContent));
    return said.some((text) => text.startsWith("Foretype: "));
  });
  await bench.command("Notifications: Clear All Notifications");
});

test("the status bar and its menu", async () => {
  assert.match(await bench.status(), /Foretype/);
  await bench.page.keyboard.press("Escape");
  await bench.command("Foretype: Menu");
  await until("the menu", async () => {
    const rows = await bench.page.$$eval(".quick-input-list .monaco-list-row", (all) => all.map((row) => row.textContent));
    return rows.some((row) => row.includes("Switch off for python")) && rows.some((row) => row.includes("Snooze"));
  });
  await bench.shot("menu");
  await bench.page.keyboard.press("Escape");
});
