/** All next edits as a list to choose from, each shown in its place while it is looked at. */

import * as vscode from "vscode";
import type { NextEdits } from "./nextEdits";
import type { NextEdit } from "./protocol";

interface Item extends vscode.QuickPickItem {
  edit: NextEdit;
}

export function openList(edits: NextEdits): void {
  if (!edits.edits.length) {
    void vscode.window.showInformationMessage("Foretype: there are no next edits.");
    return;
  }
  const from = vscode.window.activeTextEditor;
  const back = from && { document: from.document, selection: from.selection };
  const picker = vscode.window.createQuickPick<Item>();
  const all = { iconPath: new vscode.ThemeIcon("check-all"), tooltip: "Accept all" };
  const preview = { iconPath: new vscode.ThemeIcon("open-preview"), tooltip: "Accept all, with a preview" };
  let chosen = false;
  picker.title = "Foretype: next edits";
  picker.placeholder = "Enter goes to the place, Escape goes back";
  picker.matchOnDescription = picker.matchOnDetail = true;
  picker.buttons = [preview, all];
  const fill = () => (picker.items = edits.edits.map(itemOf));
  fill();
  const listener = edits.onDidChange(fill);
  picker.onDidChangeActive(([item]) => item && void edits.jump(item.edit, true));
  picker.onDidTriggerButton((button) => {
    chosen = true;
    picker.hide();
    void vscode.commands.executeCommand(`foretype.nextEdit.${button === all ? "acceptAll" : "previewAll"}`);
  });
  picker.onDidAccept(() => {
    chosen = true;
    const item = picker.selectedItems[0];
    picker.hide();
    if (item) {
      void edits.jump(item.edit);
    }
  });
  picker.onDidHide(() => {
    listener.dispose();
    picker.dispose();
    if (!chosen && back) {
      void vscode.window.showTextDocument(back.document, { selection: back.selection });
    }
  });
  picker.show();
}

function itemOf(edit: NextEdit): Item {
  return {
    edit,
    label: `${oneLine(edit.oldText) || "\u2205"} \u2192 ${oneLine(edit.text) || "\u2205"}`,
    description: `${edit.path}:${edit.range.start.line + 1}`,
    detail: edit.why,
  };
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\r?\n\s*/g, " \u23ce ");
}
