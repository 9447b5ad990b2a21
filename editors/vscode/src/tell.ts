/** Tells the server what the editor knows besides the text: where the cursor goes, and what other servers complain of. */

import * as vscode from "vscode";

const REST_MS = 200;

export type Notify = (method: string, params: unknown) => void;

/** `foretype/didMoveCursor` for moves that are not typing. */
export function tellOfCursor(notify: Notify): vscode.Disposable {
  const versions = new WeakMap<vscode.TextDocument, number>();
  function moved(editor: vscode.TextEditor | undefined): void {
    if (editor?.document.uri.scheme === "file") {
      const { line, character } = editor.selection.active;
      const textDocument = { uri: editor.document.uri.toString() };
      notify("foretype/didMoveCursor", { textDocument, position: { line, character } });
    }
  }
  return vscode.Disposable.from(
    vscode.window.onDidChangeActiveTextEditor(moved),
    vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => {
      const { document } = textEditor;
      const typing = versions.get(document) !== document.version;
      versions.set(document, document.version);
      if (!typing && textEditor === vscode.window.activeTextEditor) {
        moved(textEditor);
      }
    }),
  );
}

/** `foretype/didChangeDiagnostics` of open documents, once they rest. */
export function tellOfDiagnostics(notify: Notify): vscode.Disposable {
  const timers = new Map<string, NodeJS.Timeout>();
  function tell(uri: vscode.Uri): void {
    timers.delete(uri.toString());
    if (!vscode.workspace.textDocuments.some((document) => document.uri.toString() === uri.toString())) {
      return;
    }
    const diagnostics = vscode.languages.getDiagnostics(uri).map((one) => ({
      range: one.range,
      message: one.message,
      severity: one.severity + 1, // the editor counts from 0, the protocol from 1
      source: one.source ?? null,
      code: typeof one.code === "object" ? one.code.value : (one.code ?? null),
    }));
    notify("foretype/didChangeDiagnostics", { uri: uri.toString(), diagnostics });
  }
  const listener = vscode.languages.onDidChangeDiagnostics(({ uris }) => {
    for (const uri of uris.filter((one) => one.scheme === "file")) {
      clearTimeout(timers.get(uri.toString()));
      timers.set(uri.toString(), setTimeout(() => tell(uri), REST_MS));
    }
  });
  return vscode.Disposable.from(listener, { dispose: () => timers.forEach((timer) => clearTimeout(timer)) });
}
