/**
 * What the editor starts: finds the server, connects ghost text, next edits and the status bar with it.
 *
 * Kept small, since editors measure it; `client.ts` with the protocol's library is loaded once there is a server.
 */

import { accessSync, constants, statSync } from "node:fs";
import * as vscode from "vscode";
import type { Connection } from "./client";
import { openList } from "./editList";
import { Ghost } from "./ghost";
import { environment, install } from "./install";
import { explain, type MenuHost, openMenu, report } from "./menu";
import { NextEdits } from "./nextEdits";
import type { FullStatus, Stats } from "./protocol";
import { findServer, type Server } from "./server";
import { chosen, type Options, optionNames } from "./settings";
import { StatusBar } from "./statusBar";
import { tellOfCursor, tellOfDiagnostics } from "./tell";

const MENDS = "Install";
const NEVER = "foretype.neverOffer";

let stopping = false;
let connection: Connection | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const output = vscode.window.createOutputChannel("Foretype", { log: true });
  const names = optionNames(context.extension.packageJSON);
  let snoozedUntil = 0;
  let snoozeTimer: NodeJS.Timeout | undefined;

  const snoozed = () => snoozedUntil > Date.now();
  const wanted = () => connection !== undefined && !snoozed();
  const notify = (method: string, params: unknown) => connection?.notify(method, params);
  const request = async <T>(method: string, params?: unknown) => connection?.request<T>(method, params);

  const bar = new StatusBar(() => snoozedUntil, () => request<Stats>("foretype/stats"));
  const edits = new NextEdits({
    request,
    notify,
    execute: (command) => connection?.execute(command),
    asWorkspaceEdit: (edit, confirm) => connection!.asWorkspaceEdit(edit, confirm),
    wanted,
  });
  const ghost = new Ghost({
    notify,
    wanted,
    busy: (on) => bar.setBusy(on),
    visible: (on) => edits.setGhost(on),
  });

  function server(): Server | undefined {
    return findServer({
      setting: vscode.workspace.getConfiguration("foretype").get<string[]>("server.command") ?? [],
      folders: (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath),
      trusted: vscode.workspace.isTrusted,
      path: process.env["PATH"] ?? "",
      environment: environment(context),
      windows: process.platform === "win32",
      exists: isProgram,
    });
  }

  function options(): Options {
    const settings = vscode.workspace.getConfiguration("foretype");
    return chosen(names, (name) => settings.inspect(name), vscode.workspace.isTrusted);
  }

  async function start(): Promise<void> {
    const found = server();
    if (!found) {
      bar.set({ state: "off", message: "the server is not installed" });
      void offer();
      return;
    }
    output.info(`${found.command.join(" ")} (${found.from})`);
    const client: typeof import("./client") = require("./client.js");
    connection = new client.Connection(found.command, options, vscode.workspace.isTrusted, output, {
      status: (status) => bar.set(status),
      nextEdits: (listing) => edits.receive(listing),
      gone() {
        ghost.clear();
        edits.clear();
      },
      inline: ghost.provide,
    });
    await connection.start();
  }

  /** Whoever asks while the old server is stopping gets the new one too: it starts with what holds by then. */
  async function restart(): Promise<void> {
    if (stopping) {
      return;
    }
    stopping = true;
    const old = connection;
    connection = undefined;
    ghost.clear();
    edits.clear();
    await old?.stop();
    old?.dispose();
    stopping = false;
    await start();
  }

  async function setUp(): Promise<void> {
    if (await install(context, output)) {
      await restart();
    }
  }

  async function offer(): Promise<void> {
    if (context.globalState.get(NEVER)) {
      return;
    }
    const say = "Foretype's server is not installed. Install it into an environment of this extension's own?";
    const choice = await vscode.window.showInformationMessage(say, MENDS, "Not Now", "Never");
    if (choice === MENDS) {
      await setUp();
    } else if (choice === "Never") {
      await context.globalState.update(NEVER, true);
    }
  }

  const menu: MenuHost = {
    command: () => server()?.command,
    status: () => request<FullStatus>("foretype/status"),
    snoozed,
    snooze(minutes) {
      snoozedUntil = Date.now() + minutes * 60_000;
      clearTimeout(snoozeTimer);
      snoozeTimer = setTimeout(() => void bar.refresh(), minutes * 60_000);
      if (minutes) {
        ghost.clear();
        edits.clear();
        void vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
      }
      void bar.refresh();
    },
    restart,
    install: setUp,
    output,
  };

  const command = vscode.commands.registerCommand;
  context.subscriptions.push(
    output,
    bar,
    edits,
    ghost,
    tellOfCursor(notify),
    tellOfDiagnostics(notify),
    command("foretype.menu", () => openMenu(menu)),
    command("foretype.restart", restart),
    command("foretype.install", setUp),
    command("foretype.report", () => report(menu)),
    command("foretype.whyNot", () => explain(menu)),
    command("foretype.showLog", () => output.show()),
    command("foretype.nextEdit.list", () => openList(edits)),
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("foretype.server") || (event.affectsConfiguration("foretype") && !connection)) {
        void restart();
      } else if (event.affectsConfiguration("foretype") && connection?.configure()) {
        void restart();
      }
    }),
  );
  setTimeout(() => void start(), 0); // after the activation, which the editor waits for
}

export async function deactivate(): Promise<void> {
  await connection?.stop();
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
