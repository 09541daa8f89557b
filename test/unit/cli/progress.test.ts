import { expect, test } from 'vitest';
import { progressBar } from '../../../src/cli/progress.ts';

function terminal(isTTY: boolean) {
  const written: string[] = [];
  return { isTTY, columns: 60, write: (text: string) => written.push(text), written };
}

test('nothing is drawn where there is no terminal', () => {
  const stream = terminal(false);
  const bar = progressBar(stream, 2, () => 0);
  bar.update(2, 'x');
  bar.end();
  expect(stream.written).toEqual([]);
});

test('the bar fills, is not redrawn too often, always shows the end, and goes away', () => {
  const stream = terminal(true);
  let now = 0;
  const bar = progressBar(stream, 10, () => now);
  for (let done = 1; done <= 10; done += 1) {
    bar.update(done, 'messages');
    now += 10;
  }
  bar.end();
  expect(stream.written.length).toBeLessThan(6);
  expect(stream.written.at(-2)).toContain(`[${'#'.repeat(30)}] 10/10 messages`);
  expect(stream.written.at(-1)).toBe('\r\u001b[K');
  expect(Math.max(...stream.written.map((text) => text.length))).toBeLessThan(70);
});
