/**
 * The server's life: starting it, telling it of settings, starting it again after a pause when it stops.
 *
 * A bundle of its own, since the protocol's library is large: `extension.ts` loads it once a server is wanted. Says
 * what happens through `Hooks`, and knows no status bar and no ghost text.
 */

import { homedir } from "node:os";
import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  type Middleware,
  State,
} from "vscode-languageclient/node";
import { Backoff } from "./backoff";
import type { Command, Listing, Status, WorkspaceEdit } from "./protocol";
import { lost, type Options } from "./settings";

type WireEdit = import("vscode-languageserver-protocol").WorkspaceEdit;

export interface Hooks {
  status(status: Status): void;
  nextEdits(listing: Listing): void;
  gone(): void;
  inline: NonNullable<Middleware["provideInlineCompletionItems"]>;
}

export class Connection implements vscode.Disposable {
  private readonly client: LanguageClient;
  private readonly backoff = new Backoff();
  private told: Options;
  private timer: NodeJS.Timeout | undefined;
  private stopping = false;

  constructor(
    private readonly command: string[],
    private readonly options: () => Options,
    trusted: boolean,
    private readonly output: vscode.LogOutputChannel,
    private readonly hooks: Hooks,
  ) {
    this.told = options();
    const clientOptions: LanguageClientOptions = {
      documentSelector: [{ scheme: "file" }],
      initializationOptions: () => (this.told = this.options()),
      outputChannel: output,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          this.closed();
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      initializationFailedHandler: () => false,
      middleware: {
        provideInlineCompletionItems: hooks.inline,
        // the settings go out in the server's own form, below
        workspace: { didChangeConfiguration: async () => {} },
      },
    };
    const [program, ...rest] = command as [string, ...string[]];
    // not in the workspace: a Python that is started there would import its modules
    const executable = { command: program, args: [...rest, "serve"], options: { cwd: homedir() } };
    this.client = new LanguageClient("foretype", "Foretype", executable, clientOptions);
    if (!trusted) {
      // Last of all features: a server without a folder reads no options from it, and no other file.
      this.client.registerFeature({
        fillInitializeParams: (params) => Object.assign(params, { rootUri: null, rootPath: null, workspaceFolders: null }),
        fillClientCapabilities() {},
        initialize() {},
        getState: () => ({ kind: "static" }),
        clear() {},
      });
    }
    this.client.onNotification("foretype/didChangeStatus", hooks.status);
    this.client.onNotification("foretype/didFindNextEdits", hooks.nextEdits);
  }

  get running(): boolean {
    return this.client.state === State.Running;
  }

  async start(): Promise<void> {
    this.hooks.status({ state: "loading", message: "starting" });
    try {
      await this.client.start();
      this.hooks.status(await this.client.sendRequest<Status>("foretype/status"));
    } catch (error) {
      this.output.error(`${this.command.join(" ")} serve did not start: ${String(error)}`);
      this.closed();
    }
  }

  async request<T>(method: string, params?: unknown): Promise<T | undefined> {
    if (!this.running) {
      return undefined;
    }
    try {
      return await (params === undefined ? this.client.sendRequest<T>(method) : this.client.sendRequest<T>(method, params));
    } catch (error) {
      this.output.warn(`${method}: ${String(error)}`);
      return undefined;
    }
  }

  notify(method: string, params: unknown): void {
    if (this.running) {
      this.client.sendNotification(method, params).catch((error) => this.output.warn(`${method}: ${String(error)}`));
    }
  }

  execute(command: Command): void {
    void this.request("workspace/executeCommand", { command: command.command, arguments: command.arguments ?? [] });
  }

  /** The server's edit as the editor's, with its annotations; `confirm` lets the user look at each before it happens. */
  asWorkspaceEdit(edit: WorkspaceEdit, confirm: boolean): Promise<vscode.WorkspaceEdit> {
    const annotations = Object.entries(edit.changeAnnotations);
    const changeAnnotations = Object.fromEntries(
      annotations.map(([id, one]) => [id, { ...one, needsConfirmation: confirm }]),
    );
    return this.client.protocol2CodeConverter.asWorkspaceEdit({ ...edit, changeAnnotations } as WireEdit);
  }

  /** Settings have changed. Resolves to whether the server has to be started again for them. */
  configure(): boolean {
    const now = this.options();
    if (lost(this.told, now)) {
      return true;
    }
    this.notify("workspace/didChangeConfiguration", { settings: { foretype: now } });
    this.told = now;
    return false;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    if (this.client.needsStop()) {
      await this.client.stop(2000).catch((error) => this.output.warn(`stopping: ${String(error)}`));
    }
  }

  dispose(): void {
    void this.stop().finally(() => this.client.dispose().catch(() => undefined));
  }

  private closed(): void {
    if (this.stopping || this.timer) {
      return;
    }
    this.hooks.gone();
    const pause = this.backoff.stopped(Date.now());
    if (pause === undefined) {
      this.hooks.status({ state: "error", message: "the server keeps stopping; see its log, then restart it" });
      return;
    }
    this.hooks.status({ state: "off", message: `the server stopped; it starts again in ${pause / 1000} s` });
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.start();
    }, pause);
  }
}
