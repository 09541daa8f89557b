import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { MLLP_FRAME_END_MS } from '../../../src/core/limits.ts';
import { silentLog } from '../../../src/core/log.ts';
import { connectMllp, type MllpClient } from '../../../src/clients/mllp.ts';
import { expectedAnswers, parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { encodeFrame, MllpDecoder } from '../../../src/formats/hl7v2/mllp-frame.ts';
import { startMllpListener, type MllpListener } from '../../../src/edge/mllp/listener.ts';
import { MLLP_DEFAULTS, type MllpSettings } from '../../../src/edge/mllp/settings.ts';
import { acceptHl7v2, refuseHl7v2 } from '../../../src/services/accept-hl7v2.ts';
import { fakeWriter, serviceDeps, type FakeWriter } from '../../support/hl7v2-writer.ts';
import { oru } from '../../support/hl7v2.ts';

const message = (id: string): Buffer => Buffer.from(oru({ controlId: id, obx: ['OBX|1|NM|1^A^L||1||||||F'] }));

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(
  over: Partial<MllpSettings> = {},
  writer: FakeWriter = fakeWriter(),
): Promise<{ listener: MllpListener; writer: FakeWriter; incidents: string[] }> {
  const incidents: string[] = [];
  const deps = serviceDeps(writer);
  const listener = await startMllpListener(
    {
      accept: (bytes) => acceptHl7v2(deps, bytes),
      refuse: (head, error) => refuseHl7v2(deps, head, error),
      log: silentLog,
      observe: (incident) => incidents.push(incident),
    },
    { ...MLLP_DEFAULTS, host: '127.0.0.1', port: 0, ...over },
  );
  closers.push(() => listener.close());
  return { listener, writer, incidents };
}

async function client(listener: MllpListener): Promise<MllpClient> {
  const opened = await connectMllp({ host: '127.0.0.1', port: listener.port, timeoutMs: 10_000 });
  closers.push(() => opened.close());
  return opened;
}

async function raw(
  listener: MllpListener,
): Promise<{ socket: Socket; answers: string[]; closed: Promise<unknown>; next: (count: number) => Promise<void> }> {
  const socket = connect(listener.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => {});
  const decoder = new MllpDecoder(1_000_000);
  const answers: string[] = [];
  socket.on('data', (chunk: Buffer) => {
    for (const event of decoder.push(chunk)) if (event.kind === 'frame') answers.push(String(event.bytes));
    socket.emit('answer');
  });
  closers.push(() => void socket.destroy());
  return {
    socket,
    answers,
    // `once` would reject where the listener resets the connection.
    closed: new Promise((resolve) => socket.once('close', resolve)),
    async next(count) {
      while (answers.length < count) await once(socket, 'answer');
    },
  };
}

const codes = (answers: readonly string[]): string[] =>
  answers.map((answer) => parseAck(Buffer.from(answer))).map((ack) => `${ack?.code} ${ack?.controlId}`);

describe('MLLP listener', () => {
  it('answers message after message on one connection, in order', async () => {
    const { listener } = await start();
    const sender = await client(listener);
    for (const id of ['A', 'B', 'C'])
      expect(parseAck(await sender.send(message(id)))).toMatchObject({ code: 'AA', controlId: id });
  });

  it('takes several messages of one packet one at a time', async () => {
    const writer = fakeWriter();
    let inFlight = 0;
    let most = 0;
    writer.behave = async () => {
      most = Math.max(most, ++inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight--;
    };
    const { listener } = await start({}, writer);
    const { socket, answers, next } = await raw(listener);
    const ids = Array.from({ length: 20 }, (_, i) => `M${i}`);
    socket.write(Buffer.concat(ids.map((id) => encodeFrame(message(id)))));
    await next(20);
    expect(codes(answers)).toEqual(ids.map((id) => `AA ${id}`));
    expect(most).toBe(1);
  });

  it.each(['\u001c', '\v'])(
    'trap: a message with %j inside is taken whole, in one piece or cut behind it',
    async (byte) => {
      const { listener, writer } = await start();
      const { socket, answers, next } = await raw(listener);
      const bytes = Buffer.from(`${oru({ controlId: 'F', obx: [`OBX|1|ST|1^A^L||a${byte}b||||||F`] })}`);
      const frame = Buffer.concat([Buffer.of(0x0b), bytes, Buffer.of(0x1c, 0x0d)]);
      const cut = frame.indexOf(byte, 1) + 1;
      socket.write(frame.subarray(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(frame.subarray(cut));
      await next(1);
      socket.write(frame);
      await next(2);
      expect(codes(answers)).toEqual(['AA F', 'AA F']);
      // The second is known as a resend: it was as whole as the first.
      expect(writer.submissions.map(({ raw: kept }) => kept?.bytes.equals(bytes))).toEqual([true]);
    },
  );

  it('trap: a message with an FS inside is taken whole when it waits for the one before it', async () => {
    const writer = fakeWriter();
    let release: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      writer.behave = () => {
        resolve();
        return new Promise((done) => (release = done));
      };
    });
    const { listener } = await start({}, writer);
    const { socket, answers, next } = await raw(listener);
    const bytes = Buffer.from(oru({ controlId: 'F', obx: ['OBX|1|ST|1^A^L||a\u001cb||||||F'] }));
    const frame = Buffer.concat([Buffer.of(0x0b), bytes, Buffer.of(0x1c, 0x0d)]);
    const cut = frame.indexOf(0x1c) + 1;
    socket.write(Buffer.concat([encodeFrame(message('A')), frame.subarray(0, cut)]));
    await begun;
    socket.write(frame.subarray(cut));
    // Longer than the listener waits for more behind an FS: the rest is there all the time, only not read.
    await sleep(3 * MLLP_FRAME_END_MS);
    writer.behave = undefined;
    release();
    await next(2);
    expect(codes(answers)).toEqual(['AA A', 'AA F']);
    expect(writer.submissions[1]?.raw?.bytes.equals(bytes)).toBe(true);
  });

  it('trap: partial frames, NULs and line ends between, doubled VT, FS without CR', async () => {
    const { listener } = await start();
    const { socket, answers, next } = await raw(listener);
    const frame = encodeFrame(message('P'));
    socket.write(Buffer.concat([Buffer.from('\0\r\n\x0b'), frame.subarray(0, 30)]));
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(frame.subarray(30, frame.length - 1));
    await next(1);
    socket.write(Buffer.concat([Buffer.from('\r\n\0'), encodeFrame(message('Q'))]));
    await next(2);
    expect(codes(answers)).toEqual(['AA P', 'AA Q']);
  });

  it('trap: truncated frames are discarded, never merged', async () => {
    const { listener, writer } = await start();
    const { socket, answers, next } = await raw(listener);
    const frame = encodeFrame(message('X'));
    socket.write(Buffer.concat([frame.subarray(0, 60), encodeFrame(message('Y'))]));
    await next(1);
    expect(codes(answers)).toEqual(['AA Y']);
    expect(writer.submissions).toHaveLength(1);
  });

  it('trap: half-close: a sender that has said all still gets its answer', async () => {
    const { listener } = await start();
    const { socket, answers, closed } = await raw(listener);
    socket.end(encodeFrame(message('H')));
    await closed;
    expect(codes(answers)).toEqual(['AA H']);
  });

  it('answers bad messages and goes on', async () => {
    const { listener, writer } = await start();
    const sender = await client(listener);
    expect(parseAck(await sender.send(Buffer.from('garbage')))?.code).toBe('AE');
    expect(parseAck(await sender.send(Buffer.from('MSH|^~\\&|A|B|C|D|2026||QBP^Q11|S1|P|3.0\r')))).toMatchObject({
      code: 'AR',
      condition: '203',
    });
    writer.behave = () => Promise.reject(new Error('down'));
    expect(parseAck(await sender.send(message('D')))?.code).toBe('AE');
    writer.behave = undefined;
    expect(parseAck(await sender.send(message('D')))?.code).toBe('AA');
  });

  it('a message beyond the limit is AR, and the connection goes on', async () => {
    const { listener } = await start({ maxMessageBytes: 1000 });
    const sender = await client(listener);
    expect(parseAck(await sender.send(Buffer.concat([message('L'), Buffer.alloc(5000, 0x41)])))).toMatchObject({
      code: 'AR',
      controlId: 'L',
    });
    expect(parseAck(await sender.send(message('S')))?.code).toBe('AA');
  });

  it('answers a batch by a batch', async () => {
    const { listener } = await start();
    const sender = await client(listener);
    const answer = String(
      await sender.send(
        Buffer.concat([Buffer.from('BHS|^~\\&|A\r'), message('1'), message('2'), Buffer.from('BTS|2\r')]),
      ),
    );
    expect(answer.match(/MSA\|AA\|[12]/g)).toEqual(['MSA|AA|1', 'MSA|AA|2']);
  });

  it('counts what it discards: frames cut off by another or by the end of a connection, garbage, frames that are too large', async () => {
    const { listener, incidents } = await start({ maxMessageBytes: 1000 });
    const { socket, answers, next, closed } = await raw(listener);
    const frame = encodeFrame(message('A'));
    const large = encodeFrame(Buffer.concat([message('L'), Buffer.alloc(5000, 0x41)]));
    socket.write(Buffer.concat([Buffer.from('??'), frame.subarray(0, 50), frame, large, frame]));
    await next(3);
    expect(codes(answers)).toEqual(['AA A', 'AR L', 'AA A']);
    socket.end(frame.subarray(0, 80));
    await closed;
    while (listener.count() > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(incidents).toEqual(['truncated-frame', 'too-large', 'truncated-frame', 'garbage']);
    expect(listener.held()).toBe(0);
  });

  it('a sender that is faster than the commits waits, and its memory is its own', async () => {
    const writer = fakeWriter();
    let release: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      writer.behave = () => {
        resolve();
        return new Promise((done) => (release = done));
      };
    });
    const { listener } = await start({}, writer);
    const { socket, answers, next } = await raw(listener);
    const large = oru({ controlId: 'X', obx: [`OBX|1|TX|1^A^L||${'x'.repeat(8_000)}||||||F`] });
    const many = 4_000;
    for (let i = 0; i < many; i += 1) socket.write(encodeFrame(Buffer.from(large.replace('|X|', `|X${i}|`))));
    await begun;
    // 32 MB were sent; what the listener holds is one read.
    for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(listener.held()).toBeLessThan(200_000);
    expect(socket.writableLength).toBeGreaterThan(0);
    writer.behave = undefined;
    release();
    await next(many);
    expect(codes(answers)).toEqual(Array.from({ length: many }, (_, i) => `AA X${i}`));
  });

  it('a thousand connections: all are answered, and greedy ones take the memory that there is, not more', async () => {
    const room = 4 * 1024 * 1024;
    const { listener, incidents } = await start({ maxConnections: 1_000, maxBufferedBytes: room });
    const greedy = await Promise.all(Array.from({ length: 20 }, () => raw(listener)));
    // Frames without an end.
    for (const { socket } of greedy) socket.write(Buffer.concat([Buffer.from([0x0b]), Buffer.alloc(2_000_000, 0x41)]));
    while (incidents.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const others = await Promise.all(Array.from({ length: 980 }, () => raw(listener)));
    while (listener.count() < 1_000) await new Promise((resolve) => setImmediate(resolve));
    for (const [i, { socket }] of others.entries()) socket.write(encodeFrame(message(`C${i}`)));
    await Promise.all(others.map(({ next }) => next(1)));
    expect(others.map(({ answers }) => codes(answers))).toEqual(others.map((_, i) => [`AA C${i}`]));
    // What each may hold beyond the room: its share, and one read.
    expect(listener.held()).toBeLessThan(room + 20 * 2 * 64 * 1024);
    expect(new Set(incidents)).toEqual(new Set(['waits-for-room']));
    // Those that go make room for those that wait.
    for (const { socket } of greedy.slice(1)) socket.destroy();
    greedy[0].socket.write(Buffer.from('\x1c\r', 'latin1'));
    await greedy[0].next(1);
    expect(parseAck(Buffer.from(greedy[0].answers[0]))?.code).toBe('AE');
  });

  it('closes connections beyond the cap, idle ones, slow frames and full buffers', async () => {
    const { listener } = await start({ maxConnections: 1 });
    const first = await client(listener);
    const second = await raw(listener);
    await second.closed;
    expect(parseAck(await first.send(message('K')))?.code).toBe('AA');

    const idle = await start({ idleMs: 20 });
    await (
      await raw(idle.listener)
    ).closed;

    const slow = await start({ frameMs: 20 });
    const dripping = await raw(slow.listener);
    dripping.socket.write('\x0bMSH|');
    await dripping.closed;

    const full = await start({ maxBufferedBytes: 1000 });
    const greedy = await raw(full.listener);
    greedy.socket.write(Buffer.concat([Buffer.from([0x0b]), Buffer.alloc(5000, 0x41)]));
    await greedy.closed;
  });

  it('a peer that goes away in the middle ends nothing else', async () => {
    const { listener, writer } = await start();
    const { socket } = await raw(listener);
    let release: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      writer.behave = () => {
        resolve();
        return new Promise((done) => (release = done));
      };
    });
    socket.write(encodeFrame(message('G')));
    await begun;
    socket.destroy();
    release();
    writer.behave = undefined;
    expect(parseAck(await (await client(listener)).send(message('N')))?.code).toBe('AA');
  });

  it('close() answers the message in flight and begins no other', async () => {
    const { listener, writer } = await start();
    const { socket, answers, closed } = await raw(listener);
    let release: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      writer.behave = () => {
        resolve();
        return new Promise((done) => (release = done));
      };
    });
    socket.write(Buffer.concat([encodeFrame(message('1')), encodeFrame(message('2'))]));
    await begun;
    const closing = listener.close();
    release();
    await closing;
    await closed;
    expect(codes(answers)).toEqual(['AA 1']);
    expect(writer.submissions).toHaveLength(1);
    await expect(connectMllp({ host: '127.0.0.1', port: listener.port, timeoutMs: 10_000 })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it('close() cuts off what does not end in time', async () => {
    const { listener, writer } = await start({ drainMs: 20 });
    const { socket, closed } = await raw(listener);
    let release: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      writer.behave = () => {
        resolve();
        return new Promise((done) => (release = done));
      };
    });
    socket.write(encodeFrame(message('1')));
    await begun;
    const closing = listener.close();
    await closed;
    release();
    await closing;
  });
});

describe('enhanced mode', () => {
  const asking = (id: string, accept: string, application: string): Buffer =>
    Buffer.from(String(message(id)).replace('|P|2.5.1', `|P|2.5.1|||${accept}|${application}`));
  const CONDITIONS = ['AL', 'NE', 'ER', 'SU', ''];
  const PAIRS = CONDITIONS.flatMap((accept) => CONDITIONS.map((application) => [accept, application] as const));

  /** What table 0155 wants, said apart from the code under test. */
  function due(accept: string, application: string, ok: boolean): string[] {
    if (accept === '' && application === '') return [ok ? 'AA' : 'AE'];
    const wanted = (condition: string): boolean => condition === 'AL' || condition === (ok ? 'SU' : 'ER');
    if (!ok && wanted(accept)) return ['CE'];
    return [...(wanted(accept) ? ['CA'] : []), ...(wanted(application) ? [ok ? 'AA' : 'AE'] : [])];
  }

  it.each(PAIRS)(
    'MSH-15 %j, MSH-16 %j: a good message, its resend, a bad one, all in order',
    async (accept, application) => {
      const { listener, writer } = await start();
      const { socket, answers, next } = await raw(listener);
      const good = due(accept, application, true).map((code) => `${code} G`);
      const bad = due(accept, application, false).map((code) => `${code} B`);
      // Bytes that are not of its character set: only the sender can mend that.
      const broken = Buffer.from(String(asking('B', accept, application)).replace('Doe', 'Dö'), 'latin1');
      const frames = [asking('G', accept, application), asking('G', accept, application), broken, message('END')];
      socket.write(Buffer.concat(frames.map(encodeFrame)));
      const expected = [...good, ...good, ...bad, 'AA END'];
      await next(expected.length);
      expect(codes(answers)).toEqual(expected);
      // The resend has the stored answers, byte for byte.
      expect(answers.slice(good.length, 2 * good.length)).toEqual(answers.slice(0, good.length));
      expect(writer.submissions.map(({ control }) => control)).toEqual(['G', 'END']);
    },
  );

  it('no answer leaves before the message is committed', async () => {
    const writer = fakeWriter();
    let release: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      writer.behave = () => {
        resolve();
        return new Promise((done) => (release = done));
      };
    });
    const { listener } = await start({}, writer);
    const { socket, answers, next } = await raw(listener);
    socket.write(encodeFrame(asking('W', 'AL', 'AL')));
    await begun;
    await new Promise((resolve) => setImmediate(resolve));
    expect(answers).toEqual([]);
    release();
    await next(2);
    expect(codes(answers)).toEqual(['CA W', 'AA W']);
  });

  it('acknowledgements that come in are never answered and never kept', async () => {
    const { listener, writer } = await start();
    const { socket, answers, next } = await raw(listener);
    const ack = 'MSH|^~\\&|A|B|C|D|2026||ACK^R01^ACK|K1|P|2.5.1\rMSA|CA|X\r';
    const delayed = ack.replace('ACK^R01^ACK', 'MCF^R01');
    socket.write(Buffer.concat([Buffer.from(ack), Buffer.from(delayed), message('N')].map(encodeFrame)));
    await next(1);
    expect(codes(answers)).toEqual(['AA N']);
    expect(writer.submissions).toHaveLength(1);
  });

  it('a sender of ours waits for the application acknowledgement, and never takes it for the next answer', async () => {
    const { listener } = await start();
    const sender = await client(listener);
    for (const id of ['1', '2'])
      expect(parseAck(await sender.send(asking(id, 'AL', 'AL')))).toMatchObject({ code: 'AA', controlId: id });
    expect(parseAck(await sender.send(message('3')))).toMatchObject({ code: 'AA', controlId: '3' });
  });
});

describe('MLLP sender', () => {
  it('does not wait for an answer that the message does not ask for', async () => {
    const { listener, writer } = await start();
    const sender = await client(listener);
    const silent = Buffer.from(String(message('S')).replace('|P|2.5.1', '|P|2.5.1|||NE|NE'));
    expect(expectedAnswers(silent)).toBe(0);
    await sender.post(silent);
    expect(parseAck(await sender.send(message('T')))).toMatchObject({ code: 'AA', controlId: 'T' });
    expect(writer.submissions.map(({ control }) => control)).toEqual(['S', 'T']);
  });

  it('says when nobody listens and when no answer comes', async () => {
    await expect(connectMllp({ host: '127.0.0.1', port: 1, timeoutMs: 10_000 })).rejects.toMatchObject({
      code: 'unavailable',
    });
    const writer = fakeWriter();
    let release: () => void = () => {};
    writer.behave = () => new Promise((done) => (release = done));
    const { listener } = await start({}, writer);
    const sender = await connectMllp({ host: '127.0.0.1', port: listener.port, timeoutMs: 1_000 });
    await expect(sender.send(message('T'))).rejects.toMatchObject({ code: 'timeout' });
    await expect(sender.send(message('T'))).rejects.toMatchObject({ code: 'unavailable' });
    release();
  });
});
