// `node tee.mjs LOG PROGRAM ARGUMENT...`: runs a language server, and writes each message into LOG as a line of JSON.
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";

const [log, program, ...rest] = process.argv.slice(2);
const child = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"] });
const write = (entry) => appendFileSync(log, `${JSON.stringify({ at: Date.now(), ...entry })}\n`);
write({ from: "tee", pid: child.pid });

function listen(stream, from) {
  let data = Buffer.alloc(0);
  stream.on("data", (chunk) => {
    data = Buffer.concat([data, chunk]);
    for (;;) {
      const end = data.indexOf("\r\n\r\n");
      const length = end < 0 ? undefined : Number(/content-length: *(\d+)/i.exec(data.toString("latin1", 0, end))?.[1]);
      if (length === undefined || data.length < end + 4 + length) {
        return;
      }
      write({ from, message: JSON.parse(data.toString("utf8", end + 4, end + 4 + length)) });
      data = data.subarray(end + 4 + length);
    }
  });
}
listen(process.stdin, "client");
listen(child.stdout, "server");
process.stdin.pipe(child.stdin);
child.stdout.pipe(process.stdout);
child.stdin.on("error", () => {});
child.on("exit", (code) => process.exit(code ?? 1));
process.on("SIGTERM", () => child.kill());
