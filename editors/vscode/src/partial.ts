/** How a suggestion and the text at its place agree. Line ends count as one character, whatever they are in the file. */

export function newlines(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

/** Whether `typed`, the text from the suggestion's place to the cursor, is a part of the suggestion and not all of it. */
export function agrees(suggestion: string, typed: string): boolean {
  const [whole, part] = [newlines(suggestion), newlines(typed)];
  return part.length < whole.length && whole.startsWith(part);
}

/**
 * How much of a suggestion is in the text, in UTF-16 code units of the suggestion's own line ends, as
 * `textDocument/didPartiallyAcceptCompletion` counts it; undefined where the text says something else.
 */
export function acceptedLength(suggestion: string, typed: string): number | undefined {
  const part = newlines(typed);
  if (!part || !newlines(suggestion).startsWith(part)) {
    return undefined;
  }
  return suggestion.includes("\r\n") ? part.replace(/\n/g, "\r\n").length : part.length;
}
