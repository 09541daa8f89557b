// What is done with an input, and what must hold of it. A target returns what became of the input (`taken` or `refused`); it
// throws when the product is at fault.
import assert from 'node:assert/strict';

const RECEIVED_AT = Date.parse('2026-06-01T12:00:00Z');
const BASE = 'https://gateway.example/fhir';
/** A message of the MLLP target may have so many bytes. */
const FRAME_BYTES = 200_000;

/** `{ hl7v2, mllp, fhir, dicom, pdu }`: each takes (bytes, random). */
export function createTargets(product) {
  const { GatewayError } = product.errors;
  const profile = product.profile.makeSourceProfile({
    name: 'fuzz',
    charset: 'UNICODE UTF-8',
    assigner: 'https://hospital.example/ids',
  });

  /** Undefined for what the product refuses in its own words; anything else thrown is passed on. */
  const unlessRefused = (run) => {
    try {
      return { value: run() };
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || thrown.form.http >= 500) throw thrown;
      assert.ok(thrown.message.length > 0 && thrown.message.length < 400);
      return undefined;
    }
  };

  const acknowledge = (bytes) => {
    const header = product.ack.ackHeader(bytes);
    const error = new GatewayError('invalid-syntax', 'a test', { expression: 'OBX[2]-5.1' });
    for (const parts of [{}, { error }]) {
      const text = product.ack.buildAck({ header, now: RECEIVED_AT, random: product.random.systemRandom, ...parts });
      if (text === undefined) continue;
      for (const answer of product.ack.splitAnswers(text)) {
        assert.ok(!answer.includes('\x0b') && !answer.includes('\x1c'), 'an answer would break its frame');
        assert.ok(product.ack.parseAck(Buffer.from(answer)) !== undefined, 'an answer cannot be read');
      }
    }
  };

  /** The tokenizer loses nothing: parts joined are the text, and the text encoded is the bytes. */
  const checkRoundTrip = (message) => {
    const { bytes, text, charset, segments, delimiters } = message;
    assert.equal(message.lead + segments.map((segment) => segment.text + segment.terminator).join(''), text);
    for (const segment of segments) {
      const isHeader = ['MSH', 'FHS', 'BHS'].includes(segment.id);
      const fields = Array.from({ length: segment.fieldCount }, (_, i) => segment.field(i + 1));
      const joined = isHeader
        ? segment.text.slice(0, 3) +
          (segment.fieldCount > 1 ? delimiters.field + fields.slice(1).join(delimiters.field) : '')
        : [segment.text.split(delimiters.field)[0], ...fields].join(delimiters.field);
      assert.equal(joined, segment.text);
    }
    // Sequences that switch the character set are not in the text.
    const maySwitch = ['\u001b', '\\C', '\\M'].some((begin) => bytes.includes(begin));
    if (charset === 'utf-8' || (charset === 'ascii' && !maySwitch)) {
      const mark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
      assert.ok(Buffer.from(text).equals(bytes.subarray(mark)), 'the text is not the bytes');
    }
  };

  const convert = (bytes) => {
    acknowledge(bytes);
    const parsed = unlessRefused(() => product.message.parseHl7v2(bytes, profile));
    if (parsed === undefined) return 'refused';
    checkRoundTrip(parsed.value);
    unlessRefused(() => product.normalize.outlineHl7v2(parsed.value, profile, RECEIVED_AT));
    const converted = unlessRefused(() => product.convert.convertHl7v2(bytes, profile, RECEIVED_AT));
    if (converted === undefined) return 'refused';
    const { bundle, issues } = converted.value;
    checkReferences(bundle);
    const [issue] = issues;
    assert.equal(
      issue,
      undefined,
      `not valid R4: ${issue?.expression.replaceAll(/\[\d+\]/g, '')}: ${issue?.diagnostics}`,
    );
    return 'taken';
  };

  const hl7v2 = (bytes) => {
    const { messages } = product.batch.splitBatch(bytes);
    if (messages.length <= 1) return convert(bytes);
    const became = messages.slice(0, 20).map(convert);
    return became.includes('taken') ? 'taken' : became[0];
  };

  const mllp = (bytes, random) => {
    const whole = decode([bytes]);
    assert.deepEqual(decode(pieces(bytes, random)), whole, 'frames depend on how the bytes arrive');
    const frames = whole.filter(({ kind }) => kind === 'frame');
    return frames.map((frame) => hl7v2(frame.bytes)).includes('taken') ? 'taken' : 'refused';
  };

  const decode = (chunks) => {
    const decoder = new product.frame.MllpDecoder(FRAME_BYTES);
    const events = [];
    for (const chunk of chunks) {
      events.push(...decoder.push(chunk));
      assert.ok(decoder.buffered <= FRAME_BYTES, 'more is held than a message may have');
    }
    events.push(...decoder.end());
    for (const event of events) {
      if (event.kind === 'frame')
        // eslint-disable-next-line no-control-regex
        assert.ok(event.bytes.length <= FRAME_BYTES && !/\x0bMSH[!-/:-@[-`{-~]/.test(event.bytes.toString('latin1')));
    }
    // How much of a frame that is too large is kept to answer it depends on the pieces, its beginning does not.
    return events.map((event) =>
      event.kind === 'too-large' ? { ...event, head: event.head.subarray(0, 100) } : event,
    );
  };

  const fhir = (bytes) => {
    const parsed = unlessRefused(() => product.json.parseFhirJson(bytes));
    if (parsed === undefined) return 'refused';
    const { value } = parsed;
    if (typeof value !== 'object' || value === null) return 'refused';
    const text = product.json.stringifyFhirJson(value);
    assert.equal(product.json.stringifyFhirJson(product.json.parseFhirJson(text)), text);
    const type = typeof value.resourceType === 'string' ? value.resourceType : 'Patient';
    const issues = product.submitted.checkSubmitted(value, type);
    unlessRefused(() => product.transaction.parseTransaction(value, { entries: 5000, base: BASE }, RECEIVED_AT));
    if (issues.length > 0) return 'refused';
    // What is taken is labelled, indexed, and stored as text that gives it back.
    const stored = { ...value, id: 'a', meta: { ...value.meta, versionId: '1', lastUpdated: '2026-06-01T12:00:00Z' } };
    product.labels.labelsOf(stored);
    product.references.subjectOf(stored);
    product.extract.indexEntries(stored);
    if (type === 'Consent') unlessRefused(() => product.consent.parseConsent(stored));
    const line = product.json.stringifyFhirJson(stored);
    assert.ok(!line.includes('\n'), 'a line of a sealed group must not have a line end');
    assert.equal(product.json.stringifyFhirJson(product.json.parseStoredJson(line)), line);
    return 'taken';
  };

  const dicom = async (bytes) => {
    const start = product.part10.readFileStart(bytes);
    product.command.decodeCommand(bytes.subarray(0, 16_384));
    const inputs = [
      { bytes, transferSyntaxUid: '1.2.840.10008.1.2', dataSetSize: bytes.length },
      { bytes, transferSyntaxUid: '1.2.840.10008.1.2.1.99', dataSetSize: bytes.length },
      ...(start === undefined
        ? []
        : [
            {
              bytes: bytes.subarray(start.dataSetOffset),
              transferSyntaxUid: start.transferSyntaxUid,
              dataSetSize: bytes.length - start.dataSetOffset,
            },
          ]),
    ];
    let became = 'refused';
    for (const input of inputs) {
      const read = await product.header.readHeader({ ...input, fallbackCharacterSet: undefined }, 262_144);
      if (!('fault' in read)) became = 'taken';
    }
    return became;
  };

  const pdu = (bytes, random) => {
    const read = (chunks) => {
      const decoder = product.pduDecoder.createPduDecoder({ dataBytes: 131_072, associateBytes: 262_144 });
      return chunks.flatMap((chunk) => [...decoder.push(Buffer.from(chunk))]);
    };
    const whole = read([bytes]);
    assert.deepEqual(read(pieces(bytes, random)), whole, 'PDUs depend on how the bytes arrive');
    return whole.some(({ type }) => type !== 'fault') ? 'taken' : 'refused';
  };

  return { hl7v2, mllp, fhir, dicom, pdu };
}

/** Bytes cut at random places. */
function pieces(bytes, random) {
  const cuts = Array.from({ length: random.few(12) }, () => random.below(bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i] ?? bytes.length));
}

/** Every reference to another entry of the Bundle finds it, and no placeholder is left. */
function checkReferences(bundle) {
  const known = new Set(bundle.entry.map(({ fullUrl }) => fullUrl));
  const visit = (value) => {
    if (typeof value !== 'object' || value === null) return;
    if (typeof value.reference === 'string') {
      assert.ok(!value.reference.startsWith('change:'), 'a placeholder was left');
      if (value.reference.startsWith('urn:uuid:')) assert.ok(known.has(value.reference), 'a reference leads nowhere');
    }
    for (const child of Object.values(value)) visit(child);
  };
  for (const { resource } of bundle.entry) visit(resource);
}

/** What a peer sends in an association, to be damaged: request, echo, a fragment of data, release, abort. */
export function associations({ pdu, command }) {
  const uid = '1.2.840.10008.1.1';
  const user = { maxPduBytes: 16_384, implementationClassUid: '1.2.3', implementationVersionName: 'X', others: [] };
  const names = {
    protocolVersion: 1,
    calledAe: 'GATEWAY',
    callingAe: 'MODALITY',
    applicationContext: '1.2.840.10008.3.1.1.1',
  };
  const echo = command.encodeCommand({
    commandField: 0x0030,
    hasDataSet: false,
    messageId: 1,
    affectedSopClassUid: uid,
  });
  const value = (data, isCommand) => ({ context: 1, command: isCommand, last: true, data });
  const sent = [
    {
      type: 'A-ASSOCIATE-RQ',
      ...names,
      userInformation: user,
      contexts: [1, 3, 5].map((id) => ({
        id,
        abstractSyntax: `${uid}.${id}`,
        transferSyntaxes: ['1.2.840.10008.1.2'],
      })),
    },
    { type: 'P-DATA-TF', values: [value(echo, true)] },
    { type: 'P-DATA-TF', values: [value(Buffer.alloc(200, 7), false)] },
    { type: 'A-RELEASE-RQ' },
    { type: 'A-ABORT', source: 0, reason: 0 },
  ].map((one) => pdu.encodePdu(one));
  return [Buffer.concat(sent), ...sent];
}
