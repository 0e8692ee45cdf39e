/**
 * Talk to a server of the mezha protocol that sends messages back, and asks and answers requests.
 *
 *     node demo.mjs 1898
 *     node demo.mjs /run/mezha.sock
 */

import { connect } from "./mezha.mjs";

const [place] = process.argv.slice(2);
const where = /^\d+$/.test(place) ? { host: "127.0.0.1", port: Number(place) } : { path: place };

const peer = await connect({
  ...where,
  agent: "demo.mjs",
  heartbeat: 2000,
  answer: (question) => `you asked ${question}`,
});

// messages, one by one
await peer.send("Hello!");
await peer.send("World!");
console.log(String(await peer.recv()), String(await peer.recv()));

// a large one, in pieces, which need not stand in memory; and a request that passes between them
async function* pieces() {
  for (let number = 0; number < 10; number++) yield Buffer.alloc(50_000, number);
}
const sending = peer.sendStream(pieces());
console.log(String(await peer.request("how are you?", { timeout: 5000 })));
await sending;
const large = await peer.recv();
console.log(large.length, large[0], large[499_999]);

// many requests at once, and one that nobody waits for
const answers = await Promise.all(Array.from({ length: 100 }, (_, number) => peer.request(`${number}`)));
console.log(answers.length, String(answers[99]));
await peer.request("something slow", { timeout: 50 }).catch((error) => console.log(error.message));
await peer.request("something impossible").catch((error) => console.log(error.message));

const milliseconds = await peer.ping();
console.log(milliseconds < 5000 ? "alive" : "slow");

const { how, code, delivered, neverSent } = await peer.close();
console.log(how, code, delivered, neverSent);
