// `npm run bench:large`: what a large message costs others. One connection sends a 5 MB result of 31,000 OBX, then a 20 MB letter
// (a PDF in an MDM), to the running product, while another sends ordinary results one after another: their times before and
// meanwhile are compared. Prints a table; `--json FILE` keeps the figures. One in flight on each connection.
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { sampleOru } from '../dist/cli/samples/hl7v2.js';
import { makeSourceProfile } from '../dist/normalize/hl7v2/source-profile.js';
import { normalizeHl7v2 } from '../dist/normalize/hl7v2/normalize.js';
import { parseHl7v2 } from '../dist/formats/hl7v2/message.js';
import { mllpConnection } from './connections.js';
import { startSubject } from './subject.js';

const { values } = parseArgs({
  options: {
    results: { type: 'string', default: '31000' },
    megabytes: { type: 'string', default: '20' },
    json: { type: 'string' },
  },
});

const head = (type, control) => `MSH|^~\\&|LAB|STMARY|GW|STMARY|20250314120000+0100||${type}|${control}|P|2.5.1`;
const person = (n) => `PID|1||LARGE-${n}^^^^MR||Muster^Erika||19700101|F`;

/** A result of so many OBX below one order: some 165 bytes each. */
function largeResult(n, results) {
  const obx = Array.from(
    { length: results },
    (_, i) =>
      `OBX|${i + 1}|NM|${10_000 + (i % 900)}-${i % 10}^Analyte number ${i % 900} in serum or plasma^LN|${i}|${(i % 997) / 10}|mg/dL^milligram per decilitre^UCUM|3.5-75.1|N|||F|||20250314110000+0100`,
  );
  const order = `OBR|1|LP-${n}^EHR|LF-${n}^LAB|24323-8^Panel^LN|||20250314110000+0100|||||||||||||||20250314115000+0100||LAB|F`;
  return Buffer.from([head('ORU^R01^ORU_R01', `L${n}`), person(n), order, ...obx, ''].join('\r'));
}

/** A letter with a document of so many bytes of base64. */
function letter(n, bytes) {
  const pdf = Buffer.alloc(Math.floor((bytes * 3) / 4), `page ${n} of a scanned letter `);
  for (let i = 0; i < pdf.length; i += 7) pdf[i] = (i * 2_654_435_761) >>> 24;
  const txa = `TXA|1|DS|AP|20250314||20250314100000||||||LD-${n}^EHR||||f.pdf|AU||AV`;
  const obx = `OBX|1|ED|18842-5^Discharge summary^LN||^AP^PDF^Base64^${pdf.toString('base64')}||||||F`;
  return Buffer.from([head('MDM^T02^MDM_T02', `D${n}`), person(n), txa, obx, ''].join('\r'));
}

/** Seconds of tokenizer and conversion alone, the best of three. */
function conversionSeconds(message) {
  const profile = makeSourceProfile({ name: 'bench', charset: 'UNICODE UTF-8', assigner: 'https://bench.example/ids' });
  const times = [0, 1, 2].map(() => {
    const startedAt = performance.now();
    normalizeHl7v2(parseHl7v2(message, profile), profile, Date.now());
    return (performance.now() - startedAt) / 1000;
  });
  return Math.min(...times);
}

const at = (times, share) =>
  times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))];
const round = (value) => Math.round(value * 10) / 10;
const summary = (times) => ({
  messages: times.length,
  p50: round(at(times, 0.5)),
  p99: round(at(times, 0.99)),
  max: round(Math.max(...times)),
});

/** Peak resident memory of a process, MB (Linux). */
function peakMb(pid) {
  try {
    return Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
  } catch {
    return undefined;
  }
}

process.env.HL7_MAX_MESSAGE_BYTES ??= String(64 * 1024 * 1024);
const subject = await startSubject('gateway', { profileDir: '' });
const report = [];
try {
  const [large, other] = await Promise.all([mllpConnection(subject.mllp), mllpConnection(subject.mllp)]);
  let next = 1_000_000;
  let stop = false;
  const ordinary = async (times, enough) => {
    while (!stop && times.length < enough) {
      const startedAt = performance.now();
      await other.exchange(sampleOru(next++));
      times.push(performance.now() - startedAt);
    }
  };
  await ordinary([], 300);
  const kinds = [
    ['result', () => largeResult(1, Number(values.results))],
    ['result again', () => largeResult(2, Number(values.results))],
    ['letter', () => letter(3, Number(values.megabytes) * 1024 * 1024)],
    ['letter again', () => letter(4, Number(values.megabytes) * 1024 * 1024)],
  ];
  for (const [name, make] of kinds) {
    const message = make();
    const before = [];
    await ordinary(before, 200);
    const meanwhile = [];
    stop = false;
    const others = ordinary(meanwhile, Infinity);
    const startedAt = performance.now();
    await large.exchange(message);
    const seconds = (performance.now() - startedAt) / 1000;
    stop = true;
    await others;
    stop = false;
    report.push({
      name,
      bytes: message.length,
      conversionSeconds: Math.round(conversionSeconds(message) * 1000) / 1000,
      acknowledgedSeconds: Math.round(seconds * 100) / 100,
      before: summary(before),
      meanwhile: summary(meanwhile),
      peakMb: peakMb(subject.pid),
    });
    console.log(JSON.stringify(report.at(-1)));
  }
  large.close();
  other.close();
} finally {
  await subject.stop();
}
console.table(
  report.map(
    ({ name, bytes, conversionSeconds: conversion, acknowledgedSeconds, before, meanwhile, peakMb: peak }) => ({
      message: name,
      MB: round(bytes / 1e6),
      'converted s': conversion,
      'acknowledged s': acknowledgedSeconds,
      'others p50/p99/max ms before': `${before.p50} / ${before.p99} / ${before.max}`,
      meanwhile: `${meanwhile.p50} / ${meanwhile.p99} / ${meanwhile.max}`,
      'peak MB': peak,
    }),
  ),
);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
