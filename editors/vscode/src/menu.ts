/** What a click on the status bar offers. */

import { spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import type { FullStatus } from "./protocol";
import { whyNot } from "./statusText";

const SNOOZE_MINUTES = [5, 15, 60];

export interface MenuHost {
  /** The server's command line without `serve`. */
  command(): string[] | undefined;
  status(): Promise<FullStatus | undefined>;
  snoozed(): boolean;
  snooze(minutes: number): void;
  restart(): Promise<void>;
  install(): Promise<void>;
  output: vscode.LogOutputChannel;
}

interface Item extends vscode.QuickPickItem {
  run(): unknown;
}

export async function openMenu(host: MenuHost): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  const settings = vscode.workspace.getConfiguration("foretype");
  const on = settings.get<boolean>("completion.enabled") !== false;
  const items: Item[] = [];
  if (!host.command()) {
    items.push({ label: "$(cloud-download) Install the server", run: () => host.install() });
  }
  if (language) {
    const off = (settings.get<string[]>("completion.disabled_languages") ?? []).includes(language);
    const label = off ? `$(check) Switch on for ${language}` : `$(circle-slash) Switch off for ${language}`;
    items.push({ label, run: () => switchLanguage(language, off) });
  }
  const where = vscode.workspace.workspaceFolders ? "this workspace" : "all files";
  items.push(
    {
      label: on ? `$(circle-slash) Switch off for ${where}` : `$(check) Switch on for ${where}`,
      run: () => switchWorkspace(!on),
    },
    host.snoozed()
      ? { label: "$(bell) End the snooze", run: () => host.snooze(0) }
      : { label: "$(bell-slash) Snooze\u2026", run: () => chooseSnooze(host) },
    { label: "$(question) Why was there no suggestion?", run: () => explain(host) },
    { label: "$(list-unordered) List the next edits", run: () => command("foretype.nextEdit.list") },
    { label: "$(graph) Open the report", run: () => report(host) },
    { label: "$(gear) Settings", run: () => command("workbench.action.openSettings", "@ext:foretype.foretype") },
    { label: "$(output) Show the log", run: () => host.output.show() },
    { label: "$(debug-restart) Restart the server", run: () => host.restart() },
  );
  const choice = await vscode.window.showQuickPick(items, { title: "Foretype" });
  await choice?.run();
}

/** Says what became of the last request. */
export async function explain(host: MenuHost): Promise<void> {
  const status = await host.status();
  const text = status ? whyNot(status.last) : "The server is not running.";
  const choice = await vscode.window.showInformationMessage(`Foretype: ${text}`, "Show Log");
  if (choice) {
    host.output.show();
  }
}

/** Has the server's program write its report for a browser, and opens that. */
export async function report(host: MenuHost): Promise<void> {
  const found = host.command();
  if (!found) {
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), "foretype-"));
  const file = join(folder, "report.html");
  const problem = await new Promise<string>((resolve) => {
    const child = spawn(found[0]!, [...found.slice(1), "report", "--html", file], { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (data: Buffer) => (said += data.toString()));
    child.on("error", (error) => resolve(String(error)));
    child.on("close", (code) => resolve(code === 0 ? "" : said.trim().split("\n").at(-1) || `it ended with ${code}`));
  });
  if (problem) {
    void vscode.window.showErrorMessage(`Foretype: there is no report: ${problem}`);
  } else {
    await vscode.env.openExternal(vscode.Uri.file(file));
  }
}

function command(name: string, ...rest: unknown[]): Thenable<unknown> {
  return vscode.commands.executeCommand(name, ...rest);
}

async function chooseSnooze(host: MenuHost): Promise<void> {
  const items = SNOOZE_MINUTES.map((minutes) => ({ label: `${minutes} minutes`, minutes }));
  const choice = await vscode.window.showQuickPick(items, { title: "Foretype: no suggestions for" });
  if (choice) {
    host.snooze(choice.minutes);
  }
}

/** Ghost text and next edits of a language, for all of the user's workspaces. */
async function switchLanguage(language: string, on: boolean): Promise<void> {
  const settings = vscode.workspace.getConfiguration("foretype");
  for (const name of ["completion.disabled_languages", "edits.disabled_languages"]) {
    const others = (settings.get<string[]>(name) ?? []).filter((one) => one !== language);
    const value = on ? others : [...others, language];
    await settings.update(name, value, vscode.ConfigurationTarget.Global);
  }
}

async function switchWorkspace(on: boolean): Promise<void> {
  const settings = vscode.workspace.getConfiguration("foretype");
  const { Global, Workspace } = vscode.ConfigurationTarget;
  const target = vscode.workspace.workspaceFolders ? Workspace : Global;
  for (const name of ["completion.enabled", "edits.enabled"]) {
    await settings.update(name, on, target);
  }
}
