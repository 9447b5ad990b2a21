/**
 * Draws a next edit: as a difference in its lines, or as a hint at the edge of the screen that its lines are beyond.
 *
 * What would go is struck through, what would come stands beside it; the text of the document stays what it is.
 */

import * as vscode from "vscode";
import { difference, hunk, lineChange, printable } from "./editText";
import type { NextEdit } from "./protocol";

const gone = vscode.window.createTextEditorDecorationType({
  textDecoration: "line-through",
  backgroundColor: new vscode.ThemeColor("diffEditor.removedTextBackground"),
});
const come = vscode.window.createTextEditorDecorationType({});
const hint = vscode.window.createTextEditorDecorationType({});
const MOST_HINT = 100;

/** Whole lines that an edit is on; undefined where the document has no such lines. */
export function linesOf(edit: NextEdit, document: vscode.TextDocument): string[] | undefined {
  const { start, end } = edit.range;
  if (end.line >= document.lineCount) {
    return undefined;
  }
  return Array.from({ length: end.line - start.line + 1 }, (_, i) => document.lineAt(start.line + i).text);
}

/** Draws an edit in an editor in which its lines are in view. */
export function show(edit: NextEdit, editor: vscode.TextEditor): void {
  hide();
  const lines = linesOf(edit, editor.document);
  const found = lines && hunk(edit, lines);
  if (!found) {
    return;
  }
  const about = new vscode.MarkdownString(`**Foretype**: ${escape(edit.why)}`);
  about.appendCodeblock(difference(found), "diff");
  const removed: vscode.DecorationOptions[] = [];
  const added: vscode.DecorationOptions[] = [];
  function add(row: number, column: number, text: string): void {
    const at = new vscode.Position(row, column);
    added.push({
      range: new vscode.Range(at, at),
      hoverMessage: about,
      renderOptions: {
        after: {
          contentText: printable(text),
          color: new vscode.ThemeColor("editor.foreground"),
          backgroundColor: new vscode.ThemeColor("diffEditor.insertedTextBackground"),
        },
      },
    });
  }
  if (found.old.length === found.new.length) {
    found.old.forEach((old, i) => {
      const change = lineChange(old, found.new[i]!);
      if (change.end > change.start) {
        const range = new vscode.Range(found.row + i, change.start, found.row + i, change.end);
        removed.push({ range, hoverMessage: about });
      }
      if (change.text) {
        add(found.row + i, change.end, change.text);
      }
    });
  } else {
    found.old.forEach((old, i) => {
      if (old) {
        removed.push({ range: new vscode.Range(found.row + i, 0, found.row + i, old.length), hoverMessage: about });
      }
    });
    if (found.new.length) {
      // beside the last line that goes, or behind the one before: an editor has no room between lines to lend
      const row = Math.max(0, found.row + found.old.length - 1);
      const text = found.new.map((line) => line.trim()).join("\n");
      add(row, editor.document.lineAt(row).text.length, `${found.old.length ? " " : " \u23ce"}${text}`);
    }
  }
  editor.setDecorations(gone, removed);
  editor.setDecorations(come, added);
}

/** Says where an edit is, at the edge that is nearest to it. */
export function showHint(text: string, editor: vscode.TextEditor, edge: "top" | "bottom"): void {
  hide();
  const view = editor.visibleRanges;
  const row = edge === "top" ? view[0]?.start.line : view.at(-1)?.end.line;
  if (row === undefined || row >= editor.document.lineCount) {
    return;
  }
  const end = editor.document.lineAt(row).range.end;
  const said = text.length > MOST_HINT ? `${text.slice(0, MOST_HINT - 1)}\u2026` : text;
  editor.setDecorations(hint, [
    {
      range: new vscode.Range(end, end),
      renderOptions: {
        after: {
          contentText: printable(said),
          margin: "0 0 0 2em",
          color: new vscode.ThemeColor("editorHoverWidget.foreground"),
          backgroundColor: new vscode.ThemeColor("editorHoverWidget.background"),
          border: "1px solid",
          borderColor: new vscode.ThemeColor("editorHoverWidget.border"),
        },
      },
    },
  ]);
}

export function hide(): void {
  for (const editor of vscode.window.visibleTextEditors) {
    for (const type of [gone, come, hint]) {
      editor.setDecorations(type, []);
    }
  }
}

function escape(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!<>|]/g, "\\$&");
}
