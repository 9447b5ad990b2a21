// A completion server with scripted answers: `script(prompt, suffix)` says what the model would.
import { createServer } from "node:http";

export async function startStub() {
  const stub = { script: () => "", requests: 0 };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) {
      body += chunk;
    }
    stub.requests++;
    const { prompt = "", suffix = "" } = JSON.parse(body);
    const events = [
      { choices: [{ text: stub.script(prompt, suffix), index: 0, finish_reason: null }] },
      { choices: [{ text: "", index: 0, finish_reason: "stop" }] },
    ];
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end([...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), "data: [DONE]\n\n"].join(""));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  stub.url = `http://127.0.0.1:${server.address().port}`;
  stub.close = () => server.close();
  return stub;
}
