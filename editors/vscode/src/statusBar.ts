/** The item in the status bar: the server's state, whether it is at work, and the figures of the day. */

import * as vscode from "vscode";
import type { Stats, Status } from "./protocol";
import { shown } from "./statusText";

const BUSY_AFTER_MS = 150;
const STATS_MS = 60_000;

export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("foretype", vscode.StatusBarAlignment.Right, 100);
  private readonly clock = setInterval(() => void this.refresh(), STATS_MS);
  private status: Status = { state: "off", message: "not started" };
  private stats: Stats = {};
  private busy = false;
  private timer: NodeJS.Timeout | undefined;

  /** `snoozed` says until when, `ask` asks for the day's figures. */
  constructor(
    private readonly snoozed: () => number,
    private readonly ask: () => Promise<Stats | undefined>,
  ) {
    this.item.name = "Foretype";
    this.item.command = "foretype.menu";
    this.draw();
    this.item.show();
  }

  get state(): Status {
    return this.status;
  }

  set(status: Status): void {
    this.status = { state: status.state, message: status.message };
    this.draw();
    void this.refresh();
  }

  /** Work that is over at once is not shown. */
  setBusy(on: boolean): void {
    clearTimeout(this.timer);
    const take = () => {
      this.busy = on;
      this.draw();
    };
    if (on) {
      this.timer = setTimeout(take, BUSY_AFTER_MS);
    } else if (this.busy) {
      take();
    }
  }

  async refresh(): Promise<void> {
    this.stats = (this.status.state === "ready" && (await this.ask())) || this.stats;
    this.draw();
  }

  dispose(): void {
    clearInterval(this.clock);
    clearTimeout(this.timer);
    this.item.dispose();
  }

  private draw(): void {
    const { text, tooltip, warning } = shown(this.status, this.busy, this.stats, this.snoozed(), Date.now());
    this.item.text = text;
    this.item.tooltip = tooltip;
    this.item.backgroundColor = warning ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
  }
}
