// The leanest clients that still check every answer: the load generator shares the machine with what it measures.
import { connect } from 'node:net';
import { encodeFrame } from '../dist/formats/hl7v2/mllp-frame.js';

const END_OF_HEAD = Buffer.from('\r\n\r\n');
const END_OF_FRAME = Buffer.from([0x1c, 0x0d]);

async function open(address) {
  const socket = connect(address);
  socket.setNoDelay(true);
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let waiting;
  let held = Buffer.alloc(0);
  const fail = (error) => {
    waiting?.reject(error);
    waiting = undefined;
  };
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the subject closed a connection')));
  return {
    socket,
    /** Writes, then gathers bytes until `complete` gives the length of the whole answer. */
    exchange: (bytes, complete) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.removeAllListeners('data');
        socket.on('data', (chunk) => {
          held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
          const length = complete(held);
          if (length === undefined || held.length < length) return;
          const answer = held.subarray(0, length);
          held = held.subarray(length);
          waiting = undefined;
          resolve(answer);
        });
        socket.write(bytes);
      }),
  };
}

/** One message in flight; anything but AA or CA is an error. */
export async function mllpConnection(address) {
  const { socket, exchange } = await open(address);
  const complete = (held) => {
    const end = held.indexOf(END_OF_FRAME);
    return end < 0 ? undefined : end + 2;
  };
  return {
    async exchange(message) {
      const answer = await exchange(encodeFrame(Buffer.from(message)), complete);
      if (!/\rMSA\|[AC]A\|/.test(answer.toString('latin1'))) throw new Error(`not accepted: ${answer}`);
      return answer.length;
    },
    close: () => socket.end(),
  };
}

/** One request in flight; anything but 200 is an error. Needs Content-Length in the answer. */
export async function httpConnection(address) {
  const { socket, exchange } = await open(address);
  const complete = (held) => {
    const end = held.indexOf(END_OF_HEAD);
    if (end < 0) return undefined;
    const length = /\r\ncontent-length: (\d+)/i.exec(held.toString('latin1', 0, end))?.[1];
    if (length === undefined) throw new Error('an answer without Content-Length');
    return end + 4 + Number(length);
  };
  return {
    async exchange(head) {
      const answer = await exchange(head, complete);
      if (answer.toString('latin1', 9, 12) !== '200')
        throw new Error(`not answered: ${answer.toString('utf8', 0, 600)}`);
      return answer.length;
    },
    close: () => socket.end(),
  };
}
