// Next edits in a real VS Code: a name becomes another, and Tab follows it, in this file and in another one.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { until, VSIX, Workbench } from "./workbench.mjs";

const FAR = 120;
const SHAPES = [
  "def area(width, height):",
  "    return width * height",
  "",
  ...Array.from({ length: FAR }, (_, i) => `SIZE_${i} = ${i}`),
  "room = area(3, 4)",
  "",
].join("\n");

const BOXES = "def volume(side):\n    return side**3\n\n\none = volume(1)\ntwo = volume(2)\n";
const LIDS = "def cover(lid):\n    return lid.size\n\n\nflat = cover(1)\nround_ = cover(2)\n";
const POLES = "def length(pole):\n    return pole.size\n\n\nshort = length(1)\nlong = length(2)\n";
const NETS = "def mesh(net):\n    return net.size\n\n\nfine = mesh(1)\ncoarse = mesh(2)\n";
const SNIPPETS = { each: { prefix: "each", body: ["for ${1:item} in ${2:items}:"] } };

let bench;

before(async () => {
  bench = await Workbench.open(
    {
      "shapes.py": SHAPES,
      "house.py": "from shapes import area\n\nkitchen = area(2, 5)\n",
      "boxes.py": BOXES,
      "lids.py": LIDS,
      "poles.py": POLES,
      "nets.py": NETS,
    },
    {}, // the scripted model says nothing, so there is no ghost text
    { install },
  );
});

function install(bench) {
  const folder = join(bench.folder, "data", "User", "snippets");
  mkdirSync(folder);
  writeFileSync(join(folder, "python.json"), JSON.stringify(SNIPPETS));
  bench.code("--install-extension", VSIX);
}

after(() => bench?.close());

const found = () => bench.messages("server", "foretype/didFindNextEdits").at(-1)?.params.edits ?? [];
const executed = () => {
  const calls = bench.messages("client", "workspace/executeCommand").map((one) => one.params);
  return calls.filter((call) => call.command === "foretype.acceptEdit").flatMap((call) => call.arguments);
};

async function decorations() {
  return bench.page.evaluate(() => {
    const parts = [...document.querySelectorAll(".editor-instance .view-line span")];
    return parts.map((part) => getComputedStyle(part, "::after").content).filter((text) => text && text !== "none");
  });
}
const drawn = async (text) => (await decorations()).some((one) => one.replace(/\u00a0/g, " ").includes(text));

async function rename(from, to) {
  await bench.goTo(1, "def ".length + 1);
  for (let i = 0; i < from.length; i++) {
    await bench.page.keyboard.press("Delete");
  }
  await bench.page.keyboard.type(to, { delay: 30 });
}

test("Tab goes to a place that is out of view, Tab takes the edit", async () => {
  await bench.openFile("shapes.py");
  await until("the workspace is read", () => bench.messages("client", "textDocument/didOpen").length > 0);
  await rename("area", "surface");
  await until("proposals", () => found().length === 3);
  await until("a hint", () => drawn("Tab:"));
  await bench.shot("edit-hint");
  await bench.page.keyboard.press("Tab");
  await until("the place", async () => (await bench.lines()).some((line) => line.startsWith("room = ")));
  await until("a difference", () => drawn("surface"));
  await until("that it was shown", () => bench.messages("client", "textDocument/didShowInlineEdit").length > 0);
  await bench.shot("edit-inline");
  await bench.page.keyboard.press("Tab");
  await until("the text", async () => (await bench.lines()).includes("room = surface(3, 4)"));
  await until("the acceptance", () => executed().length === 1);
});

test("then to another file", async () => {
  await until("a hint", () => drawn("house.py"));
  await bench.shot("edit-other-file");
  await bench.page.keyboard.press("Tab");
  await bench.page.waitForSelector('.tab.active[data-resource-name="house.py"]');
  await until("a difference", () => drawn("surface"));
  await bench.page.keyboard.press("Tab");
  await until("the acceptance", () => executed().length === 2);
  assert.ok((await bench.lines()).some((line) => line.includes("surface")));
});

test("all places in a list, and Escape dismisses", async () => {
  await bench.openFile("boxes.py");
  await rename("volume", "content");
  await until("proposals", () => found().filter((edit) => edit.path === "boxes.py").length === 2);
  await bench.command("Foretype: List the Next Edits");
  await until("the list", async () => {
    const rows = await bench.page.$$eval(".quick-input-list .monaco-list-row", (all) => all.map((row) => row.textContent));
    return rows.filter((row) => row.includes("content") && row.includes("boxes.py")).length === 2;
  });
  await bench.shot("edit-list");
  await bench.page.keyboard.press("Escape");
  await until("it is drawn again", () => drawn("content"));
  await bench.page.keyboard.press("Escape");
  await until("that they were turned down", () => bench.messages("client", "foretype/didReject").length >= 2);
  await until("nothing is drawn", async () => !(await drawn("content")));
});

test("one is skipped, and the next one is in turn", async () => {
  const rejected = () => bench.messages("client", "foretype/didReject").length;
  await bench.openFile("lids.py");
  await rename("cover", "shut");
  await until("proposals", () => found().filter((edit) => edit.path === "lids.py").length === 2);
  await until("a difference", () => drawn("shut"));
  const before = rejected();
  await bench.page.keyboard.press("Alt+]");
  await until("that it was turned down", () => rejected() === before + 1);
  await until("the next one", () => drawn("shut"));
  await bench.page.keyboard.press("Escape");
  await until("that the other one was, too", () => rejected() === before + 2);
});

test("the completion menu and a snippet's places have Tab before next edits", async () => {
  await bench.openFile("nets.py");
  await rename("mesh", "weave");
  await until("proposals", () => found().filter((edit) => edit.path === "nets.py").length === 2);
  await until("a difference", () => drawn("weave"));
  const before = executed().length;
  await bench.page.keyboard.press("Control+End");
  await bench.page.keyboard.type("each", { delay: 30 });
  await until("a difference", () => drawn("weave"));
  await bench.page.keyboard.press("Control+Space");
  await bench.page.waitForSelector(".suggest-widget.visible .monaco-list-row");
  await bench.shot("edit-menu");
  await bench.page.keyboard.press("Tab");
  await until("the snippet", async () => (await bench.lines()).includes("for item in items:"));
  await bench.page.keyboard.press("Tab");
  await bench.page.keyboard.type("threads");
  await until("its second place", async () => (await bench.lines()).includes("for item in threads:"));
  assert.equal(executed().length, before);
  await bench.page.keyboard.press("Escape");
});

test("accept all", async () => {
  await bench.openFile("poles.py");
  await rename("length", "extent");
  await until("proposals", () => found().filter((edit) => edit.path === "poles.py").length === 2);
  const before = executed().length;
  await bench.command("Foretype: Accept All Next Edits");
  await until("the acceptances", () => executed().length >= before + 2);
  await bench.command("File: Save All Files");
  const file = join(bench.workspace, "poles.py");
  await until("the file", () => readFileSync(file, "utf8").endsWith("short = extent(1)\nlong = extent(2)\n"));
  await bench.shot("edit-all");
});
