// Where a Chromium is: CHROMIUM names it, else the path has it.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The program, or undefined where there is none. */
export function findBrowser(environment = process.env) {
  if (environment.CHROMIUM) {
    return environment.CHROMIUM;
  }
  const folders = (environment.PATH ?? "").split(delimiter).filter(Boolean);
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isProgram);
}
