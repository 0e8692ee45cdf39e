/**
 * A client of the mezha protocol, version 1, without dependencies. It was written from docs/protocol.md alone.
 *
 *     import { connect } from "./mezha.mjs";
 *
 *     const peer = await connect({ host: "localhost", port: 1898 });
 *     await peer.send("Hello!");
 *     console.log(String(await peer.recv()));
 *     console.log(String(await peer.request("2+2", { timeout: 1000 })));
 *     console.log(await peer.close());
 *
 * Both sides of a connection are equal: `new Peer(socket)` makes a peer of any socket, a server's included.
 */

import net from "node:net";

import { Outbox, Outgoing } from "./outbox.mjs";
import { Answering, Asking, checkSize } from "./requests.mjs";
import {
  Code, HEADER, Input, Kind, MAGIC, MezhaError, NAMES, Pieces, SMALLEST_WINDOW, STREAM, bytes, decodeHello, encodeHello,
  frame, text, u16, u64,
} from "./wire.mjs";

export { Code, MezhaError } from "./wire.mjs";

const HANDSHAKE = 10_000; // milliseconds
const ANSWER_CLOSE = 5_000;
const CLOSE = 10_000;
const LINGER = 1_000;

const DEFAULTS = {
  maxMessage: 2 ** 20, window: 2 ** 18, heartbeat: 20_000, requests: 64, requestBytes: 2 ** 20, agent: "",
};

/** The real time. Tests bring their own. */
const CLOCK = {
  now: () => performance.now(),
  after: (ms, act) => setTimeout(act, ms).unref(),
  cancel: (timer) => clearTimeout(timer),
};

/** Connect over TCP (`host`, `port`) or a Unix socket (`path`); other options are those of `Peer`. */
export function connect({ host, port, path, ...options }) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path ? { path } : { host, port, noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(new Peer(socket, options));
    });
  });
}

/** One side of a connection. */
export class Peer {
  /** A promise of how the connection ended: `{how, code, reason, byPeer, sent, delivered, neverSent}`. */
  closed;

  #stream;
  #ours;
  #theirs;
  #clock;
  #timers = new Map();

  #input = new Input();
  #state = "GREETING"; // of the peer's frames
  #outbox = new Outbox();
  #asking;
  #answering;

  #inbox = []; // messages that wait for the program, with what they cost
  #begun; // the message that arrives in pieces
  #waiting = []; // calls of recv
  #taken = 0;
  #granted; // bytes that the peer may still send
  #heldBack = 0; // bytes taken and not granted again

  #heard;
  #heardSince = false;
  #sentSince = false;
  #lastPing = 0n; // its number stands in its eight bytes
  #pings = []; // those for which the program waits: number, when, and who

  #ended = false; // this side's messages
  #goodbye; // the CLOSE of this side, from when it is wanted
  #goodbyeSent = false;
  #answered = false; // it is the answer to the peer's
  #theirGoodbye;
  #neverSent = 0;
  #fault;
  #ending;
  #resolveClosed;

  /**
   * @param stream a connected stream of bytes in both directions
   * @param options `maxMessage`, `window`, `requests`, `requestBytes`, `agent`; `heartbeat` in milliseconds, 0 for none;
   *   `answer(question, {id, signal})`: answer the peer's requests, or throw a MezhaError that it may see
   */
  constructor(stream, { answer, clock = CLOCK, ...options } = {}) {
    const ours = { ...DEFAULTS, ...options };
    ours.window = Math.max(ours.window, SMALLEST_WINDOW);
    this.#ours = ours;
    this.#clock = clock;
    this.#stream = stream;
    this.#granted = ours.window;
    this.#heard = clock.now();
    this.#asking = new Asking(this.#outbox, ours.maxMessage);
    this.#answering = new Answering(this.#outbox, ours, answer, () => this.#pump());
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    stream.on("data", (data) => this.#receive(data));
    stream.on("drain", () => this.#pump());
    stream.on("end", () => this.#cut("the peer ended its stream without a goodbye"));
    stream.on("error", (error) => this.#lose(error.message));
    stream.on("close", () => this.#lose("the connection was cut"));
    this.#write(Buffer.concat([MAGIC, frame(Kind.HELLO, encodeHello(ours))]));
    const late = () => this.#violation(new MezhaError(this.#input.missing(), Code.TIMEOUT));
    this.#timer("handshake", HANDSHAKE, late);
  }

  // -- what a program does -------------------------------------------------------------------------------------------

  /** Send a message; resolves when all of it has been given to the system. Rejects if it cannot be sent. */
  async send(message) {
    const body = bytes(message);
    this.#checkSending(body.length);
    const outgoing = new Outgoing(body, true);
    this.#outbox.message(outgoing);
    this.#pump();
    await outgoing.done;
  }

  /** Send the pieces of an (async) iterable as one message. If the iterable fails, the peer drops what it has of it. */
  async sendStream(pieces) {
    this.#checkSending(0);
    const outgoing = new Outgoing(Buffer.alloc(0), false);
    this.#outbox.message(outgoing);
    try {
      for await (const piece of pieces) {
        const more = bytes(piece);
        this.#checkSending(outgoing.size + more.length);
        outgoing.more(more);
        this.#pump();
        await outgoing.room();
      }
    } catch (error) {
      outgoing.drop(error instanceof MezhaError ? error.code : Code.CANCELLED);
      this.#pump();
      throw error;
    }
    outgoing.finish();
    this.#pump();
    await outgoing.done;
  }

  /** End this side's messages. Requests and everything else go on. */
  end() {
    this.#ended = true;
    this.#outbox.end();
    this.#pump();
  }

  /** Return the next message, or `null` when the peer will send no more. Rejects when the connection broke. */
  async recv() {
    const message = this.tryRecv();
    if (message) return message;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#settle();
    });
  }

  /** Return the next message, if it is here. */
  tryRecv() {
    const first = this.#inbox.shift();
    if (!first) return undefined;
    this.#taken++;
    this.#free(first.cost);
    this.#answerGoodbye();
    this.#pump();
    return first.body;
  }

  async *[Symbol.asyncIterator]() {
    for (let message; (message = await this.recv()) !== null; ) yield message;
  }

  /** Ask the peer; resolves with the answer. `signal` and `timeout` (in milliseconds) give the request up. */
  async request(question, { signal, timeout } = {}) {
    const body = bytes(question);
    const refusal = this.#refusal(body.length, "a request");
    if (refusal) throw refusal;
    let request;
    let timer;
    let giveUp;
    try {
      return await new Promise((resolve, reject) => {
        giveUp = () => reject(new MezhaError("the request was given up", Code.CANCELLED));
        if (timeout !== undefined) {
          const late = new MezhaError(`no answer within ${timeout} ms`, Code.TIMEOUT);
          timer = this.#clock.after(timeout, () => reject(late));
        }
        signal?.addEventListener("abort", giveUp);
        if (signal?.aborted) return giveUp();
        request = this.#asking.ask(body, { resolve, reject });
        return this.#pump();
      });
    } finally {
      this.#clock.cancel(timer);
      signal?.removeEventListener("abort", giveUp);
      if (request) this.#asking.cancel(request);
      this.#pump();
    }
  }

  /** Messages that the peer's program has taken, as far as the peer has said so: the first so many. */
  get delivered() {
    return this.#outbox.delivered;
  }

  /** Send a PING; resolves with the milliseconds until its PONG, which says also what was `delivered` by then. */
  ping() {
    return new Promise((resolve, reject) => {
      if (this.#silent) return reject(this.#unable());
      this.#ping();
      return this.#pings.push({ number: this.#lastPing, when: this.#clock.now(), resolve, reject });
    });
  }

  /** Send what is queued, and say goodbye; resolves with how it ended. */
  close(code = Code.OK, reason = "") {
    if (!this.#silent) {
      this.#goodbye = { code, reason };
      this.#discard();
      this.#timer("close", CLOSE, () => this.#hurry());
      this.#pump();
    }
    return this.closed;
  }

  // -- what arrives --------------------------------------------------------------------------------------------------

  #receive(data) {
    if (this.#fault || this.#ending) return;
    this.#heard = this.#clock.now();
    this.#heardSince = true;
    this.#input.add(data);
    try {
      if (!this.#input.magic()) return;
      for (let next; this.#state !== "CLOSED" && (next = this.#input.frame(this.#state)); ) {
        this.#hear(next.kind, next.body);
      }
    } catch (error) {
      if (!(error instanceof MezhaError)) throw error;
      this.#violation(error);
      return;
    }
    this.#watchFrame();
    this.#pump();
  }

  #hear(kind, body) {
    const following = STREAM[this.#state][kind];
    if (following === undefined) throw new MezhaError(`${NAMES[kind]} is not allowed in ${this.#state}`);
    this.#state = following;
    switch (kind) {
      case Kind.HELLO:
        return this.#meet(decodeHello(body));
      case Kind.MESSAGE:
        return this.#hearMessage(body, this.#spend(body));
      case Kind.PART:
        this.#begun ??= { pieces: new Pieces(), cost: 0 };
        return this.#hearPiece(body);
      case Kind.LAST: {
        this.#hearPiece(body);
        const { pieces, cost } = this.#begun;
        this.#begun = undefined;
        return this.#hearMessage(pieces.join(), cost);
      }
      case Kind.DROP:
        this.#free(this.#begun.cost);
        this.#begun = undefined;
        return undefined;
      case Kind.END:
        return this.#settle();
      case Kind.REQUEST:
      case Kind.REQUEST_PART:
        return this.#answering.hear(kind, body.readUInt32BE(), body.subarray(4));
      case Kind.REPLY:
      case Kind.REPLY_PART:
      case Kind.FAILURE:
        return this.#asking.hear(kind, body.readUInt32BE(), body.subarray(4));
      case Kind.CANCEL:
        return this.#answering.cancel(body.readUInt32BE());
      case Kind.CREDIT:
        return this.#outbox.grant(body.readBigUInt64BE());
      case Kind.PING:
        return this.#outbox.pong(body, this.#taken);
      case Kind.PONG:
        this.#outbox.hearTaken(body.readBigUInt64BE(8));
        return this.#hearPong(body.readBigUInt64BE());
      default:
        return this.#hearGoodbye(body);
    }
  }

  #meet(theirs) {
    this.#theirs = theirs;
    this.#stop("handshake");
    this.#outbox.meet(theirs.window, (size) => this.#refusal(size, "a message"));
    this.#asking.meet(theirs, (size) => this.#refusal(size, "a request"));
    this.#answering.meet(theirs);
    const beats = [this.#ours.heartbeat, theirs.heartbeat].filter((beat) => beat);
    if (beats.length) this.#beat(Math.min(...beats));
  }

  /** Count what a frame of a message costs, and return it. */
  #spend(body) {
    const cost = HEADER + body.length;
    this.#granted -= cost;
    if (this.#granted < 0) throw new MezhaError("a message without credit");
    return cost;
  }

  #hearPiece(body) {
    this.#begun.cost += this.#spend(body);
    this.#begun.pieces.add(body);
    checkSize(this.#begun.pieces.size, this.#ours.maxMessage, "a message");
    if (this.#waiting.length || this.#goodbye) this.#release(); // the program waits for this very message, or for none
  }

  #hearMessage(body, cost) {
    checkSize(body.length, this.#ours.maxMessage, "a message");
    if (this.#goodbye) return this.#free(cost);
    this.#inbox.push({ body, cost });
    return this.#waiting.shift()?.resolve(this.tryRecv());
  }

  /** Let the pieces that have come be granted again before their message is whole. */
  #release() {
    this.#free(this.#begun.cost);
    this.#begun.cost = 0;
  }

  /** Grant again what is here no longer, as soon as that is a quarter of the window. */
  #free(cost) {
    this.#heldBack += cost;
    if (this.#heldBack <= this.#ours.window / 4) return;
    this.#granted += this.#heldBack;
    this.#outbox.control(Kind.CREDIT, u64(this.#heldBack));
    this.#heldBack = 0;
  }

  /** Tell those who wait for a message that none will come, or let pieces through that they wait for. */
  #settle() {
    if (!this.#waiting.length) return;
    if (this.#begun) this.#release();
    this.#pump();
    const orderly = !this.#fault && (this.#state === "ENDED" || this.#state === "CLOSED");
    if (!orderly && !this.#silent) return;
    for (const { resolve, reject } of this.#waiting.splice(0)) orderly ? resolve(null) : reject(this.#unable());
  }

  // -- what goes out -------------------------------------------------------------------------------------------------

  /** Give the stream frames, as long as it takes them. */
  #pump() {
    while (!this.#goodbyeSent && !this.#ending && !this.#stream.writableNeedDrain) {
      const next = this.#outbox.next();
      if (next) {
        this.#write(next.data);
        next.gone?.();
      } else {
        if (this.#goodbye && this.#outbox.empty) this.#sayGoodbye();
        return;
      }
    }
  }

  #write(data) {
    this.#sentSince = true;
    this.#stream.write(data);
  }

  /** Whether this side says nothing more, or will not after what is queued. */
  get #silent() {
    return Boolean(this.#fault || this.#ending || this.#goodbye || this.#theirGoodbye);
  }

  #checkSending(size) {
    if (this.#ended) throw new MezhaError("this side has ended its messages", Code.OK);
    const refusal = this.#refusal(size, "a message");
    if (refusal) throw refusal;
  }

  /** Say what is wrong with sending so much, if something is. */
  #refusal(size, what) {
    if (this.#silent) return this.#unable();
    const { maxMessage = Infinity, requestBytes = Infinity } = this.#theirs ?? {};
    const limit = what === "a request" ? Math.min(maxMessage, requestBytes) : maxMessage;
    if (size <= limit) return null;
    return new MezhaError(`${what} of ${size} bytes: the peer takes ${limit} at most; nothing was sent`, Code.TOO_LARGE);
  }

  #unable() {
    if (this.#fault) return this.#fault;
    if (this.#ending?.how === "lost") return new MezhaError(this.#ending.reason, Code.TIMEOUT);
    const theirs = this.#theirGoodbye;
    if (theirs) return new MezhaError(`the peer has closed: ${theirs.reason}`, theirs.code);
    return new MezhaError("this side has closed", Code.OK);
  }

  // -- heartbeat -----------------------------------------------------------------------------------------------------

  /** Look twice in every beat, and send a PING if nothing was sent or nothing was heard since the last look. */
  #beat(every) {
    const due = this.#clock.now() + every / 2;
    this.#timer("beat", every / 2, () => {
      const now = this.#clock.now();
      const patience = 2 * this.#ours.heartbeat;
      const late = now - due > 1000; // this process slept, and has not read what came meanwhile
      if (late) this.#heard = Math.max(this.#heard, now - patience / 2);
      if (patience && now - this.#heard >= patience) {
        this.#lose(`the peer has been silent for ${Math.round(now - this.#heard)} ms`);
        return;
      }
      if (late || !this.#sentSince || !this.#heardSince) this.#ping();
      this.#sentSince = this.#heardSince = false;
      this.#beat(every);
    });
  }

  #ping() {
    this.#outbox.control(Kind.PING, u64(++this.#lastPing));
    this.#pump();
  }

  /** A PONG answers its PING, and all before it. */
  #hearPong(answered) {
    if (answered > this.#lastPing) return;
    const [{ number } = {}] = this.#pings;
    if (number === undefined || number > answered) return;
    const { when, resolve } = this.#pings.shift();
    resolve(this.#clock.now() - when);
    this.#hearPong(answered);
  }

  // -- the end -------------------------------------------------------------------------------------------------------

  #hearGoodbye(body) {
    const theirs = { code: body.readUInt16BE(), taken: body.readBigUInt64BE(2), reason: body.toString("utf8", 10) };
    this.#outbox.hearTaken(theirs.taken);
    this.#theirGoodbye = theirs;
    this.#begun = undefined;
    this.#stop("beat");
    this.#giveUp();
    this.#settle();
    if (this.#goodbyeSent) return this.#finish("closed");
    if (this.#goodbye) return this.#sayGoodbye();
    this.#timer("close", ANSWER_CLOSE, () => this.#answerGoodbye(true));
    return this.#answerGoodbye();
  }

  /** Answer the peer's goodbye when all that came before it has been taken, or when it is time. */
  #answerGoodbye(now = false) {
    if (!this.#theirGoodbye || this.#goodbye || (this.#inbox.length && !now)) return;
    this.#answered = true;
    this.#goodbye = { code: Code.OK, reason: "" };
    this.#sayGoodbye();
  }

  /** Throw away what the program will not take any more, and what it will not hear. */
  #discard() {
    for (const { cost } of this.#inbox.splice(0)) this.#free(cost);
    if (this.#begun) this.#release();
    this.#asking.giveUp(this.#unable());
    this.#answering.giveUp();
    this.#settle();
  }

  /** Send CLOSE, the last frame. */
  #sayGoodbye() {
    const { code, reason } = this.#goodbye;
    this.#goodbyeSent = true;
    this.#stop("beat");
    this.#write(frame(Kind.CLOSE, Buffer.concat([u16(code), u64(this.#taken), text(reason)])));
    if (this.#theirGoodbye && !this.#fault) this.#finish("closed");
  }

  /** There is no more time for what is queued, or for the peer's answer. */
  #hurry() {
    if (this.#goodbyeSent) return this.#lose("the peer did not answer the goodbye");
    this.#giveUp();
    this.#sayGoodbye();
    return this.#timer("close", CLOSE, () => this.#lose("the peer did not answer the goodbye"));
  }

  /** The peer broke the protocol: tell it, if it understands that much, and listen no more. */
  #violation(error) {
    if (this.#fault || this.#ending) return;
    this.#fault = error;
    if (!this.#goodbyeSent && !this.#input.stranger) {
      this.#goodbye = { code: error.code, reason: error.message };
      this.#sayGoodbye();
    }
    this.#finish("violation");
  }

  #cut(reason) {
    if (this.#input.stranger) this.#violation(new MezhaError(this.#input.missing()));
    else this.#lose(reason);
  }

  #lose(reason) {
    this.#finish("lost", reason);
    this.#stream.destroy();
  }

  /** Nothing that is queued goes out any more, and nothing that was asked is answered. */
  #giveUp() {
    const error = this.#unable();
    this.#neverSent += this.#outbox.clear(error);
    this.#asking.giveUp(error);
    this.#answering.giveUp();
    for (const { reject } of this.#pings.splice(0)) reject(error);
  }

  #finish(how, why) {
    if (this.#ending) return;
    for (const name of [...this.#timers.keys()]) this.#stop(name);
    const theirs = this.#theirGoodbye;
    let said = { code: Code.TIMEOUT, reason: why };
    if (how === "violation") said = { code: this.#fault.code, reason: this.#fault.message };
    // Of two goodbyes that crossed the larger code counts, so that both sides see the same.
    const byPeer = how === "closed" && (this.#answered || theirs.code > this.#goodbye.code);
    if (how === "closed") said = byPeer ? theirs : this.#goodbye;
    const { sent, delivered } = this.#outbox;
    this.#ending = { how, code: said.code, reason: said.reason, byPeer, sent, delivered };
    this.#giveUp();
    this.#ending.neverSent = this.#neverSent;
    this.#settle();
    if (how !== "lost") {
      this.#stream.end();
      // What the peer still sends is read and thrown away: a reset could take our last frame with it.
      this.#clock.after(LINGER, () => this.#stream.destroy());
    }
    this.#resolveClosed(this.#ending);
  }

  // -- time ----------------------------------------------------------------------------------------------------------

  #timer(name, ms, act) {
    this.#stop(name);
    this.#timers.set(name, this.#clock.after(ms, () => (this.#timers.delete(name), act())));
  }

  #stop(name) {
    this.#clock.cancel(this.#timers.get(name));
    this.#timers.delete(name);
  }

  /** A frame that has begun must be finished: in ten seconds, and one more for each KiB of it that has come. */
  #watchFrame() {
    if (!this.#theirs || this.#ending || this.#state === "CLOSED" || !this.#input.size) {
      this.#stop("frame");
      return;
    }
    const now = this.#clock.now();
    const { size, began } = this.#input.unfinished(now);
    const due = began + 10_000 + (size / 1024) * 1000;
    const late = new MezhaError("a frame was begun and not finished in time", Code.TIMEOUT);
    this.#timer("frame", due - now, () => this.#violation(late));
  }
}
