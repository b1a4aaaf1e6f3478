// The worker side of tidemill.v1+json (docs/protocol.md), without dependencies.
//
//   const worker = new Worker("words");
//   worker.task("shout", { text: { type: "string" } }, async ({ text }) => text.toUpperCase());
//   process.exit(await worker.run());

import { createHash, randomBytes } from "node:crypto";
import os from "node:os";
import { HandshakeError, connect } from "./websocket.js";

const PROTOCOL = "tidemill.v1+json";
const INLINE_BYTES = 500_000; // of an output; a larger one goes by blob
const GRACE_S = 5; // to stop in, where the server says nothing
const WINDOW = 256; // items of a stream that are not acknowledged
const DELAYS_MS = [50, 100, 200, 500, 1000, 2000, 5000];

/** Trying again changes nothing. */
export class PermanentError extends Error {
  code = "permanent";
}

/** Trying again may help; the server does, as the task's options say. */
export class TransientError extends Error {
  code = "transient";
}

const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Worker {
  #tasks = new Map(); // name -> { definition, body }
  #live = new Map(); // attempt -> Attempt
  #results = new Map(); // attempt -> message, until it is acknowledged
  #received = 0; // attempts since the welcome
  #lost = 0; // slots of bodies that could not be stopped
  #link; // the welcomed socket
  #code; // of the exit, when it is known
  #draining = false;
  #store = "";

  constructor(name, { concurrency = 10, url = process.env.TIDEMILL_URL ?? "http://127.0.0.1:7070" } = {}) {
    Object.assign(this, { name, concurrency, url: url.replace(/\/$/, "") });
    this.id = process.env.TIDEMILL_WORKER_ID ?? `${name}@${os.hostname()}`;
    this.instance = base64(randomBytes(16)); // one per process
  }

  /** Declare a task: its inputs as JSON Schemas by name, and `body(inputs, context)`. A generator makes a stream. */
  task(name, inputs, body, { output = {}, options = {} } = {}) {
    const isStream = body.constructor.name.endsWith("GeneratorFunction");
    const definition = {
      name: `${this.name}.${name}`,
      inputs: { type: "object", properties: inputs, required: Object.keys(inputs), additionalProperties: false },
      outputs: { value: isStream ? { type: "array", items: output } : output },
      digest: "", // the server fills it in
      item: isStream ? output : null,
      options,
    };
    this.#tasks.set(definition.name, { definition, body, isStream });
  }

  /** Serve until drained (0) or refused (1). The first SIGTERM or SIGINT drains, the second ends at once. */
  async run() {
    for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => this.#told());
    for (let tries = 0; this.#code === undefined; tries++) {
      try {
        const link = await connect(`${this.url}/worker/v1`, PROTOCOL);
        tries = 0;
        await this.#hold(link);
      } catch (error) {
        console.error(`no connection to ${this.url}: ${error.message}`);
        if (error instanceof HandshakeError && error.status >= 400 && error.status < 500) return 1;
      }
      if (this.#draining && !this.#live.size) break; // nobody is there to say goodbye to
      if (this.#code === undefined) await sleep(DELAYS_MS[Math.min(tries, DELAYS_MS.length - 1)]);
    }
    return this.#code ?? 0;
  }

  #told() {
    if (this.#draining) process.exit(130);
    this.#drain();
  }

  // One connection ------------------------------------------------------------------------------

  async #hold(link) {
    link.onmessage = (text) => this.#read(link, text);
    link.send(JSON.stringify([this.#hello()]));
    link.start();
    await link.closed;
    if (this.#link === link) this.#link = undefined;
    clearInterval(link.beating);
  }

  #hello() {
    const held = [...this.#live.values()].map((each) => each.ref);
    const done = [...this.#results.values()].map(([, ref]) => ref);
    const tasks = [...this.#tasks.values()].map((each) => each.definition);
    const about = [this.#store, "javascript", os.hostname(), process.pid];
    return ["hello", "1.0", this.id, this.instance, tasks, { total: this.concurrency }, held, done, ...about];
  }

  #read(link, text) {
    link.heard = Date.now();
    let messages;
    try {
      messages = JSON.parse(text);
    } catch {
      console.error("a frame that is no JSON is passed over");
      return;
    }
    if (!Array.isArray(messages)) return;
    for (const [tag, ...fields] of messages) {
      if (tag === "welcome") this.#welcome(link, fields);
      else if (tag === "refused") this.#refused(link, fields);
      else this.#obey[tag]?.(...fields); // what a later version says is passed over, fields to spare too
    }
  }

  #say(...messages) {
    this.#link?.send(JSON.stringify(messages));
  }

  #welcome(link, [, store, , heartbeat, , stale, , ping = 0]) {
    this.#link = link;
    this.#store = store;
    this.#received = 0;
    for (const ref of stale) this.#drop(ref);
    for (const result of this.#results.values()) this.#say(result);
    for (const attempt of this.#live.values()) {
      this.#say(["started", attempt.ref]);
      if (attempt.items.length) this.#say(["chunk", attempt.ref, attempt.durable, attempt.items]);
    }
    this.#grant();
    link.beating = setInterval(() => {
      if (this.#live.size || this.#results.size) this.#beat();
      if (ping && Date.now() - link.heard > 3000 * ping) link.socket.destroy(); // it died without a word
    }, heartbeat * 1000);
  }

  #refused(link, [reason, advice, final = true]) {
    console.error(`the server refuses this worker: ${reason}; ${advice}`);
    if (final) this.#code = 1;
    link.close();
  }

  #grant() {
    const free = this.#draining ? 0 : Math.max(this.concurrency - this.#live.size - this.#lost, 0);
    this.#say(["credit", { "": this.#received + free }]);
  }

  #beat() {
    this.#say(["heartbeat", this.#received]);
  }

  // What the server says, by tag ----------------------------------------------------------------

  #obey = {
    assign: (ref, task, inputs, _workflow, timeout = null, silence = null) => {
      this.#received++;
      const key = JSON.stringify(ref), known = this.#tasks.get(task);
      if (this.#results.has(key)) this.#say(this.#results.get(key));
      else if (!this.#live.has(key)) {
        if (!known || this.#draining) this.#say(["released", ref, "not here, or not any more"]);
        else this.#perform(key, new Attempt(ref, (...why) => this.#stop(key, ...why), timeout, silence), known, inputs);
      }
      this.#grant();
    },
    cancel: (ref, grace, reason) => {
      const key = JSON.stringify(ref);
      if (this.#live.has(key)) this.#stop(key, "cancelled", reason || "cancelled", grace);
      else if (!this.#results.has(key)) this.#say(["released", ref, "not held"]);
    },
    ack: (refs) => {
      for (const ref of refs) this.#results.delete(JSON.stringify(ref));
      this.#leave();
    },
    stale: (refs) => {
      for (const ref of refs) this.#drop(ref);
      this.#grant();
      this.#leave();
    },
    chunk_ack: (ref, upto) => this.#live.get(JSON.stringify(ref))?.acknowledge(upto),
    ping: () => this.#beat(),
    drain: () => this.#drain(),
  };

  /** Ask an attempt to stop; one that goes on is given up after the grace, and its slot with it. */
  #stop(key, code, message, grace = GRACE_S) {
    const attempt = this.#live.get(key);
    if (!attempt || attempt.controller.signal.aborted) return;
    attempt.controller.abort(Object.assign(new Error(message), { code }));
    attempt.timer(() => {
      if (this.#live.get(key) !== attempt) return;
      attempt.isAbandoned = true;
      this.#lost++;
      this.#end(key, attempt, stopped(attempt, "abandoned"));
    }, grace);
  }

  #drop(ref) {
    const key = JSON.stringify(ref), attempt = this.#live.get(key);
    this.#results.delete(key);
    this.#live.delete(key); // so that its end is not reported
    attempt?.controller.abort(new Error("not ours any more"));
  }

  #drain() {
    this.#draining = true;
    this.#grant();
    this.#leave();
  }

  #leave() {
    if (!this.#draining || this.#live.size || this.#results.size || !this.#link) return;
    this.#say(["goodbye"]);
    this.#code = 0;
    this.#link.close();
  }

  // An attempt ----------------------------------------------------------------------------------

  async #perform(key, attempt, { body, isStream }, given) {
    this.#live.set(key, attempt);
    let report;
    try {
      const inputs = {};
      for (const [name, argument] of Object.entries(given)) inputs[name] = await this.#input(argument);
      this.#say(["started", attempt.ref]);
      attempt.begin();
      const context = this.#context(attempt);
      const value = isStream ? await this.#stream(attempt, body(inputs, context)) : await this.#output(await body(inputs, context));
      report = ["succeeded", attempt.ref, { value }];
    } catch (error) {
      const code = error instanceof PermanentError || error instanceof TransientError ? error.code : "internal";
      const failure = { code, message: String(error?.message ?? error), type: error?.name ?? "", traceback: error?.stack ?? "" };
      report = attempt.controller.signal.aborted ? stopped(attempt, "stopped") : ["failed", attempt.ref, failure];
    }
    attempt.end();
    if (attempt.isAbandoned) {
      this.#lost--;
      this.#grant();
    }
    this.#end(key, attempt, report);
  }

  #end(key, attempt, report) {
    if (this.#live.get(key) !== attempt) return; // stale, or reported as abandoned
    this.#live.delete(key);
    this.#results.set(key, report);
    this.#say(report);
    this.#grant();
  }

  #context(attempt) {
    return {
      signal: attempt.controller.signal, // aborted when the attempt is to stop
      attempt: attempt.ref,
      progress: (fraction, message = "") => {
        attempt.hear();
        this.#say(["progress", attempt.ref, fraction, "", message]);
      },
      log: (text) => this.#say(["log", attempt.ref, [[Date.now() * 1000, "INFO", this.name, String(text)]]]),
    };
  }

  /** An input is one JSON document: in the frame, or in a blob. */
  async #input([, [kind, data]]) {
    if (kind === "i") return JSON.parse(Buffer.from(data, "base64").toString());
    const answer = await fetch(`${this.url}/api/v1/blobs/sha256:${Buffer.from(data, "base64").toString("hex")}`);
    if (!answer.ok) throw new Error(`an input cannot be fetched: ${answer.status}`);
    return answer.json();
  }

  async #output(value) {
    const data = Buffer.from(JSON.stringify(value ?? null));
    if (data.length <= INLINE_BYTES) return ["i", base64(data), "j"];
    const digest = createHash("sha256").update(data).digest();
    const place = `${this.url}/api/v1/blobs/sha256:${digest.toString("hex")}`;
    const answer = await fetch(place, { method: "PUT", body: data, headers: { "content-type": "application/octet-stream" } });
    if (!answer.ok) throw new Error(`an output cannot be stored: ${answer.status}`);
    return ["b", base64(digest), data.length, "j"];
  }

  /** Items as they come, at most WINDOW ahead of the server; the report waits until all are durable. */
  async #stream(attempt, items) {
    for await (const item of items) {
      attempt.controller.signal.throwIfAborted();
      await attempt.room(WINDOW);
      const data = base64(JSON.stringify(item ?? null));
      attempt.items.push(data);
      attempt.hear();
      this.#say(["chunk", attempt.ref, attempt.durable + attempt.items.length - 1, [data]]);
    }
    await attempt.room(1);
    return ["s", attempt.ref[2], attempt.durable];
  }
}

class Attempt {
  controller = new AbortController();
  items = []; // not acknowledged
  durable = 0; // acknowledged
  wake = () => {};
  isAbandoned = false;
  #timers = new Set();
  #quiet; // the timer of its silence

  constructor(ref, stop, timeout, silence) {
    Object.assign(this, { ref, stop, timeout, silence });
    this.controller.signal.addEventListener("abort", () => this.wake());
  }

  /** Its body begins: its limits count from here. */
  begin() {
    if (this.timeout !== null) this.timer(() => this.stop("timeout", `no end after ${this.timeout} s`), this.timeout);
    this.hear();
  }

  /** A sign of life. */
  hear() {
    if (this.silence === null) return;
    clearTimeout(this.#quiet);
    this.#timers.delete(this.#quiet);
    this.#quiet = this.timer(() => this.stop("timeout", `no sign of life for ${this.silence} s`), this.silence);
  }

  timer(call, seconds) {
    const timer = setTimeout(call, seconds * 1000);
    this.#timers.add(timer);
    return timer;
  }

  end() {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  acknowledge(upto) {
    this.items.splice(0, upto - this.durable);
    this.durable = upto;
    this.wake();
  }

  /** Until fewer than `limit` items wait for their acknowledgement. */
  async room(limit) {
    while (this.items.length >= limit) {
      await new Promise((resolve) => { this.wake = resolve; });
      this.controller.signal.throwIfAborted();
    }
  }
}

function stopped(attempt, proof) {
  const { code = "cancelled", message } = attempt.controller.signal.reason;
  return ["failed", attempt.ref, { code, message }, proof];
}
