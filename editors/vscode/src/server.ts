/** Finds the program that is the server: a setting, the workspace's virtual environment, PATH, the extension's own. */

import { delimiter, isAbsolute, join } from "node:path";

/** Where to look. `exists` says whether a file is there and may be run. */
export interface Places {
  setting: string[];
  folders: string[];
  trusted: boolean;
  path: string;
  environment: string;
  windows: boolean;
  exists: (file: string) => boolean;
}

/** A command line without `serve`, and in words where it is from. */
export interface Server {
  command: string[];
  from: "setting" | "workspace" | "path" | "own";
}

const ENVIRONMENTS = [".venv", "venv", "env"];

/** Folder of a virtual environment's programs. */
export function programs(environment: string, windows: boolean): string {
  return join(environment, windows ? "Scripts" : "bin");
}

/** The server, or undefined where there is none. Nothing of a workspace that is not trusted is run. */
export function findServer(places: Places): Server | undefined {
  const { setting, folders, trusted, path, environment, windows, exists } = places;
  const name = windows ? "foretype.exe" : "foretype";
  if (setting.length) {
    const last = setting.at(-1) === "serve" ? setting.slice(0, -1) : setting;
    return { command: last, from: "setting" };
  }
  const inside = trusted ? folders.flatMap((folder) => ENVIRONMENTS.map((venv) => join(folder, venv))) : [];
  const candidates: [string, Server["from"]][] = [
    ...inside.map((venv): [string, Server["from"]] => [join(programs(venv, windows), name), "workspace"]),
    ...path
      .split(delimiter)
      .filter((folder) => isAbsolute(folder))
      .map((folder): [string, Server["from"]] => [join(folder, name), "path"]),
    [join(programs(environment, windows), name), "own"],
  ];
  const found = candidates.find(([file]) => exists(file));
  return found && { command: [found[0]], from: found[1] };
}
