/** What a next edit makes of its lines: which go, which come, and which words inside of a line. Knows no editor. */

import type { NextEdit } from "./protocol";
import { newlines } from "./partial";

/** `old` lines from line `row` on give way to `new`. */
export interface Hunk {
  row: number;
  old: string[];
  new: string[];
}

/** Inside of one line: text from `start` to `end` goes, and `text` comes there. UTF-16 code units. */
export interface LineChange {
  start: number;
  end: number;
  text: string;
}

/** Whether the text under the edit's range is the one that it replaces. */
export function fits(edit: NextEdit, under: string): boolean {
  return newlines(under) === newlines(edit.oldText);
}

/** What changes, in whole lines. `lines` are those of the edit's range, from its first to its last. */
export function hunk(edit: NextEdit, lines: string[]): Hunk | undefined {
  const { start, end } = edit.range;
  const fresh = newlines(edit.text).split("\n");
  fresh[0] = (lines[0] ?? "").slice(0, start.character) + fresh[0];
  fresh[fresh.length - 1] += (lines.at(-1) ?? "").slice(end.character);
  let head = 0;
  while (head < Math.min(lines.length, fresh.length) && lines[head] === fresh[head]) {
    head++;
  }
  let tail = 0;
  while (tail < Math.min(lines.length, fresh.length) - head && lines.at(-1 - tail) === fresh.at(-1 - tail)) {
    tail++;
  }
  const old = lines.slice(head, lines.length - tail);
  const come = fresh.slice(head, fresh.length - tail);
  return old.length || come.length ? { row: start.line + head, old, new: come } : undefined;
}

/** The change from one line to another; where text both goes and comes, words are not torn apart. */
export function lineChange(old: string, fresh: string): LineChange {
  const shorter = Math.min(old.length, fresh.length);
  let head = 0;
  while (head < shorter && old[head] === fresh[head]) {
    head++;
  }
  let tail = 0;
  while (tail < shorter - head && old.at(-1 - tail) === fresh.at(-1 - tail)) {
    tail++;
  }
  if (head > 0 && high(old[head - 1])) {
    head--;
  }
  if (tail > 0 && low(old.at(-tail))) {
    tail--;
  }
  if (old.length > head + tail && fresh.length > head + tail) {
    head -= /[\p{L}\p{N}_]*$/u.exec(old.slice(0, head))![0].length;
    tail -= /^[\p{L}\p{N}_]*/u.exec(old.slice(old.length - tail))![0].length;
  }
  return { start: head, end: old.length - tail, text: fresh.slice(head, fresh.length - tail) };
}

/** The edit as a unified difference, for people. */
export function difference(found: Hunk, before: string[] = [], after: string[] = []): string {
  const marked = (mark: string, lines: string[]) => lines.map((line) => mark + line);
  return [
    ...marked(" ", before),
    ...marked("-", found.old),
    ...marked("+", found.new),
    ...marked(" ", after),
  ].join("\n");
}

/** Text on one line of an editor, which would let spaces collapse and cut at a line end. */
export function printable(text: string, tabSize = 4): string {
  return newlines(text).replace(/\t/g, " ".repeat(tabSize)).replace(/ /g, "\u00a0").replace(/\n/g, "\u23ce");
}

function high(unit: string | undefined): boolean {
  return unit !== undefined && unit >= "\ud800" && unit <= "\udbff";
}

function low(unit: string | undefined): boolean {
  return unit !== undefined && unit >= "\udc00" && unit <= "\udfff";
}
