import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { threadChannel, type Handlers, type ThreadChannel } from '../../../src/app/thread-channel.ts';
import { asGatewayError, GatewayError } from '../../../src/core/errors.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function pair(theirs: Handlers): { ours: ThreadChannel; posted: unknown[] } {
  const { port1, port2 } = new MessageChannel();
  closing.push(() => port1.close());
  const posted: unknown[] = [];
  const watched = {
    postMessage: (said: unknown, moved: readonly ArrayBuffer[]) => {
      posted.push(said);
      port1.postMessage(said, moved);
    },
    on: (event: 'message', listener: (said: never) => void) =>
      port1.on(event, (said: unknown) => listener(said as never)),
  };
  threadChannel(port2, theirs, asGatewayError);
  return { ours: threadChannel(watched as never, {}, asGatewayError), posted };
}

describe('threadChannel', () => {
  it('answers calls, each with its own result, and says what one turn says as one message', async () => {
    const { ours, posted } = pair({ double: (n: number) => 2 * n, later: async (n: number) => n + 1 });
    const results = await Promise.all([ours.call('double', 4), ours.call('later', 4), ours.call('double', 5)]);
    expect(results).toEqual([8, 5, 10]);
    expect(posted).toHaveLength(1);
  });

  it('carries a refusal over with its code and place, and what is none as internal', async () => {
    const { ours } = pair({
      refuse: () => {
        throw new GatewayError('storage-full', 'no room', { expression: 'MSH-10' });
      },
      fail: () => Promise.reject(new TypeError('secret')),
    });
    await expect(ours.call('refuse', 1)).rejects.toMatchObject({
      code: 'storage-full',
      message: 'no room',
      expression: 'MSH-10',
    });
    const failed = await ours.call('fail', 1).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'internal' });
    expect(String(failed)).not.toContain('secret');
  });

  it('moves buffers instead of copying them', async () => {
    const { ours } = pair({ length: (bytes: Uint8Array) => bytes.length });
    const bytes = new Uint8Array(64);
    await expect(ours.call('length', bytes, [bytes.buffer])).resolves.toBe(64);
    expect(bytes.length).toBe(0);
  });

  it('rejects what waits, and what comes later, once the other side is gone', async () => {
    const { ours } = pair({ never: () => new Promise(() => {}) });
    const waiting = ours.call('never', 1);
    ours.break(new GatewayError('unavailable', 'gone'));
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
    await expect(ours.call('never', 2)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
