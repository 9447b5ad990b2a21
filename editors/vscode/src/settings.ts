/**
 * Which of the user's settings the server is told. What nobody has set is left out, so that the server's own files hold.
 *
 * The names of the options come from the extension's manifest, which is generated from the server's schema.
 */

/** Sections of settings that are this extension's own. */
const OWN = new Set(["server", "install"]);

/** A setting as the editor knows it, from the weakest place to the strongest. */
export interface Inspected {
  globalValue?: unknown;
  workspaceValue?: unknown;
  workspaceFolderValue?: unknown;
}

export type Options = Record<string, Record<string, unknown>>;

/** Names of the server's options, as `section.name`. */
export function optionNames(manifest: { contributes: { configuration: { properties: object }[] } }): string[] {
  const keys = manifest.contributes.configuration.flatMap((group) => Object.keys(group.properties));
  return keys.map((key) => key.replace(/^foretype\./, "")).filter((name) => !OWN.has(name.split(".")[0]!));
}

/** The options that are set. A workspace that is not trusted sets none, and no code goes to another machine from it. */
export function chosen(
  names: string[],
  inspect: (name: string) => Inspected | undefined,
  trusted: boolean,
): Options {
  const options: Options = {};
  for (const name of names) {
    const found = inspect(name);
    const value = trusted
      ? (found?.workspaceFolderValue ?? found?.workspaceValue ?? found?.globalValue)
      : found?.globalValue;
    if (value !== undefined) {
      const [section, option] = name.split(".") as [string, string];
      (options[section] ??= {})[option] = value;
    }
  }
  if (!trusted) {
    options["model"] = { ...options["model"], backend: "local" };
  }
  return options;
}

/** Whether something that was set is not any more: a running server would go on with it. */
export function lost(before: Options, now: Options): boolean {
  return Object.entries(before).some(([section, values]) =>
    Object.keys(values).some((name) => now[section]?.[name] === undefined),
  );
}
