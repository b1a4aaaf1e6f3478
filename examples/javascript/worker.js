// The worker that the conformance kit examines: `tidemill conformance -- node worker.js`.

import { setTimeout as wait } from "node:timers/promises";
import { PermanentError, Worker } from "./tidemill.js";

const worker = new Worker("kit");

worker.task("echo", { value: {} }, async ({ value }) => value);

worker.task("fail", { message: { type: "string" } }, async ({ message }) => {
  throw new PermanentError(message);
});

worker.task("sleep", { seconds: { type: "number" } }, async ({ seconds }, { signal }) => {
  await wait(seconds * 1000, undefined, { signal });
  return seconds;
});

worker.task("count", { upto: { type: "integer" } }, async function* ({ upto }) {
  for (let number = 0; number < upto; number++) yield number;
}, { output: { type: "integer" } });

worker.task("large", { size: { type: "integer" } }, async ({ size }) => "x".repeat(size));

process.exit(await worker.run());
