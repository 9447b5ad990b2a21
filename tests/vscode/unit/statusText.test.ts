import assert from "node:assert/strict";
import { test } from "node:test";
import { shown, whyNot } from "../../../editors/vscode/src/statusText";

const ready = { state: "ready", message: "" } as const;

test("today's figure is there once there was an opportunity", () => {
  const stats = { opportunities: 10, shown: 5, accepted: 2, cpo: 1.234 };
  assert.match(shown(ready, false, stats, 0, 1).text, / Foretype 1\.23$/);
  assert.match(shown(ready, false, stats, 0, 1).tooltip, /2 of 5 suggestions accepted/);
  assert.match(shown(ready, false, { opportunities: 0, cpo: 0 }, 0, 1).text, / Foretype$/);
});

test("each state has its icon", () => {
  assert.match(shown(ready, true, {}, 0, 1).text, /sync/);
  assert.match(shown({ state: "loading", message: "" }, true, {}, 0, 1).text, /loading/);
  assert.ok(shown({ state: "error", message: "no model" }, false, {}, 0, 1).warning);
  assert.match(shown({ state: "error", message: "no model" }, false, {}, 0, 1).tooltip, /no model/);
});

test("a snooze says how long", () => {
  assert.match(shown(ready, false, {}, 61_000, 1000).tooltip, /snoozed for 1 minute more/);
});

test("why there was nothing", () => {
  assert.equal(whyNot({ reason: "gated", why: "not likely" }), "There was no suggestion: not likely.");
  assert.match(whyNot({ suggestion_id: "1", stages_ms: { total: 41.6 } }), /42 ms/);
  assert.match(whyNot({}), /Nothing/);
});
