/**
 * Asks for ghost text as soon as a key is in the text. The editor itself rests for 50 ms before it asks; what it asks for
 * then is on its way already, so that the model works while the editor rests.
 *
 * Only what one key typed is asked for ahead. Knows nothing of what becomes of an answer.
 */

import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";

export type Provide = NonNullable<Middleware["provideInlineCompletionItems"]>;
type Next = Parameters<Provide>[4];
type Answer = Awaited<ReturnType<Next>>;

interface Asked {
  document: vscode.TextDocument;
  version: number;
  position: vscode.Position;
  source: vscode.CancellationTokenSource;
  answer: Promise<Answer>;
  timer: NodeJS.Timeout;
}

const AUTOMATIC = vscode.InlineCompletionTriggerKind.Automatic;
// One key: a character, a pair of brackets, or a line end with the next line's indent.
const TYPED = /^(?:\S{1,2}|\s+)$/;
// The editor asks 50 ms after a key, or not at all.
const PATIENCE_MS = 1000;

export class Ahead implements vscode.Disposable {
  private next: Next | undefined;
  private asked: Asked | undefined;
  /** The version that a key made, of the document that it was typed into. */
  private typed: { document: vscode.TextDocument; version: number } | undefined;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly wanted: () => boolean) {
    this.subscriptions = [
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        const change = contentChanges.length === 1 ? contentChanges[0] : undefined;
        const typed = change && change.rangeLength === 0 && TYPED.test(change.text);
        this.typed = typed ? { document, version: document.version } : undefined;
      }),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => this.moved(textEditor)),
    ];
  }

  /** The answer to what the editor asks for: that which is on its way, where it is for the same place and text. */
  provide(...[document, position, context, token, next]: Parameters<Provide>): ReturnType<Next> {
    this.next = next;
    const asked = this.asked;
    this.asked = undefined;
    if (!asked) {
      return next(document, position, context, token);
    }
    clearTimeout(asked.timer);
    const same = asked.document === document && asked.version === document.version && asked.position.isEqual(position);
    if (!same || context.triggerKind !== AUTOMATIC || context.selectedCompletionInfo) {
      asked.source.cancel();
      return next(document, position, context, token);
    }
    const listener = token.onCancellationRequested(() => asked.source.cancel());
    return asked.answer.finally(() => listener.dispose());
  }

  /** Nobody asks any more: the server went away. */
  clear(): void {
    this.drop();
    this.next = undefined;
  }

  dispose(): void {
    this.clear();
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private moved(editor: vscode.TextEditor): void {
    const { document } = editor;
    const typed = this.typed?.document === document && this.typed.version === document.version;
    this.typed = undefined;
    this.drop();
    const next = this.next;
    if (!typed || !next || editor !== vscode.window.activeTextEditor || editor.selections.length > 1 || !this.wanted()) {
      return;
    }
    if (!vscode.workspace.getConfiguration("editor", document).get<boolean>("inlineSuggest.enabled", true)) {
      return;
    }
    const position = editor.selection.active;
    const source = new vscode.CancellationTokenSource();
    const context = { triggerKind: AUTOMATIC, selectedCompletionInfo: undefined };
    const answer = Promise.resolve(next(document, position, context, source.token));
    answer.catch(() => undefined); // whoever takes it hears of it
    const timer = setTimeout(() => this.drop(), PATIENCE_MS);
    this.asked = { document, version: document.version, position, source, answer, timer };
  }

  private drop(): void {
    if (this.asked) {
      clearTimeout(this.asked.timer);
      this.asked.source.cancel();
      this.asked = undefined;
    }
  }
}
