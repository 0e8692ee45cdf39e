/** The bytes of the mezha protocol: frames and HELLO, written and read, and the states of a stream of frames. */

export const MAGIC = Buffer.from("8d4d5a480d0a1a0a", "hex");

/** The kinds of frames. */
export const Kind = Object.freeze({
  HELLO: 0, MESSAGE: 1, PART: 2, LAST: 3, DROP: 4, END: 5, REQUEST: 6, REQUEST_PART: 7, REPLY: 8, REPLY_PART: 9,
  FAILURE: 10, CANCEL: 11, CREDIT: 12, PING: 13, PONG: 14, ACK: 15, CLOSE: 16,
});
export const NAMES = Object.keys(Kind);

/** The codes of CLOSE, FAILURE and DROP. From 256 on they are the program's own. */
export const Code = Object.freeze({
  OK: 0, GOING_AWAY: 1, PROTOCOL_ERROR: 2, VERSION: 3, UNSUPPORTED: 4, TOO_LARGE: 5, TIMEOUT: 6, NO_HANDLER: 7,
  HANDLER_FAILED: 8, CANCELLED: 9, REFUSED: 10, INTERNAL: 11,
});

export const HEADER = 5;
export const PIECE = 65536;
export const ALLOWANCE = 65536n;
export const SMALLEST_WINDOW = 131072;
export const MOST_CREDIT = 2n ** 63n - 1n;
const TEXT = 1024;

/** The shortest and the longest body of each kind. */
const SIZES = [
  [0, 4096], [0, PIECE], [1, PIECE], [0, PIECE], [2, 2 + TEXT], [0, 0], [4, 4 + PIECE], [5, 4 + PIECE], [4, 4 + PIECE],
  [5, 4 + PIECE], [6, 6 + TEXT], [4, 4], [8, 8], [8, 8], [16, 16], [8, 8], [10, 10 + TEXT],
];

/** From the state of a stream and the kind of a frame to the next state; what is not here is a violation. */
export const STREAM = (() => {
  const always = ["REQUEST", "REQUEST_PART", "REPLY", "REPLY_PART", "FAILURE", "CANCEL", "CREDIT", "PING", "PONG"];
  const row = (state, steps) => {
    const all = { ...Object.fromEntries(always.map((name) => [name, state])), ...steps, CLOSE: "CLOSED" };
    return Object.fromEntries(Object.entries(all).map(([name, following]) => [Kind[name], following]));
  };
  return {
    GREETING: { [Kind.HELLO]: "OPEN" },
    OPEN: row("OPEN", { MESSAGE: "OPEN", PART: "MIDDLE", END: "ENDED" }),
    MIDDLE: row("MIDDLE", { PART: "MIDDLE", LAST: "OPEN", DROP: "OPEN" }),
    ENDED: row("ENDED", {}),
    CLOSED: {},
  };
})();

/** Everything that goes wrong, with the code it has on the wire, or had. */
export class MezhaError extends Error {
  constructor(reason, code = Code.PROTOCOL_ERROR) {
    super(reason);
    this.name = "MezhaError";
    this.code = code;
  }
}

/** The bytes that have arrived and are not yet a frame. */
export class Input {
  size = 0;
  stranger = false; // something else has come than the magic
  #chunks = [];
  #greeted = false;
  #began; // when the frame began that is not finished

  add(data) {
    this.#chunks.push(data);
    this.size += data.length;
  }

  /** Read the magic; return whether it has come. */
  magic() {
    if (this.#greeted) return true;
    const first = this.#first(Math.min(this.size, MAGIC.length));
    this.stranger = !first.equals(MAGIC.subarray(0, first.length));
    if (first.length < MAGIC.length) return false;
    if (this.stranger) throw new MezhaError(this.missing());
    this.#cut(MAGIC.length);
    this.#greeted = true;
    return true;
  }

  /** Say what is wrong with one that has not greeted. */
  missing() {
    if (this.#greeted) return "the peer did not finish its HELLO";
    const first = this.size ? this.#first(Math.min(this.size, MAGIC.length)).toString("latin1") : "";
    return `the peer does not speak the mezha protocol: it began with ${JSON.stringify(first)}`;
  }

  /** Cut a frame off, if one is whole; judge it by its first five bytes. */
  frame(state) {
    if (this.size < 4) return undefined;
    const length = this.#first(4).readUInt32BE();
    if (length === 0) throw new MezhaError("a frame of length 0");
    if (this.size < HEADER) return undefined;
    const kind = this.#first(HEADER)[4];
    if (kind >= SIZES.length) throw new MezhaError(`a frame of kind ${kind}`);
    if (state === "GREETING" && kind !== Kind.HELLO) throw new MezhaError(`${NAMES[kind]} before HELLO`);
    const size = length - 1;
    const [shortest, longest] = SIZES[kind];
    if (size < shortest || size > longest) throw new MezhaError(`a ${NAMES[kind]} frame with a body of ${size} bytes`);
    if (this.size < HEADER + size) return undefined;
    this.#began = undefined;
    return { kind, body: this.#cut(HEADER + size).subarray(HEADER) };
  }

  /** Return how much has come of a frame that is not finished, and when it began; what is left now began now. */
  unfinished(now) {
    this.#began ??= now;
    return { size: this.size, began: this.#began };
  }

  #first(size) {
    if (this.#chunks[0].length < size) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0].subarray(0, size);
  }

  #cut(size) {
    const data = this.#first(size);
    this.size -= size;
    if (size === this.#chunks[0].length) this.#chunks.shift();
    else this.#chunks[0] = this.#chunks[0].subarray(size);
    return data;
  }
}

/** Bytes that arrive in pieces, in one buffer that grows: pieces of one byte cost no more than their bytes. */
export class Pieces {
  size = 0;
  #buffer = Buffer.alloc(0);

  add(piece) {
    const size = this.size + piece.length;
    if (size > this.#buffer.length) {
      const larger = Buffer.alloc(this.size ? size * 2 : size);
      this.#buffer.copy(larger, 0, 0, this.size);
      this.#buffer = larger;
    }
    piece.copy(this.#buffer, this.size);
    this.size = size;
  }

  join() {
    return this.#buffer.subarray(0, this.size);
  }
}

export function encodeHello({ maxMessage, window, heartbeat, requests, requestBytes, agent }) {
  const value = (type, ...parts) => {
    const body = Buffer.concat(parts);
    return Buffer.concat([u16(type), u16(body.length), body]);
  };
  return Buffer.concat([
    value(1, Buffer.from([1])),
    value(2, u64(maxMessage)),
    value(3, u64(window)),
    value(4, u32(heartbeat)),
    value(5, u32(requests), u64(requestBytes)),
    ...(agent ? [value(7, Buffer.from(agent))] : []),
  ]);
}

/** The values of HELLO: the sizes of the integers in each, and what it means to leave it out. */
const VALUES = new Map([
  [2, { sizes: [8], missing: [1048576n] }],
  [3, { sizes: [8], missing: [131072n] }],
  [4, { sizes: [4], missing: [0n] }],
  [5, { sizes: [4, 8], missing: [16n, 65536n] }],
  [6, { sizes: [8], missing: [0n] }],
]);

export function decodeHello(body) {
  const values = new Map();
  const unknown = [];
  for (let place = 0; place < body.length; ) {
    if (place + 4 > body.length) throw new MezhaError("HELLO ends inside the head of a value");
    const type = body.readUInt16BE(place);
    const end = place + 4 + body.readUInt16BE(place + 2);
    if (end > body.length) throw new MezhaError("HELLO ends inside a value");
    const number = type & 0x7fff;
    if (values.has(number)) throw new MezhaError(`HELLO says value ${number} twice`);
    if (number >= 1 && number <= 7) values.set(number, body.subarray(place + 4, end));
    else if (type & 0x8000) unknown.push(type);
    place = end;
  }
  const versions = values.get(1);
  if (!versions) throw new MezhaError("HELLO names no versions");
  if (!versions.includes(1)) throw new MezhaError(`the peer speaks versions ${[...versions]}, not 1`, Code.VERSION);
  if (unknown.length) throw new MezhaError(`the peer insists on the unknown values ${unknown}`, Code.UNSUPPORTED);
  const numbers = [...VALUES].flatMap(([number, { sizes, missing }]) => {
    const value = values.get(number);
    if (!value) return missing;
    const whole = sizes.reduce((sum, size) => sum + size);
    if (value.length !== whole) throw new MezhaError(`value ${number} of HELLO has ${value.length} bytes, not ${whole}`);
    let place = 0;
    return sizes.map((size) => BigInt(`0x${value.subarray(place, (place += size)).toString("hex")}`));
  });
  const [maxMessage, window, heartbeat, requests, requestBytes] = numbers;
  const agent = values.get(7) ?? Buffer.alloc(0);
  const sound =
    versions.every((version, place) => version > (place ? versions[place - 1] : 0)) &&
    window >= BigInt(SMALLEST_WINDOW) && window <= MOST_CREDIT &&
    (heartbeat === 0n || heartbeat >= 1000n) &&
    requests >= 16n && requestBytes >= 65536n &&
    agent.length <= 64 && Buffer.from(agent.toString()).equals(agent);
  if (!sound) throw new MezhaError("HELLO has values that cannot be");
  return {
    maxMessage: Number(maxMessage), window, heartbeat: Number(heartbeat), requests: Number(requests),
    requestBytes: Number(requestBytes),
  };
}

export function frame(kind, body = Buffer.alloc(0)) {
  return Buffer.concat([u32(body.length + 1), Buffer.from([kind]), body]);
}

/** A text for people, cut between two characters where it is too long. */
export function text(words) {
  const whole = Buffer.from(words);
  let end = Math.min(whole.length, TEXT);
  while (end < whole.length && (whole[end] & 0xc0) === 0x80) end--;
  return whole.subarray(0, end);
}

/** What a program hands in as bytes. */
export function bytes(data) {
  if (typeof data === "string") return Buffer.from(data);
  if (data instanceof Uint8Array) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  throw new TypeError("a message is a string, a Buffer or a Uint8Array");
}

export function u16(number) {
  const data = Buffer.alloc(2);
  data.writeUInt16BE(number);
  return data;
}

export function u32(number) {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(number);
  return data;
}

export function u64(number) {
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE(BigInt(number));
  return data;
}
