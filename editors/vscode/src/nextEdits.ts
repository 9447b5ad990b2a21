/**
 * The next edits that the server proposes: which one is in turn, when it is drawn, and what becomes of it.
 *
 * The server keeps the list true while the text changes and sends it anew; an edit is applied only to the version that
 * it was sent for, and where the text under it is what it replaces. Nothing is drawn while ghost text is offered.
 */

import * as vscode from "vscode";
import { fits } from "./editText";
import * as view from "./editView";
import type { Applicable, Command, Listing, NextEdit, WorkspaceEdit } from "./protocol";

const CONTEXT = "foretype.edit";
// LSP 3.18, InlineCompletionTriggerKind
const INVOKED = 1;
const AUTOMATIC = 2;
// After ghost text went, more of it usually comes: milliseconds before something else is drawn.
const AFTER_GHOST_MS = 300;

export interface EditsHost {
  request<T>(method: string, params?: unknown): Promise<T | undefined>;
  notify(method: string, params: unknown): void;
  execute(command: Command): void;
  asWorkspaceEdit(edit: WorkspaceEdit, confirm: boolean): Promise<vscode.WorkspaceEdit>;
  wanted(): boolean;
}

export class NextEdits implements vscode.Disposable {
  private list: NextEdit[] = [];
  private capped = 0;
  private turn: string | undefined;
  private told = new Set<string>();
  private drawn = false;
  private ghost = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly changed = new vscode.EventEmitter<readonly NextEdit[]>();
  private readonly subscriptions: vscode.Disposable[];

  /** Fires with each new list. */
  readonly onDidChange = this.changed.event;

  constructor(private readonly host: EditsHost) {
    const command = vscode.commands.registerCommand;
    this.subscriptions = [
      this.changed,
      command("foretype.nextEdit.accept", () => this.accept()),
      command("foretype.nextEdit.skip", () => this.skip()),
      command("foretype.nextEdit.dismiss", () => this.dismiss()),
      command("foretype.nextEdit.find", () => this.find()),
      command("foretype.nextEdit.acceptAll", () => this.acceptAll(false)),
      command("foretype.nextEdit.previewAll", () => this.acceptAll(true)),
      vscode.window.onDidChangeTextEditorSelection(() => this.updateSoon()),
      vscode.window.onDidChangeTextEditorVisibleRanges(() => this.updateSoon()),
      vscode.window.onDidChangeActiveTextEditor(() => this.updateSoon()),
      vscode.window.onDidChangeVisibleTextEditors(() => this.updateSoon()),
    ];
  }

  /** The proposals, best first. */
  get edits(): readonly NextEdit[] {
    return this.list;
  }

  receive(listing: Pick<Listing, "edits"> & Partial<Listing>): void {
    this.list = listing.edits;
    this.capped = listing.capped ?? 0;
    if (!this.list.length) {
      this.turn = undefined;
      this.told.clear();
    }
    this.changed.fire(this.list);
    this.updateSoon();
  }

  /** Ghost text comes, or has gone. */
  setGhost(visible: boolean): void {
    this.ghost = visible;
    if (visible) {
      this.hide();
    } else {
      this.updateSoon(AFTER_GHOST_MS);
    }
  }

  /** Forget the list: the server went away, or was switched off. */
  clear(): void {
    this.receive({ edits: [] });
    this.hide();
  }

  /** Shows an edit and puts the cursor on it, which makes it the one in turn. */
  async jump(edit: NextEdit, preserveFocus = false): Promise<void> {
    this.turn = edit.id;
    const { start, end } = edit.range;
    const selection = new vscode.Range(start.line, start.character, start.line, start.character);
    const document = await vscode.workspace.openTextDocument(vscode.Uri.parse(edit.uri));
    const editor = await vscode.window.showTextDocument(document, { selection, preserveFocus, preview: preserveFocus });
    const whole = new vscode.Range(start.line, start.character, end.line, end.character);
    editor.revealRange(whole, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
    this.updateSoon();
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.hide();
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private get current(): NextEdit | undefined {
    return this.list.find((edit) => edit.id === this.turn) ?? this.list[0];
  }

  /** Once for all that happens until then. */
  private updateSoon(after = 0): void {
    clearTimeout(this.timer);
    if (this.list.length || this.drawn) {
      this.timer = setTimeout(() => this.update(), after);
    }
  }

  private update(): void {
    const edit = this.current;
    const active = vscode.window.activeTextEditor;
    if (!edit || !active || this.ghost || !this.host.wanted()) {
      return this.hide();
    }
    const editor = inView(edit);
    if (editor) {
      if (editor.document.version !== edit.version && edit.version !== null) {
        return; // the list for this version is on its way; what is drawn moves with the text until then
      }
      view.show(edit, editor);
      if (!this.told.has(edit.id)) {
        this.told.add(edit.id);
        this.host.notify("textDocument/didShowInlineEdit", { item: { command: edit.command } });
      }
    } else {
      const above = isOf(edit, active.document) && edit.range.start.line < (active.visibleRanges[0]?.start.line ?? 0);
      view.showHint(this.hint(edit, above), active, above ? "top" : "bottom");
    }
    this.setDrawn(true);
  }

  private hint(edit: NextEdit, above: boolean): string {
    const more = this.capped ? `, ${this.capped} more` : "";
    const others = this.list.length > 1 ? ` (${this.list.length} places${more})` : "";
    return ` ${above ? "\u2191" : "\u2193"} Tab: ${edit.path}:${edit.range.start.line + 1} ${edit.why}${others} `;
  }

  private hide(): void {
    view.hide();
    this.setDrawn(false);
  }

  private setDrawn(on: boolean): void {
    if (on !== this.drawn) {
      this.drawn = on;
      void vscode.commands.executeCommand("setContext", CONTEXT, on);
    }
  }

  /** Goes to the edit in turn; where the cursor is on its lines already, applies it. */
  private async accept(): Promise<void> {
    const edit = this.current;
    const editor = vscode.window.activeTextEditor;
    if (!edit || !editor || !this.drawn) {
      return;
    }
    this.turn = edit.id;
    if (!isOf(edit, editor.document) || !isUnder(edit, editor.selection.active)) {
      await this.jump(edit);
    } else if (editor.document.version === edit.version && fits(edit, editor.document.getText(rangeOf(edit)))) {
      await this.apply(edit, editor);
    } else {
      await this.ask(AUTOMATIC); // the text moved on: what the server makes of it decides
    }
  }

  private async apply(edit: NextEdit, editor: vscode.TextEditor): Promise<void> {
    const index = this.list.indexOf(edit);
    this.hide();
    if (!(await editor.edit((builder) => builder.replace(rangeOf(edit), edit.text)))) {
      return;
    }
    const behind = editor.document.positionAt(
      editor.document.offsetAt(rangeOf(edit).start) + documentLength(edit.text, editor.document),
    );
    editor.selection = new vscode.Selection(behind, behind);
    const list = this.list.filter((one) => one.id !== edit.id);
    this.turn = (list[index] ?? list[0])?.id;
    this.list = list;
    this.host.execute(edit.command);
    this.changed.fire(this.list);
    this.updateSoon();
  }

  /** Turns the one in turn down, and goes on with the next. */
  private skip(): void {
    const edit = this.current;
    if (edit && this.drawn) {
      const index = this.list.indexOf(edit);
      this.host.notify("foretype/didReject", { suggestionId: edit.id });
      this.list = this.list.filter((one) => one.id !== edit.id);
      this.turn = (this.list[index] ?? this.list[0])?.id;
      this.changed.fire(this.list);
      this.updateSoon();
    }
  }

  /** Turns all of them down. */
  private dismiss(): void {
    for (const edit of this.list) {
      this.host.notify("foretype/didReject", { suggestionId: edit.id });
    }
    this.clear();
  }

  private async ask(triggerKind: number): Promise<Listing | undefined> {
    const editor = vscode.window.activeTextEditor;
    if (!editor) {
      return undefined;
    }
    const { line, character } = editor.selection.active;
    const textDocument = { uri: editor.document.uri.toString() };
    const params = { textDocument, position: { line, character }, context: { triggerKind } };
    const listing = await this.host.request<Listing>("foretype/nextEdits", params);
    if (listing) {
      this.receive(listing);
    }
    return listing;
  }

  /** Asks now, whether or not the last edit has settled. */
  private async find(): Promise<void> {
    const listing = await this.ask(INVOKED);
    if (listing && !listing.edits.length) {
      const note = listing.note ? ` (${listing.note})` : "";
      void vscode.window.showInformationMessage(`Foretype: the last edits call for nothing else${note}.`);
    }
  }

  /** Applies all of them, or none where one of them cannot be. */
  private async acceptAll(preview: boolean): Promise<void> {
    const suggestionIds = this.list.map((edit) => edit.id);
    if (!suggestionIds.length) {
      void vscode.window.showInformationMessage("Foretype: there is nothing to apply.");
      return;
    }
    const answer = await this.host.request<Applicable>("foretype/applyAll", { suggestionIds });
    if (!answer?.edit || !answer.command) {
      void vscode.window.showWarningMessage(`Foretype: ${answer?.message || "nothing was applied"}.`);
      return;
    }
    const edit = await this.host.asWorkspaceEdit(answer.edit, preview);
    this.hide();
    if (await vscode.workspace.applyEdit(edit, { isRefactoring: true })) {
      this.host.execute(answer.command);
      this.clear();
    } else {
      this.updateSoon();
    }
  }
}

export function rangeOf(edit: NextEdit): vscode.Range {
  const { start, end } = edit.range;
  return new vscode.Range(start.line, start.character, end.line, end.character);
}

function isOf(edit: NextEdit, document: vscode.TextDocument): boolean {
  return vscode.Uri.parse(edit.uri).toString() === document.uri.toString();
}

function isUnder(edit: NextEdit, cursor: vscode.Position): boolean {
  return cursor.line >= edit.range.start.line && cursor.line <= edit.range.end.line;
}

/** The editor in which the lines of an edit are to be seen, the active one first. */
function inView(edit: NextEdit): vscode.TextEditor | undefined {
  const active = vscode.window.activeTextEditor;
  const editors = [...(active ? [active] : []), ...vscode.window.visibleTextEditors];
  return editors.find(
    (editor) =>
      isOf(edit, editor.document) && editor.visibleRanges.some((range) => range.intersection(rangeOf(edit)) !== undefined),
  );
}

/** Of a text once it is in a document, which has line ends of its own. */
function documentLength(text: string, document: vscode.TextDocument): number {
  const lines = text.split(/\r\n?|\n/);
  const ends = (lines.length - 1) * (document.eol === vscode.EndOfLine.CRLF ? 2 : 1);
  return lines.reduce((sum, line) => sum + line.length, ends);
}
