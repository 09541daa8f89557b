/** The short form of `npm run fuzz`: a fixed seed, 1,500 inputs of every kind, and that defects are seen as such. */
import { describe, expect, it } from 'vitest';

const SRC = new URL('../../src/', import.meta.url);
const INPUTS = 1_500;

/** The modules are JavaScript, since the long form runs without vitest: any here, on purpose. */
const load = async (name: string): Promise<any> => import(new URL(name, import.meta.url).href);

describe('damaged inputs', async () => {
  const [{ loadProduct }, { loadSeeds }, { inputOf }, { associations, createTargets }] = await Promise.all(
    ['product.js', 'seeds.js', 'inputs.js', 'targets.js'].map(load),
  );
  const product = await loadProduct(SRC, '.ts');
  const seeds = loadSeeds(product, process.env.CORPORA_DIR);
  const sent = associations(product);

  const run = async (targets: any, from: number, until: number): Promise<Record<string, number>> => {
    const became: Record<string, number> = {};
    for (let index = from; index < until; index += 1) {
      const { kind, bytes, random } = inputOf(7, index, seeds, sent);
      const outcome = await targets[kind](bytes, random).catch?.((error: unknown) => {
        throw new Error(`input ${index} of seed 7 (npm run fuzz -- --seed 7 --only ${index})`, { cause: error });
      });
      const name = `${kind} ${outcome ?? 'done'}`;
      became[name] = (became[name] ?? 0) + 1;
    }
    return became;
  };
  /** Targets whose faults name the input, whether they throw now or later. */
  const asynchronous = (targets: Record<string, (...args: any[]) => unknown>): any =>
    Object.fromEntries(
      Object.entries(targets).map(([name, target]) => [name, async (...args: any[]) => target(...args)]),
    );

  it('are taken or refused, each kind of both; nothing else is thrown, no byte and no reference is lost', async () => {
    const became = await run(asynchronous(createTargets(product)), 0, INPUTS);
    for (const kind of ['hl7v2', 'mllp', 'fhir', 'pdu', 'dicom']) {
      expect(became[`${kind} taken`], kind).toBeGreaterThan(0);
      expect(became[`${kind} refused`], kind).toBeGreaterThan(0);
    }
    expect(became['hl7v2 taken']).toBeGreaterThan(INPUTS / 10);
  });

  it('are the same for a seed and a number, and others for another', () => {
    const text = (seed: number, index: number): string => inputOf(seed, index, seeds, sent).bytes.toString('latin1');
    for (let index = 0; index < 50; index += 1) expect(text(3, index)).toBe(text(3, index));
    const different = Array.from({ length: 50 }, (_, index) => text(3, index) !== text(4, index));
    expect(different.filter(Boolean).length).toBeGreaterThan(45);
  });

  it.each([
    [
      'an error that is not the product’s own',
      {
        normalize: { ...product.normalize, outlineHl7v2: () => undefined },
        convert: { convertHl7v2: () => JSON.parse('not JSON') },
      },
    ],
    [
      'a tokenizer that loses a byte',
      {
        message: {
          parseHl7v2: (bytes: Buffer, charset: unknown) => {
            const message = product.message.parseHl7v2(bytes, charset);
            return { ...message, segments: message.segments.slice(1) };
          },
        },
      },
    ],
    [
      'a reference that leads nowhere',
      {
        convert: {
          convertHl7v2: () => ({
            issues: [],
            bundle: { entry: [{ fullUrl: 'urn:uuid:a', resource: { subject: { reference: 'urn:uuid:b' } } }] },
          }),
        },
      },
    ],
    ['frames that depend on the pieces', { frame: { MllpDecoder: decoderOfPieces() } }],
  ])('would show %s', async (_what, broken: any) => {
    const targets = asynchronous(createTargets({ ...product, ...broken }));
    await expect(run(targets, 0, 200)).rejects.toThrow('of seed 7');
  });
});

/** Takes every piece for a frame. */
function decoderOfPieces(): unknown {
  return class {
    buffered = 0;
    push(bytes: Buffer): object[] {
      return [{ kind: 'truncated', bytes: bytes.length }];
    }
    end(): object[] {
      return [];
    }
  };
}
