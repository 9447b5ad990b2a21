/** What the status bar and its tooltip say. Knows no editor. */

import type { Last, Stats, Status } from "./protocol";

export interface Shown {
  text: string;
  tooltip: string;
  warning: boolean;
}

const ICONS: Record<Status["state"], string> = {
  ready: "$(edit)",
  loading: "$(loading~spin)",
  off: "$(circle-slash)",
  error: "$(warning)",
};

export function shown(status: Status, busy: boolean, stats: Stats, snoozedUntil: number, now: number): Shown {
  const snoozed = snoozedUntil > now;
  const icon = snoozed ? "$(bell-slash)" : busy && status.state === "ready" ? "$(sync~spin)" : ICONS[status.state];
  const counted = status.state === "ready" && (stats.opportunities ?? 0) > 0;
  const figure = counted ? ` ${(stats.cpo ?? 0).toFixed(2)}` : "";
  const lines = [`Foretype: ${status.state}${status.message ? `, ${status.message}` : ""}`];
  if (snoozed) {
    lines.push(`snoozed for ${minutes(snoozedUntil - now)} more`);
  }
  if (counted) {
    lines.push(
      `today: ${(stats.cpo ?? 0).toFixed(2)} characters per opportunity, ` +
        `${stats.accepted ?? 0} of ${stats.shown ?? 0} suggestions accepted`,
    );
  }
  return { text: `${icon} Foretype${figure}`, tooltip: lines.join("\n"), warning: status.state === "error" };
}

/** Why there was no suggestion, or that there was one. */
export function whyNot(last: Last): string {
  if (last.reason) {
    return `There was no suggestion: ${last.why ?? last.reason}.`;
  }
  if (last.suggestion_id) {
    const total = last.stages_ms?.["total"];
    return `The last request had a suggestion${total === undefined ? "" : `, after ${Math.round(total)} ms`}.`;
  }
  return "Nothing has been asked for yet.";
}

function minutes(ms: number): string {
  const count = Math.ceil(ms / 60_000);
  return `${count} ${count === 1 ? "minute" : "minutes"}`;
}
