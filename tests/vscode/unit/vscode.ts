/**
 * A stand-in for the editor's API, as much of it as the extension's commands touch: documents that can be edited, commands
 * that can be run, and a record of what was shown. The tests' bundles have it in place of `vscode`.
 */

type Listener<T> = (value: T) => unknown;

export class Disposable {
  constructor(readonly dispose: () => void) {}
  static from(...all: { dispose(): unknown }[]): Disposable {
    return new Disposable(() => all.forEach((one) => one.dispose()));
  }
}

export class EventEmitter<T> {
  private readonly listeners = new Set<Listener<T>>();
  readonly event = (listener: Listener<T>): Disposable => {
    this.listeners.add(listener);
    return new Disposable(() => this.listeners.delete(listener));
  };
  fire(value: T): void {
    this.listeners.forEach((listener) => listener(value));
  }
  dispose(): void {
    this.listeners.clear();
  }
}

export class Position {
  constructor(readonly line: number, readonly character: number) {}
  isEqual(other: Position): boolean {
    return this.line === other.line && this.character === other.character;
  }
  isBefore(other: Position): boolean {
    return this.line < other.line || (this.line === other.line && this.character < other.character);
  }
}

export class Range {
  readonly start: Position;
  readonly end: Position;
  constructor(start: Position, end: Position);
  constructor(startLine: number, startCharacter: number, endLine: number, endCharacter: number);
  constructor(a: Position | number, b: Position | number, line = 0, character = 0) {
    this.start = typeof a === "number" ? new Position(a, b as number) : a;
    this.end = typeof b === "number" ? new Position(line, character) : b;
  }
  intersection(other: Range): Range | undefined {
    const start = this.start.isBefore(other.start) ? other.start : this.start;
    const end = this.end.isBefore(other.end) ? this.end : other.end;
    return end.isBefore(start) ? undefined : new Range(start, end);
  }
}

export class Selection extends Range {
  get active(): Position {
    return this.end;
  }
}

export class Uri {
  private constructor(readonly scheme: string, readonly fsPath: string) {}
  static file(path: string): Uri {
    return new Uri("file", path);
  }
  static parse(text: string): Uri {
    return Uri.file(text.replace(/^file:\/\//, ""));
  }
  toString(): string {
    return `${this.scheme}://${this.fsPath}`;
  }
}

export class Document {
  version = 1;
  readonly languageId = "python";
  readonly eol = 1;
  readonly uri: Uri;
  constructor(path: string, private text: string) {
    this.uri = Uri.file(path);
  }
  get lines(): string[] {
    return this.text.split("\n");
  }
  get lineCount(): number {
    return this.lines.length;
  }
  lineAt(line: number): { text: string; range: Range } {
    const text = this.lines[line]!;
    return { text, range: new Range(line, 0, line, text.length) };
  }
  offsetAt({ line, character }: Position): number {
    return this.lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0) + character;
  }
  positionAt(offset: number): Position {
    const before = this.text.slice(0, offset).split("\n");
    return new Position(before.length - 1, before.at(-1)!.length);
  }
  getText(range?: Range): string {
    return range ? this.text.slice(this.offsetAt(range.start), this.offsetAt(range.end)) : this.text;
  }
  replace(range: Range, text: string): void {
    this.text = this.text.slice(0, this.offsetAt(range.start)) + text + this.text.slice(this.offsetAt(range.end));
    this.version += 1;
  }
}

export class Editor {
  visibleRanges: Range[];
  selection = new Selection(0, 0, 0, 0);
  get selections(): Selection[] {
    return [this.selection];
  }
  constructor(readonly document: Document) {
    this.visibleRanges = [new Range(0, 0, document.lineCount, 0)];
  }
  async edit(change: (builder: { replace(range: Range, text: string): void }) => void): Promise<boolean> {
    change({ replace: (range, text) => this.document.replace(range, text) });
    return true;
  }
  setDecorations(): void {}
  revealRange(): void {}
}

const cursorMoved = new EventEmitter<{ textEditor: Editor }>();
const textChanged = new EventEmitter<{ document: Document; contentChanges: { rangeLength: number; text: string }[] }>();
const never = new EventEmitter<never>();
const registered = new Map<string, (...rest: unknown[]) => unknown>();

/** What the tests set, and what they look at. */
export const world = {
  settings: {} as Record<string, unknown>,
  /** What was shown: kind and text. */
  shown: [] as [string, string][],
  /** Which button is pressed on a message that has it. */
  press: undefined as string | undefined,
  opened: [] as string[],
  context: {} as Record<string, unknown>,
  applied: [] as unknown[],
  applies: true,
  registered,
  /** Opens a document, the cursor behind its text. */
  open(path: string, text: string): Editor {
    const editor = new Editor(new Document(path, text));
    const end = editor.document.positionAt(text.length);
    editor.selection = new Selection(end, end);
    window.activeTextEditor = editor;
    window.visibleTextEditors = [editor];
    return editor;
  },
  /** Types at the cursor. */
  type(text: string): void {
    const editor = window.activeTextEditor!;
    const at = editor.selection.active;
    editor.document.replace(new Range(at, at), text);
    const end = editor.document.positionAt(editor.document.offsetAt(at) + text.length);
    editor.selection = new Selection(end, end);
    textChanged.fire({ document: editor.document, contentChanges: [{ rangeLength: 0, text }] });
    cursorMoved.fire({ textEditor: editor });
  },
};

async function message(kind: string, text: string, buttons: string[]): Promise<string | undefined> {
  world.shown.push([kind, text]);
  return buttons.find((one) => one === world.press);
}

export const window = {
  activeTextEditor: undefined as Editor | undefined,
  visibleTextEditors: [] as Editor[],
  onDidChangeTextEditorSelection: cursorMoved.event,
  onDidChangeTextEditorVisibleRanges: never.event,
  onDidChangeActiveTextEditor: never.event,
  onDidChangeVisibleTextEditors: never.event,
  createTextEditorDecorationType: () => ({}),
  createStatusBarItem: () => ({ show() {}, dispose() {} }),
  createOutputChannel: () => ({
    info() {},
    error() {},
    show: () => void world.shown.push(["log", ""]),
    dispose() {},
  }),
  showInformationMessage: (text: string, ...buttons: string[]) => message("information", text, buttons),
  showWarningMessage: (text: string, ...buttons: string[]) => message("warning", text, buttons),
  showErrorMessage: (text: string, ...buttons: string[]) => message("error", text, buttons),
  async withProgress<T>(_options: unknown, task: (progress: unknown, token: unknown) => Promise<T>): Promise<T> {
    return task({ report() {} }, { isCancellationRequested: false, onCancellationRequested: () => undefined });
  },
  showTextDocument: async (document: Document, options: { selection: Range }): Promise<Editor> => {
    const editor = window.visibleTextEditors.find((one) => one.document === document)!;
    editor.selection = new Selection(options.selection.start, options.selection.end);
    return editor;
  },
};

export const workspace = {
  isTrusted: true,
  workspaceFolders: undefined as unknown,
  textDocuments: [] as Document[],
  onDidGrantWorkspaceTrust: never.event,
  onDidChangeConfiguration: never.event,
  onDidChangeTextDocument: textChanged.event,
  fs: { createDirectory: async () => undefined },
  getConfiguration: () => ({
    get: (name: string, otherwise?: unknown) => world.settings[name] ?? otherwise,
    inspect: () => undefined,
  }),
  openTextDocument: async (uri: Uri): Promise<Document> =>
    window.visibleTextEditors.find((one) => one.document.uri.toString() === uri.toString())!.document,
  async applyEdit(edit: unknown): Promise<boolean> {
    world.applied.push(edit);
    return world.applies;
  },
};

export const commands = {
  registerCommand(name: string, run: (...rest: unknown[]) => unknown): Disposable {
    registered.set(name, run);
    return new Disposable(() => registered.delete(name));
  },
  async executeCommand(name: string, ...rest: unknown[]): Promise<unknown> {
    if (name === "setContext") {
      world.context[rest[0] as string] = rest[1];
      return undefined;
    }
    return registered.get(name)?.(...rest);
  },
};

export const languages = { onDidChangeDiagnostics: never.event, getDiagnostics: () => [] };
export const env = {
  async openExternal(uri: Uri): Promise<boolean> {
    world.opened.push(uri.fsPath);
    return true;
  },
};
export class ThemeColor {
  constructor(readonly id: string) {}
}
export class ThemeIcon extends ThemeColor {}
export class MarkdownString {
  appendCodeblock(): void {}
}
export class CancellationTokenSource {
  private readonly cancelled = new EventEmitter<void>();
  readonly token = { isCancellationRequested: false, onCancellationRequested: this.cancelled.event };
  cancel(): void {
    this.token.isCancellationRequested = true;
    this.cancelled.fire();
  }
}
export class CancellationError extends Error {}
export const InlineCompletionTriggerKind = { Invoke: 0, Automatic: 1 };
export const StatusBarAlignment = { Right: 2 };
export const ProgressLocation = { Notification: 15 };
export const TextEditorRevealType = { InCenterIfOutsideViewport: 2 };
export const EndOfLine = { LF: 1, CRLF: 2 };
export const ConfigurationTarget = { Global: 1, Workspace: 2 };
