/**
 * An echo server: both sides of a connection are equal, so a peer can be made of what a server accepts.
 *
 *     node echo_server.mjs        prints the port
 */

import net from "node:net";

import { Peer } from "./mezha.mjs";

const server = net.createServer({ noDelay: true }, async (socket) => {
  const peer = new Peer(socket, { answer: (question) => Buffer.from(question).reverse() });
  try {
    for await (const message of peer) await peer.send(message);
    await peer.close();
  } catch (error) {
    console.error(error.message);
  }
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(server.address().port));
