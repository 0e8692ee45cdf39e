/** What waits for the stream, and in which order it goes. */

import { ALLOWANCE, HEADER, Kind, MOST_CREDIT, MezhaError, PIECE, frame, text, u16, u32, u64 } from "./wire.mjs";

/** One message on its way; `more` adds to one whose end is not known yet. */
export class Outgoing {
  size;
  begun = false;
  #body;
  #whole;
  #dropped;
  #room = () => {};

  constructor(body, whole) {
    this.#body = body;
    this.#whole = whole;
    this.size = body.length;
    this.done = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.done.catch(() => {}); // whoever waits for it hears of it
  }

  more(piece) {
    this.#body = Buffer.concat([this.#body, piece]);
    this.size += piece.length;
  }

  finish() {
    this.#whole = true;
  }

  drop(code) {
    this.#dropped = code;
  }

  /** Resolves when there is room for more, or when nothing of it goes out any more. */
  async room() {
    if (this.#body.length >= PIECE) await Promise.race([new Promise((resolve) => (this.#room = resolve)), this.done]);
  }

  /** Return the next frame and what it costs, or nothing if none can be made yet; `last` says that it is the last. */
  next() {
    if (this.#dropped !== undefined) {
      const data = this.begun ? frame(Kind.DROP, Buffer.concat([u16(this.#dropped), text("it was given up")])) : null;
      return { data, cost: 0n, last: true, dropped: true };
    }
    const last = this.#whole && this.#body.length <= PIECE;
    if (!last && this.#body.length < PIECE) return null;
    const piece = this.#body.subarray(0, PIECE);
    const kind = last ? (this.begun ? Kind.LAST : Kind.MESSAGE) : Kind.PART;
    return { data: frame(kind, piece), cost: BigInt(HEADER + piece.length), last, size: piece.length };
  }

  /** The frame that `next` returned has gone. */
  gone({ size, last, dropped }) {
    this.begun = true;
    if (dropped) return;
    this.#body = this.#body.subarray(size);
    if (last) this.resolve();
    else this.#room();
  }
}

export class Outbox {
  /** Messages that have gone, to the last byte. */
  sent = 0;
  /** Of those, what the peer's program has taken, as far as the peer has said so. */
  delivered = 0;
  /** Bytes of messages that the peer still takes. */
  credit = ALLOWANCE;
  #control = []; // frames that go before all others
  #pong = null; // the answer to the latest PING, which answers those before as well
  #talk = []; // questions and answers, each with what is left of it
  #messages = []; // messages, and END
  #turn = false;
  #met = false; // the peer's HELLO has been read

  /** Note what the peer grants at first. Messages that it does not take are refused. */
  meet(window, refusal) {
    this.#met = true;
    this.credit += window - ALLOWANCE;
    this.#messages = this.#messages.filter((message) => {
      const error = message === END || message.begun ? null : refusal(message.size);
      if (error) message.reject(error);
      return !error;
    });
  }

  grant(more) {
    if (more === 0n) throw new MezhaError("CREDIT of 0");
    this.credit += more;
    if (this.credit > MOST_CREDIT) throw new MezhaError("more credit than there can be");
  }

  /** Send a frame before all that waits; `gone` is called when it has gone. */
  control(kind, body, gone) {
    this.#control.push({ data: frame(kind, body), gone });
  }

  pong(token, taken) {
    this.#pong = { data: frame(Kind.PONG, Buffer.concat([token, u64(taken)])) };
  }

  /** Note how many messages the peer says that its program has taken. */
  hearTaken(taken) {
    if (taken > BigInt(this.sent)) throw new MezhaError("more messages were taken than were sent");
    if (taken < BigInt(this.delivered)) throw new MezhaError("fewer messages were taken than before");
    this.delivered = Number(taken);
  }

  /** Send a question or an answer, in pieces if need be. */
  talk(kind, id, body, gone) {
    const item = { kind, id, body, place: 0, gone };
    this.#talk.push(item);
    return item;
  }

  /** Take a question back; return whether nothing of it has gone. */
  withdraw(item) {
    this.#talk = this.#talk.filter((other) => other !== item);
    return item.place === 0 && !item.done;
  }

  message(outgoing) {
    this.#messages.push(outgoing);
  }

  end() {
    this.#messages.push(END);
  }

  get empty() {
    return !this.#pong && !this.#control.length && !this.#talk.length && !this.#messages.length;
  }

  /** Forget everything; return how many messages will not go. */
  clear(error) {
    this.#pong = null;
    this.#control = [];
    this.#talk = [];
    const messages = this.#messages.splice(0).filter((message) => message !== END);
    for (const message of messages) message.reject(error);
    return messages.length;
  }

  /** Return the next frame, or nothing: first what is urgent, then questions and answers and messages, in turns. */
  next() {
    const urgent = this.#pong ?? this.#control.shift();
    if (urgent === this.#pong) this.#pong = null;
    if (urgent) return urgent;
    this.#turn = !this.#turn;
    return this.#turn ? (this.#nextTalk() ?? this.#nextMessage()) : (this.#nextMessage() ?? this.#nextTalk());
  }

  #nextTalk() {
    const item = this.#talk.shift();
    if (!item) return undefined;
    const { id, gone } = item;
    if (item.kind === Kind.FAILURE) return { data: frame(item.kind, Buffer.concat([u32(id), item.body])), gone };
    const piece = item.body.subarray(item.place, item.place + PIECE);
    item.place += piece.length;
    item.done = item.place === item.body.length;
    if (!item.done) this.#talk.push(item); // the others have their turn
    const kind = item.done ? item.kind : item.kind + 1; // REQUEST_PART and REPLY_PART stand behind REQUEST and REPLY
    return { data: frame(kind, Buffer.concat([u32(id), piece])), gone: item.done ? gone : undefined };
  }

  #nextMessage() {
    const [message] = this.#messages;
    if (message === undefined) return undefined;
    if (message === END) {
      this.#messages.shift();
      return { data: frame(Kind.END) };
    }
    const next = message.next();
    if (!next || next.cost > this.credit) return undefined;
    if (!this.#met && !next.last) return undefined; // pieces wait for the peer's HELLO
    this.credit -= next.cost;
    if (next.last) {
      this.#messages.shift();
      if (!next.dropped) this.sent++;
    }
    if (!next.data) return this.#nextMessage();
    return { data: next.data, gone: () => message.gone(next) };
  }
}

const END = Symbol("END");
