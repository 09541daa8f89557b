import { Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { EXIT } from '../../../src/cli/command.ts';
import { openTerminal, OutputClosed } from '../../../src/cli/terminal.ts';

function failing(code: string): Writable {
  return new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })),
  });
}

function collecting(): { readonly stream: Writable; text(): string } {
  let text = '';
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString();
      done();
    },
  });
  return { stream, text: () => text };
}

it('ends a command that only prints when its reader has gone, with the code of SIGPIPE', async () => {
  const errors = collecting();
  const { out, exitCode } = openTerminal(failing('EPIPE'), errors.stream, true);
  out('first');
  await setImmediate();
  expect(() => out('second')).toThrow(OutputClosed);
  expect([exitCode(EXIT.ok), errors.text()]).toEqual([EXIT.unread, '']);
});

it('lets a command that changes something go on without a reader', async () => {
  const { out, exitCode } = openTerminal(failing('EPIPE'), collecting().stream, false);
  out('first');
  await setImmediate();
  expect(() => out('second')).not.toThrow();
  expect([exitCode(EXIT.ok), exitCode(EXIT.unavailable)]).toEqual([EXIT.ok, EXIT.unavailable]);
});

it('never calls output that a full disk has swallowed a success', async () => {
  const errors = collecting();
  const { out, exitCode } = openTerminal(failing('ENOSPC'), errors.stream, false);
  out('first');
  await setImmediate();
  expect([exitCode(EXIT.ok), exitCode(EXIT.unread), exitCode(EXIT.config)]).toEqual([
    EXIT.failed,
    EXIT.failed,
    EXIT.config,
  ]);
  expect(errors.text()).toMatch(/^anamnesis: standard output could not be written[^\n]*\n$/);
});
