import assert from "node:assert/strict";
import { test } from "node:test";
import { difference, fits, hunk, lineChange, printable } from "../../../editors/vscode/src/editText";
import type { NextEdit } from "../../../editors/vscode/src/protocol";

function edit(from: [number, number], to: [number, number], oldText: string, text: string): NextEdit {
  const range = {
    start: { line: from[0], character: from[1] },
    end: { line: to[0], character: to[1] },
  };
  const command = { title: "Accept", command: "foretype.acceptEdit", arguments: [{ suggestionId: "1" }] };
  const rest = { id: "1", path: "a.py", uri: "file:///a.py", version: 1, lane: "rule", reason: "rename" } as const;
  return { ...rest, range, oldText, text, why: "", confidence: 1, command };
}

test("a word in a line", () => {
  const found = hunk(edit([3, 4], [3, 9], "total", "amount"), ["x = total + 1"]);
  assert.deepEqual(found, { row: 3, old: ["x = total + 1"], new: ["x = amount + 1"] });
  assert.deepEqual(lineChange("x = total + 1", "x = amount + 1"), { start: 4, end: 9, text: "amount" });
});

test("lines that stay are no part of the change", () => {
  const found = hunk(edit([0, 0], [2, 1], "a\nb\nc", "a\nB\nB\nc"), ["a", "b", "c"]);
  assert.deepEqual(found, { row: 1, old: ["b"], new: ["B", "B"] });
});

test("lines that only come have the place of none that goes", () => {
  assert.deepEqual(hunk(edit([5, 1], [5, 1], "", "\nb"), ["a"]), { row: 6, old: [], new: ["b"] });
});

test("an edit that changes nothing is nothing", () => {
  assert.equal(hunk(edit([0, 0], [0, 1], "a", "a"), ["a"]), undefined);
});

test("inserted text keeps the words around it whole, but removes none", () => {
  assert.deepEqual(lineChange("f(a)", "f(a, b)"), { start: 3, end: 3, text: ", b" });
  assert.deepEqual(lineChange("f(a, b)", "f(a)"), { start: 3, end: 6, text: "" });
});

test("words are replaced whole", () => {
  assert.deepEqual(lineChange("get_name()", "get_title()"), { start: 0, end: 8, text: "get_title" });
});

test("surrogate pairs are not torn", () => {
  const change = lineChange("'\u{1f600}'", "'\u{1f601}'");
  assert.deepEqual(change, { start: 1, end: 3, text: "\u{1f601}" });
});

test("every change of a line says the new line", () => {
  const lines = ["", "a", "ab", "aa", "foo(bar)", "foo(bar, baz)", "\u{1f600}x", "x\u{1f600}", "  foo_bar", "foo_baz  "];
  for (const old of lines) {
    for (const fresh of lines) {
      const { start, end, text } = lineChange(old, fresh);
      assert.equal(old.slice(0, start) + text + old.slice(end), fresh, `${old} to ${fresh}`);
    }
  }
});

test("an edit fits only the text that it replaces", () => {
  assert.ok(fits(edit([0, 0], [1, 0], "a\n", ""), "a\r\n"));
  assert.ok(!fits(edit([0, 0], [0, 1], "a", ""), "b"));
});

test("difference and printable text", () => {
  assert.equal(difference({ row: 0, old: ["a"], new: ["b", "c"] }, ["z"]), " z\n-a\n+b\n+c");
  assert.equal(printable("\ta b\r\nc", 2), "\u00a0\u00a0a\u00a0b\u23cec");
});
