import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptedLength, agrees } from "../../../editors/vscode/src/partial";

test("a suggestion agrees with its own beginning, and not with all of itself", () => {
  assert.ok(agrees("return x", ""));
  assert.ok(agrees("return x", "return"));
  assert.ok(!agrees("return x", "return x"));
  assert.ok(!agrees("return x", "returns"));
});

test("line ends of the file and of the suggestion may differ", () => {
  assert.ok(agrees("a\nb", "a\r\n"));
  assert.equal(acceptedLength("a\r\nb", "a\n"), 3);
  assert.equal(acceptedLength("a\nb", "a\r\n"), 2);
});

test("what was taken is counted from the begin, in UTF-16", () => {
  assert.equal(acceptedLength("\u{1f600} = 1", "\u{1f600} ="), 4);
  assert.equal(acceptedLength("abc", "abc"), 3);
});

test("text that says something else was not taken", () => {
  assert.equal(acceptedLength("abc", "abd"), undefined);
  assert.equal(acceptedLength("abc", ""), undefined);
});
