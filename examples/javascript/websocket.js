// A WebSocket client (RFC 6455) on Node's own http: texts only, as tidemill.v1+json needs. Node 22 has one built in.

import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import https from "node:https";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CONTINUATION = 0, TEXT = 1, CLOSE = 8, PING = 9, PONG = 10;
const LIMIT = 16 * 1024 * 1024;

/** The server answered, and is no WebSocket for us: `status` says why. */
export class HandshakeError extends Error {
  constructor(status, text) {
    super(`the server answered ${status}: ${text}`);
    this.status = status;
  }
}

/** Connect; resolves to a WebSocket when the server has agreed. */
export function connect(url, protocol) {
  const { request } = url.startsWith("https") ? https : http;
  const key = randomBytes(16).toString("base64");
  const headers = {
    Connection: "Upgrade", Upgrade: "websocket",
    "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": protocol,
  };
  return new Promise((resolve, reject) => {
    const asking = request(url, { headers, timeout: 10_000 });
    asking.on("error", reject);
    asking.on("timeout", () => asking.destroy(new Error("no answer in time")));
    asking.on("response", async (answer) => {
      let text = "";
      for await (const part of answer) text += part;
      reject(new HandshakeError(answer.statusCode, text.slice(0, 500)));
    });
    asking.on("upgrade", (answer, socket, head) => {
      const wanted = createHash("sha1").update(key + GUID).digest("base64");
      if (answer.headers["sec-websocket-accept"] !== wanted || answer.headers["sec-websocket-protocol"] !== protocol) {
        socket.destroy();
        reject(new Error(`the server does not speak ${protocol}`));
        return;
      }
      resolve(new WebSocket(socket, head));
    });
    asking.end();
  });
}

class WebSocket {
  constructor(socket, head) {
    this.onmessage = () => {};
    this.closed = new Promise((resolve) => socket.on("close", resolve));
    this.socket = socket;
    this.waiting = head;
    this.parts = [];
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.on("error", () => {}); // "close" follows
    socket.on("data", (data) => this.#read(data));
  }

  /** Start to read: what came with the handshake first. */
  start() {
    this.#read(Buffer.alloc(0));
  }

  send(text) {
    this.#write(TEXT, Buffer.from(text));
  }

  /** Resolves when the socket is closed, by us or by the server. */
  close() {
    this.#write(CLOSE, Buffer.from([1000 >> 8, 1000 & 255]));
    this.socket.end();
    return this.closed;
  }

  #write(kind, payload) {
    if (this.socket.destroyed) return;
    const size = payload.length;
    const head = size < 126 ? Buffer.alloc(2) : size < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
    head[0] = 0x80 | kind;
    if (size < 126) head[1] = size;
    else if (size < 65536) { head[1] = 126; head.writeUInt16BE(size, 2); }
    else { head[1] = 127; head.writeBigUInt64BE(BigInt(size), 2); }
    head[1] |= 0x80;
    const mask = randomBytes(4), masked = Buffer.allocUnsafe(size);
    for (let at = 0; at < size; at++) masked[at] = payload[at] ^ mask[at & 3];
    this.socket.write(Buffer.concat([head, mask, masked]));
  }

  #read(data) {
    this.waiting = Buffer.concat([this.waiting, data]);
    for (let frame = this.#next(); frame; frame = this.#next()) this.#take(frame);
  }

  /** The next whole frame of what has come. A server does not mask. */
  #next() {
    const data = this.waiting;
    if (data.length < 2) return undefined;
    let size = data[1] & 0x7f, start = 2;
    if (size === 126) {
      if (data.length < 4) return undefined;
      size = data.readUInt16BE(2); start = 4;
    } else if (size === 127) {
      if (data.length < 10) return undefined;
      size = Number(data.readBigUInt64BE(2)); start = 10;
    }
    if (size > LIMIT) { this.socket.destroy(); return undefined; }
    if (data.length < start + size) return undefined;
    this.waiting = data.subarray(start + size);
    return { last: (data[0] & 0x80) !== 0, kind: data[0] & 0x0f, payload: data.subarray(start, start + size) };
  }

  #take({ last, kind, payload }) {
    if (kind === PING) this.#write(PONG, payload);
    else if (kind === CLOSE) this.close();
    else if (kind === TEXT || kind === CONTINUATION) {
      this.parts.push(payload);
      if (!last) return;
      const text = Buffer.concat(this.parts).toString();
      this.parts = [];
      this.onmessage(text);
    }
  }
}
