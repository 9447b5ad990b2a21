// A completion server with scripted answers: `script(prompt, suffix)` says what the model would, after `pause` milliseconds.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export async function startStub() {
  const stub = { script: () => "", pause: 0, requests: 0 };
  async function answer(request, response) {
    let body = "";
    for await (const chunk of request) {
      body += chunk;
    }
    stub.requests++;
    await sleep(stub.pause);
    const { prompt = "", suffix = "" } = JSON.parse(body);
    const events = [
      { choices: [{ text: stub.script(prompt, suffix), index: 0, finish_reason: null }] },
      { choices: [{ text: "", index: 0, finish_reason: "stop" }] },
    ];
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end([...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), "data: [DONE]\n\n"].join(""));
  }
  // whoever goes away before the end gets no answer
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  stub.url = `http://127.0.0.1:${server.address().port}`;
  stub.close = () => server.close();
  return stub;
}
