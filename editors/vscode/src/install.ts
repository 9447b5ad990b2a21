/** Installs the server into a virtual environment of the extension's own, with progress. */

import { spawn } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { programs } from "./server";

const WINDOWS = process.platform === "win32";
const PYTHONS = WINDOWS ? [["py", "-3"], ["python"]] : [["python3"], ["python"]];
const RECENT = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";

/** Where the extension keeps its server. */
export function environment(context: vscode.ExtensionContext): string {
  return join(context.globalStorageUri.fsPath, "env");
}

/** Resolves to whether the server is there now; says what went wrong itself. */
export async function install(context: vscode.ExtensionContext, output: vscode.LogOutputChannel): Promise<boolean> {
  const python = await findPython();
  if (!python) {
    const say = "Foretype needs Python 3.11 or newer with venv. Install it, or name it in `foretype.install.python`.";
    void vscode.window.showErrorMessage(say);
    return false;
  }
  const what = source(context);
  if (!what) {
    const say =
      "This Foretype extension came without its server. Install the server as its README says, or name its wheel or folder in `foretype.install.source`.";
    void vscode.window.showErrorMessage(say);
    return false;
  }
  const folder = environment(context);
  const options = { location: vscode.ProgressLocation.Notification, title: "Foretype", cancellable: true };
  try {
    await vscode.window.withProgress(options, async (progress, token) => {
      await vscode.workspace.fs.createDirectory(context.globalStorageUri);
      progress.report({ message: "making an environment" });
      await run([...python, "-m", "venv", "--clear", folder], output, token);
      progress.report({ message: "installing" });
      const pip = [join(programs(folder, WINDOWS), WINDOWS ? "python.exe" : "python"), "-m", "pip", "install"];
      await run([...pip, "--progress-bar", "off", what], output, token, (line) => {
        if (/^(Collecting|Downloading|Building|Installing)/.test(line.trim())) {
          progress.report({ message: line.trim().split(/\s+/).slice(0, 2).join(" ") });
        }
      });
    });
    return true;
  } catch (error) {
    rmSync(folder, { recursive: true, force: true }); // half an environment would be taken for a server
    if (!(error instanceof vscode.CancellationError)) {
      output.error(String(error));
      const choice = await vscode.window.showErrorMessage(`Foretype was not installed: ${String(error)}`, "Show Log");
      if (choice) {
        output.show();
      }
    }
    return false;
  }
}

/**
 * What pip installs: a setting, else the wheel that came with the extension. Never just the name: whoever has taken it on
 * an index that pip looks at would be run.
 */
function source(context: vscode.ExtensionContext): string | undefined {
  const set = vscode.workspace.getConfiguration("foretype").get<string>("install.source");
  const wheels = context.asAbsolutePath("wheel");
  const wheel = existsSync(wheels) ? readdirSync(wheels).find((name) => name.endsWith(".whl")) : undefined;
  return set || (wheel && join(wheels, wheel));
}

async function findPython(): Promise<string[] | undefined> {
  const set = vscode.workspace.getConfiguration("foretype").get<string>("install.python");
  for (const python of set ? [[set]] : PYTHONS) {
    if (await run([...python, "-c", RECENT]).then(() => true, () => false)) {
      return python;
    }
  }
  return undefined;
}

/** Rejects with the last line that the program wrote, or with a `CancellationError`. */
function run(
  command: string[],
  output?: vscode.LogOutputChannel,
  token?: vscode.CancellationToken,
  heard: (line: string) => void = () => {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    output?.info(command.join(" "));
    const child = spawn(command[0]!, command.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    const listener = token?.onCancellationRequested(() => child.kill());
    let last = "";
    const listen = (data: Buffer) => {
      for (const line of data.toString().split(/\r?\n/).filter((text) => text.trim())) {
        output?.info(line);
        heard((last = line));
      }
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.on("error", reject);
    child.on("close", (code) => {
      listener?.dispose();
      if (token?.isCancellationRequested) {
        reject(new vscode.CancellationError());
      } else if (code === 0) {
        resolve();
      } else {
        reject(new Error(last.trim() || `${command[0]} ended with ${code}`));
      }
    });
  });
}
