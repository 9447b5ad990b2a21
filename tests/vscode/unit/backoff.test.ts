import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../../editors/vscode/src/backoff";

test("pauses double, and a server that keeps stopping stays off", () => {
  const backoff = new Backoff();
  assert.deepEqual([0, 1000, 2000].map((now) => backoff.stopped(now)), [500, 1000, 2000]);
  assert.equal(backoff.stopped(3000), undefined);
});

test("stops long ago do not count", () => {
  const backoff = new Backoff();
  [0, 1000, 2000].forEach((now) => backoff.stopped(now));
  assert.equal(backoff.stopped(61_500), 1000); // the one at 2000 and this
});

test("a restart by the user begins anew", () => {
  const backoff = new Backoff();
  [0, 1, 2, 3].forEach((now) => backoff.stopped(now));
  backoff.reset();
  assert.equal(backoff.stopped(4), 500);
});
