/**
 * The client plays the scenes of the protocol (docs/protocol.md, "Scenes to test with"), in virtual time.
 *
 *     node --test
 */

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { MezhaError, Peer } from "./mezha.mjs";
import { Kind, MAGIC } from "./wire.mjs";

const FOLDER = new URL(process.env.SCENES ?? "../../../src/mezha/testing/scenes/", import.meta.url);

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".json")).sort()) {
  const { scenes } = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
  for (const scene of scenes) {
    test(`${file}: ${scene.name}`, () => play(scene, (data) => [data]));
    test(`${file}: ${scene.name}, byte by byte`, () => play(scene, intoBytes));
  }
}

function intoBytes(data) {
  return data.length > 1000 ? [data] : [...data].map((byte) => Buffer.from([byte]));
}

/** A stream that takes everything at once. */
class Stream extends EventEmitter {
  writableNeedDrain = false;
  written = [];

  write(data) {
    this.written.push(data);
    return true;
  }

  end() {}

  destroy() {}
}

/** Time that passes when it is told to. */
class Clock {
  time = 0;
  #timers = new Map();
  #last = 0;

  now = () => this.time;

  after = (ms, act) => {
    this.#timers.set(++this.#last, { due: this.time + ms, act });
    return this.#last;
  };

  cancel = (timer) => this.#timers.delete(timer);

  async pass(ms) {
    const until = this.time + ms;
    for (;;) {
      const [first] = [...this.#timers].sort(([, one], [, other]) => one.due - other.due);
      if (!first || first[1].due > until) break;
      this.#timers.delete(first[0]);
      this.time = Math.max(this.time, first[1].due);
      first[1].act();
      await settle();
    }
    this.time = until;
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

async function play(scene, cut) {
  const stage = new Stage(scene, cut);
  for (const [number, step] of scene.steps.entries()) {
    const [does] = Object.keys(step);
    const where = `step ${number + 1}, ${JSON.stringify(step).slice(0, 80)}`;
    try {
      await stage[does](step);
    } catch (error) {
      throw new Error(`${where}: ${error.message}`, { cause: error });
    }
    await settle();
  }
  stage.look();
  assert.deepEqual(stage.frames.map(hex), [], "then it sent more");
  assert.deepEqual(stage.events, [], "then more happened");
}

const TOKENS = /([0-9a-f]{2})(?:\{(\d+)\})?|([#@])(\d+)|(\*)/g;

/** The side on which a scene is played, and what has happened so far. */
class Stage {
  frames = [];
  events = [];
  #stream = new Stream();
  #clock = new Clock();
  #cut;
  #peer;
  #sent = Buffer.alloc(0);
  #greeted = false;
  #known = new Map();
  #granted = 0n;
  #pinged = 0;
  #pings = 0;
  #requests = [];
  #answers = new Map();
  #piece;
  #ending;

  constructor({ side = {} }, cut) {
    this.#cut = cut;
    const options = {
      maxMessage: side.max_message ?? 1048576, window: side.window ?? 131072, heartbeat: side.heartbeat ?? 0,
      requests: side.requests ?? 16, requestBytes: side.request_bytes ?? 65536, clock: this.#clock,
    };
    if (side.answers !== false) options.answer = (question, { id, signal }) => this.#answer(question, id, signal);
    this.#peer = new Peer(this.#stream, options);
    this.#peer.closed.then((ending) => (this.#ending = ending));
  }

  #answer(question, id, signal) {
    this.events.push(`asked ${id} ${hex(question)}`);
    signal.addEventListener("abort", () => this.events.push(`told_cancelled ${id}`));
    return new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }));
  }

  /** Read a pattern: bytes, and functions of the place where something stands that the side chose. */
  #parts(pattern) {
    const parts = [];
    for (const [, byte, times, sign, number, any] of pattern.matchAll(TOKENS)) {
      if (byte) parts.push(Buffer.alloc(Number(times ?? 1), Number.parseInt(byte, 16)));
      else parts.push(any ? { any } : { hole: sign + number, size: sign === "#" ? 4 : 8 });
    }
    return parts;
  }

  #bytes(pattern) {
    return Buffer.concat(this.#parts(pattern).map((part) => (part.hole ? this.#known.get(part.hole) : part)));
  }

  #match(pattern, data) {
    let place = 0;
    for (const part of this.#parts(pattern)) {
      if (part.any) return true;
      const expected = part.hole ? this.#known.get(part.hole) : part;
      const found = data.subarray(place, place + (expected?.length ?? part.size));
      if (!expected) this.#known.set(part.hole, found);
      else if (!found.equals(expected)) return false;
      place += found.length;
    }
    return place === data.length;
  }

  look() {
    this.#sent = Buffer.concat([this.#sent, ...this.#stream.written.splice(0)]);
    if (!this.#greeted) {
      assert.ok(this.#sent.subarray(0, MAGIC.length).equals(MAGIC));
      this.#sent = this.#sent.subarray(MAGIC.length);
      this.#greeted = true;
    }
    while (this.#sent.length >= 4) {
      const end = 4 + this.#sent.readUInt32BE();
      const frame = this.#sent.subarray(4, end);
      this.#sent = this.#sent.subarray(end);
      if (frame[0] === Kind.CREDIT) this.#granted += frame.readBigUInt64BE(1);
      else if (frame[0] === Kind.PING) this.#known.set(`@${(this.#pinged++, ++this.#pings)}`, frame.subarray(1));
      else if (frame[0] !== Kind.HELLO) this.frames.push(frame);
    }
    assert.equal(this.#sent.length, 0, "it sent a part of a frame");
  }

  async peer({ peer }) {
    this.look();
    for (const piece of this.#cut(this.#bytes(peer))) this.#stream.emit("data", piece);
  }

  async peer_ends() {
    this.#stream.emit("end");
  }

  async wait({ wait }) {
    await this.#clock.pass(wait * 1000);
  }

  async sends({ sends }) {
    this.look();
    const frames = this.frames.splice(0);
    const same = frames.length === sends.length && sends.every((pattern, place) => this.#match(pattern, frames[place]));
    assert.ok(same, `it sent ${frames.map(hex)}`);
  }

  async sends_message({ sends_message }) {
    this.look();
    const bodies = [];
    for (let kind = Kind.PART; kind === Kind.PART; ) {
      const frame = this.frames.shift();
      assert.ok(frame, `it sent ${bodies.length} pieces and no end`);
      const begun = bodies.length > 0;
      kind = frame[0];
      assert.ok([Kind.PART, Kind.LAST].includes(kind) || (kind === Kind.MESSAGE && !begun), `it sent ${hex(frame)}`);
      bodies.push(frame.subarray(1));
    }
    assert.ok(Buffer.concat(bodies).equals(this.#bytes(sends_message)), "it sent another message");
  }

  async sends_dropped({ sends_dropped }) {
    this.look();
    if (!this.frames.length) return;
    while (this.frames[0]?.[0] === Kind.PART) this.frames.shift();
    const frame = this.frames.shift();
    assert.equal(frame?.[0], Kind.DROP);
    assert.equal(frame.readUInt16BE(1), sends_dropped);
  }

  async grants({ grants: [least, most] }) {
    this.look();
    assert.ok(least <= this.#granted && this.#granted <= most, `it granted ${this.#granted}`);
  }

  async pings({ pings: [least, most] }) {
    this.look();
    assert.ok(least <= this.#pinged && this.#pinged <= most, `it sent ${this.#pinged} PINGs`);
    this.#pinged = 0;
  }

  async takes({ takes }) {
    const taken = [];
    for (let message; (message = this.#peer.tryRecv()); ) taken.push(hex(message));
    assert.deepEqual(taken, takes.map((pattern) => hex(this.#bytes(pattern))));
  }

  #got;

  async waits() {
    this.#peer.recv().then((message) => (this.#got = message));
  }

  async gets({ gets }) {
    assert.ok(this.#got?.equals(this.#bytes(gets)), `it got ${this.#got && hex(this.#got)}`);
  }

  #happened(event) {
    const place = this.events.findIndex((other) => other === event || other.startsWith(`${event} `));
    assert.ok(place >= 0, `what happened is ${this.events}`);
    this.events.splice(place, 1);
  }

  async asked({ asked, question }) {
    this.#happened(`asked ${asked} ${hex(this.#bytes(question))}`);
  }

  async told_cancelled({ told_cancelled }) {
    this.#happened(`told_cancelled ${told_cancelled}`);
  }

  async reply_to({ reply_to, is }) {
    this.#happened(`reply_to ${reply_to} ${hex(this.#bytes(is))}`);
  }

  async failure_of({ failure_of, code }) {
    this.#happened(code === undefined ? `failure_of ${failure_of}` : `failure_of ${failure_of} ${code}`);
  }

  /** Let the program do something, and see whether the side allowed it. */
  async #act(done, refused = false) {
    let error;
    done?.catch((reason) => (error = reason));
    await settle();
    assert.equal(error !== undefined, refused, error ? `it refused: ${error.message}` : "it allowed it");
  }

  async send({ send, refused }) {
    await this.#act(this.#peer.send(this.#bytes(send)), refused);
  }

  async piece({ piece, refused }) {
    if (!this.#piece) {
      const pieces = this.#pieces();
      this.#piece = this.#peer.sendStream(pieces);
      this.#piece.catch(() => {});
    }
    this.#more(this.#bytes(piece));
    await this.#act(this.#piece, refused);
  }

  #more;

  async *#pieces() {
    const waiting = [];
    let wake = () => {};
    this.#more = (piece) => (waiting.push(piece), wake());
    for (;;) {
      while (!waiting.length) await new Promise((resolve) => (wake = resolve));
      const piece = waiting.shift();
      if (piece === null) return;
      if (piece instanceof Error) throw piece;
      yield piece;
    }
  }

  async finish() {
    this.#more(null);
    this.#piece = undefined;
  }

  async drop({ drop }) {
    this.#more(new MezhaError("given up", drop));
    this.#piece = undefined;
  }

  async end() {
    this.#peer.end();
  }

  async request({ request, refused }) {
    const controller = new AbortController();
    const number = this.#requests.push(controller);
    const done = this.#peer.request(this.#bytes(request), { signal: controller.signal });
    done.then(
      (answer) => this.events.push(`reply_to ${number} ${hex(answer)}`),
      (error) => controller.signal.aborted || refused || this.events.push(`failure_of ${number} ${error.code}`),
    );
    if (refused) {
      this.#requests.pop();
      await this.#act(done, true);
    }
  }

  async cancel({ cancel }) {
    this.#requests[cancel - 1].abort();
  }

  async answer({ answer, reply }) {
    this.#answers.get(answer).resolve(this.#bytes(reply));
  }

  async fail({ fail, code }) {
    this.#answers.get(fail).reject(new MezhaError("no", code));
  }

  async close({ close }) {
    this.#peer.close(close);
  }

  async ends({ ends, code, delivered }) {
    assert.equal(this.#ending?.how, ends);
    if (code !== undefined) assert.equal(this.#ending.code, code);
    if (delivered !== undefined) assert.equal(this.#ending.delivered, delivered);
  }
}

function hex(data) {
  return data.length > 60 ? `${data.subarray(0, 20).toString("hex")}… (${data.length})` : data.toString("hex");
}
