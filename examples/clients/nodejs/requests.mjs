/** Questions and answers: which belongs to which, and how many there may be. */

import { Code, Kind, MezhaError, NAMES, PIECE, Pieces, bytes, text, u16, u32 } from "./wire.mjs";

/** The questions of this side. */
export class Asking {
  #outbox;
  #limit;
  #open = new Map(); // those that have gone out, and are not answered
  #bytes = 0;
  #line = []; // those for which the peer has no room yet
  #next = 1;
  #most = 16;
  #mostBytes = 65536;
  #met = false;

  /** `limit`: the largest answer taken. */
  constructor(outbox, limit) {
    this.#outbox = outbox;
    this.#limit = limit;
  }

  meet({ requests, requestBytes }, refusal) {
    this.#met = true;
    this.#most = requests;
    this.#mostBytes = requestBytes;
    for (const request of this.#line.splice(0)) {
      const error = refusal(request.size);
      if (error) request.reject(error);
      else this.#line.push(request);
    }
    this.#ask();
  }

  /** Ask; `request.reject` and `request.resolve` hear what comes of it. */
  ask(body, { resolve, reject }) {
    const request = { body, size: body.length, state: "WAITING", answer: new Pieces(), resolve, reject };
    this.#line.push(request);
    this.#ask();
    return request;
  }

  #ask() {
    while (this.#line.length && this.#open.size < this.#most) {
      const [request] = this.#line;
      if (this.#bytes + request.size > this.#mostBytes || (!this.#met && request.size > PIECE)) return;
      this.#line.shift();
      do {
        request.id = this.#next;
        this.#next = (this.#next + 1) % 2 ** 32;
      } while (this.#open.has(request.id));
      request.state = "ASKING";
      this.#open.set(request.id, request);
      this.#bytes += request.size;
      request.item = this.#outbox.talk(Kind.REQUEST, request.id, request.body, () => (request.state = "ASKED"));
      request.body = undefined;
    }
  }

  /** Wait for an answer no more. */
  cancel(request) {
    if (request.state === "WAITING") {
      this.#line = this.#line.filter((other) => other !== request);
    } else if (this.#open.get(request.id) !== request || request.state === "CANCELLED") {
      return;
    } else if (request.state === "ASKING" && this.#outbox.withdraw(request.item)) {
      this.#answered(request);
    } else {
      request.state = "CANCELLED";
      this.#outbox.control(Kind.CANCEL, u32(request.id));
    }
    this.#ask();
  }

  #answered(request) {
    this.#open.delete(request.id);
    this.#bytes -= request.size;
    this.#ask();
  }

  /** Take an answer, or a piece of one. */
  hear(kind, id, body) {
    const request = this.#open.get(id);
    if (!request || request.state === "ASKING") throw new MezhaError(`${NAMES[kind]} for ${id}, which nobody asked`);
    const wanted = request.state !== "CANCELLED";
    if (kind === Kind.FAILURE) {
      this.#answered(request);
      const reason = body.toString("utf8", 2) || "the request failed";
      if (wanted) request.reject(new MezhaError(reason, body.readUInt16BE()));
      return;
    }
    if (wanted) {
      request.answer.add(body);
      checkSize(request.answer.size, this.#limit, "an answer");
    }
    if (kind === Kind.REPLY_PART) {
      if (wanted) request.state = "ANSWERING";
      return;
    }
    this.#answered(request);
    if (wanted) request.resolve(request.answer.join());
  }

  /** Wait for no answer any more. Those that are on their way may still come. */
  giveUp(error) {
    for (const { reject } of [...this.#open.values(), ...this.#line]) reject(error);
    for (const request of this.#open.values()) request.state = "CANCELLED";
    this.#line = [];
  }
}

/** The questions of the peer. Each has its place until its answer has been given to the stream. */
export class Answering {
  /** This side says nothing more. */
  over = false;
  #outbox;
  #ours;
  #answer;
  #asked; // the largest answer that the asker takes
  #pump;
  #open = new Map();
  #bytes = 0;

  /** `answer(question, {id, signal})` is the program's, if it has one; `pump` is called when something is to go out. */
  constructor(outbox, ours, answer, pump) {
    this.#outbox = outbox;
    this.#ours = ours;
    this.#answer = answer;
    this.#pump = pump;
  }

  meet({ maxMessage }) {
    this.#asked = maxMessage;
  }

  /** Take a question, or a piece of one. */
  hear(kind, id, body) {
    const { requests, requestBytes, maxMessage } = this.#ours;
    let request = this.#open.get(id);
    if (request && request.state !== "ASKING") throw new MezhaError(`${NAMES[kind]} for ${id}: it is ${request.state}`);
    const inOne = !request && kind === Kind.REQUEST;
    if (!request) {
      if (this.#open.size >= requests) throw new MezhaError(`more than ${requests} requests`);
      request = { id, state: "ASKING", question: new Pieces(), size: 0, abort: new AbortController() };
      this.#open.set(id, request);
    }
    request.size += body.length;
    this.#bytes += body.length;
    if (this.#bytes > requestBytes) throw new MezhaError(`more than ${requestBytes} bytes of requests`);
    if (inOne && body.length > maxMessage) {
      request.state = "ASKED"; // it may have been sent before the limit was known
      return this.#fail(request, Code.TOO_LARGE, `at most ${maxMessage} bytes are taken`);
    }
    request.question.add(body);
    checkSize(request.question.size, maxMessage, "a request");
    if (kind === Kind.REQUEST_PART) return undefined;
    request.state = "ASKED";
    if (!this.#answer) return this.#fail(request, Code.NO_HANDLER, "requests are not answered here");
    return this.over ? undefined : this.#work(request);
  }

  async #work(request) {
    const { id, abort } = request;
    try {
      const answer = bytes(await this.#answer(request.question.join(), { id, signal: abort.signal }));
      if (answer.length > this.#asked) throw new MezhaError("the answer is too large", Code.TOO_LARGE);
      this.#reply(request, Kind.REPLY, answer);
    } catch (error) {
      const meant = error instanceof MezhaError; // anything else is not for the peer
      if (abort.signal.aborted) this.#fail(request, Code.CANCELLED, "");
      else this.#fail(request, meant ? error.code : Code.HANDLER_FAILED, meant ? error.message : "the handler failed");
    }
    this.#pump();
  }

  #fail(request, code, reason) {
    this.#reply(request, Kind.FAILURE, Buffer.concat([u16(code), text(reason)]));
  }

  #reply(request, kind, body) {
    if (this.over || request.replied) return;
    request.replied = true;
    this.#outbox.talk(kind, request.id, body, () => {
      this.#open.delete(request.id);
      this.#bytes -= request.size;
    });
  }

  /** The peer does not wait for this answer any more. */
  cancel(id) {
    const request = this.#open.get(id);
    if (!request || request.replied) return; // it has crossed the answer
    if (request.state === "CANCELLED") throw new MezhaError(`CANCEL for ${id}, which is CANCELLED`);
    const unfinished = request.state === "ASKING";
    request.state = "CANCELLED";
    if (unfinished) this.#fail(request, Code.CANCELLED, "");
    else request.abort.abort();
  }

  giveUp() {
    this.over = true;
    for (const { abort } of this.#open.values()) abort.abort();
  }
}

export function checkSize(size, limit, what) {
  if (size > limit) throw new MezhaError(`${what} of ${size} bytes or more: at most ${limit} are taken`, Code.TOO_LARGE);
}
