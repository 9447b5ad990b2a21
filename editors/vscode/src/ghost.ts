/**
 * Ghost text: passes requests on, keeps in mind what was offered, and tells the server what became of parts of it.
 *
 * The editor draws. That a suggestion was shown or turned down, and which words of it were taken, it tells nobody, so
 * the keys for that are this extension's own commands around the editor's.
 */

import * as vscode from "vscode";
import { Ahead, type Provide } from "./ahead";
import { acceptedLength, agrees, newlines } from "./partial";

/** An offered item, and where its text begins. */
interface Offer {
  document: vscode.TextDocument;
  start: vscode.Position;
  text: string;
  id: string;
}

const CONTEXT = "foretype.ghost";
// An acceptance that takes longer than this does not hold up the next request.
const PATIENCE_MS = 500;

export interface GhostHost {
  notify(method: string, params: unknown): void;
  /** Whether suggestions are wanted now. */
  wanted(): boolean;
  busy(on: boolean): void;
  /** Whether ghost text may be on the screen; nothing else is drawn then. */
  visible(on: boolean): void;
}

export class Ghost implements vscode.Disposable {
  private offer: Offer | undefined;
  private taking: Promise<unknown> | undefined;
  private asking = 0;
  private on = false;
  private readonly ahead = new Ahead(() => this.host.wanted() && !this.taking && !this.isTaken());
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly host: GhostHost) {
    const command = vscode.commands.registerCommand;
    this.subscriptions = [
      this.ahead,
      command("foretype.acceptWord", () => this.take("editor.action.inlineSuggest.acceptNextWord")),
      command("foretype.acceptLine", () => this.take("editor.action.inlineSuggest.acceptNextLine")),
      command("foretype.dismiss", () => this.dismiss()),
      vscode.window.onDidChangeTextEditorSelection(() => this.update()),
      vscode.window.onDidChangeActiveTextEditor(() => this.update()),
    ];
  }

  /** The middleware of `textDocument/inlineCompletion`. */
  readonly provide: Provide = async (
    document,
    position,
    context,
    token,
    next,
  ) => {
    if (!this.host.wanted()) {
      return null;
    }
    await this.taking; // what was taken is told first, else the server would count it as typed
    this.host.busy(++this.asking > 0);
    try {
      const found = await this.ahead.provide(document, position, context, token, next);
      if (token.isCancellationRequested) {
        return null;
      }
      const items = Array.isArray(found) ? found : (found?.items ?? []);
      this.offer = items[0] && offerOf(document, position, items[0]);
      this.update();
      return found;
    } finally {
      this.host.busy(--this.asking > 0);
    }
  };

  /** Nothing is offered any more: the server went away, or was switched off. */
  clear(): void {
    this.ahead.clear();
    this.forget();
  }

  dispose(): void {
    this.clear();
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private async take(command: string): Promise<void> {
    const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
    const taking = Promise.race([this.takeNow(command), patience]).finally(() => {
      if (this.taking === taking) {
        this.taking = undefined;
      }
    });
    this.taking = taking;
    await taking;
  }

  private async takeNow(command: string): Promise<void> {
    const offer = this.offer;
    await vscode.commands.executeCommand(command);
    const editor = vscode.window.activeTextEditor;
    if (offer && editor?.document === offer.document) {
      this.tell(offer, editor.document.getText(new vscode.Range(offer.start, editor.selection.active)));
    }
  }

  private tell(offer: Offer, typed: string): void {
    const length = acceptedLength(offer.text, typed);
    if (length !== undefined) {
      const item = { insertText: offer.text, command: { arguments: [{ suggestionId: offer.id }] } };
      this.host.notify("textDocument/didPartiallyAcceptCompletion", { item, acceptedLength: length });
    }
  }

  private async dismiss(): Promise<void> {
    const offer = this.offer;
    this.forget();
    await vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
    if (offer) {
      this.host.notify("foretype/didReject", { suggestionId: offer.id });
    }
  }

  private forget(): void {
    this.offer = undefined;
    this.update();
  }

  /** Whether all of the offer is in the text now: the editor says next that it was accepted. */
  private isTaken(): boolean {
    const [editor, offer] = [vscode.window.activeTextEditor, this.offer];
    if (!editor || !offer || editor.document !== offer.document || editor.selection.active.isBefore(offer.start)) {
      return false;
    }
    const typed = editor.document.getText(new vscode.Range(offer.start, editor.selection.active));
    return newlines(typed) === newlines(offer.text);
  }

  /** An offer lives for as long as the text before the cursor is a part of it. */
  private update(): void {
    const editor = vscode.window.activeTextEditor;
    const offer = this.offer;
    if (offer && !(editor && editor.document === offer.document && stands(offer, editor.selection.active))) {
      this.offer = undefined;
    }
    const on = this.offer !== undefined;
    if (on !== this.on) {
      this.on = on;
      void vscode.commands.executeCommand("setContext", CONTEXT, on);
      this.host.visible(on);
    }
  }
}

function offerOf(
  document: vscode.TextDocument,
  position: vscode.Position,
  item: vscode.InlineCompletionItem,
): Offer | undefined {
  const argument: unknown = item.command?.arguments?.[0];
  const id = typeof argument === "object" && argument !== null && "suggestionId" in argument && argument.suggestionId;
  if (typeof id !== "string" || typeof item.insertText !== "string") {
    return undefined;
  }
  return { document, start: item.range?.start ?? position, text: item.insertText, id };
}

function stands(offer: Offer, cursor: vscode.Position): boolean {
  const typed = cursor.isBefore(offer.start) ? undefined : new vscode.Range(offer.start, cursor);
  return typed !== undefined && agrees(offer.text, offer.document.getText(typed));
}
