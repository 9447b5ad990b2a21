/** What the server says, beyond the Language Server Protocol. Knows no editor. */

export interface Position {
  line: number;
  character: number;
}

export interface Range {
  start: Position;
  end: Position;
}

export interface Command {
  title: string;
  command: string;
  arguments?: unknown[];
}

/** One proposal; `version` is null where its document is not open, `oldText` is what has to be under the range. */
export interface NextEdit {
  id: string;
  path: string;
  uri: string;
  version: number | null;
  range: Range;
  oldText: string;
  text: string;
  lane: "rule" | "model";
  reason: string;
  why: string;
  confidence: number;
  command: Command;
}

/** `foretype/nextEdits` and `foretype/didFindNextEdits`; `capped` is how many there were too many. */
export interface Listing {
  edits: NextEdit[];
  complete: boolean;
  capped: number;
  note: string;
}

/** The answer of `foretype/applyAll`; without an edit where one of the proposals cannot be applied. */
export interface Applicable {
  edit: WorkspaceEdit | null;
  edits: NextEdit[];
  command: Command | null;
  message: string;
}

export interface WorkspaceEdit {
  documentChanges: unknown[];
  changeAnnotations: Record<string, { label: string; description?: string; needsConfirmation?: boolean }>;
}

export type State = "off" | "loading" | "ready" | "error";

/** `foretype/didChangeStatus`. */
export interface Status {
  state: State;
  message: string;
}

/** What became of the last request (`foretype/status`): a suggestion, or a reason why there is none. */
export interface Last {
  suggestion_id?: string;
  reason?: string;
  why?: string;
  language?: string;
  stages_ms?: Record<string, number>;
}

export interface FullStatus extends Status {
  model: string;
  counts: Record<string, number>;
  reasons: Record<string, number>;
  last: Last;
}

/** `foretype/stats`: the day so far; nothing where no log is kept. */
export interface Stats {
  opportunities?: number;
  shown?: number;
  accepted?: number;
  accepted_characters?: number;
  cpo?: number;
}
