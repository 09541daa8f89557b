/**
 * Senders of all three protocols that keep an account of what was acknowledged: HL7 v2 reports over several MLLP connections,
 * FHIR transactions, images. Like real senders they send again what was not acknowledged.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CT_IMAGE_STORAGE, SAMPLE_CT, sampleCtDataSet, type SampleCt } from '../../src/cli/samples/dicom.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { openAssociation } from '../../src/clients/dicom.ts';
import { connectMllp, type MllpClient } from '../../src/clients/mllp.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../src/formats/dicom/uid.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';

const ACCEPTED = /\rMSA\|AA\|/;

/** What was sent, and what of it was acknowledged. Outlives the gateways that it was sent to. */
export class Account {
  /** Acknowledgement of each report; undefined: sent, not acknowledged. */
  readonly reports = new Map<number, Buffer | undefined>();
  /** Logical id of the Patient of each transaction, by its identifier. */
  readonly transactions = new Map<string, string | undefined>();
  /** Whether each image was acknowledged. */
  readonly images = new Map<SampleCt, boolean>();
  #next = 0;

  next(): number {
    return this.#next++;
  }

  acknowledgedReports(): number[] {
    return [...this.reports].filter(([, answer]) => answer !== undefined).map(([n]) => n);
  }

  acknowledged(): number {
    const of = <K, V>(map: ReadonlyMap<K, V>): number => [...map.values()].filter(Boolean).length;
    return of(this.reports) + of(this.transactions) + of(this.images);
  }
}

export interface Traffic {
  /** Ends the senders after what is in flight; never rejects for a gateway that is gone. */
  stop(): Promise<void>;
}

export interface TrafficOptions {
  readonly gateway: GatewayProcess;
  readonly token: string;
  readonly account: Account;
  readonly connections: number;
  readonly images: boolean;
}

export function startTraffic(options: TrafficOptions): Traffic {
  const state = { stopping: false };
  const stopping = (): boolean => state.stopping;
  const senders = Array.from({ length: options.connections }, () => sendReports(options, stopping));
  senders.push(sendTransactions(options, stopping));
  if (options.images) senders.push(sendImages(options, stopping));
  const all = Promise.all(senders);
  return {
    async stop() {
      state.stopping = true;
      await all;
    },
  };
}

/** Sends one report until it is acknowledged; undefined when that cannot be had before `stopping`. */
async function sendReports(options: TrafficOptions, stopping: () => boolean): Promise<void> {
  let client: MllpClient | undefined;
  while (!stopping()) {
    const n = options.account.next();
    options.account.reports.set(n, undefined);
    while (!stopping()) {
      try {
        client ??= await connectMllp({ ...options.gateway.mllp, timeoutMs: 60_000 });
        const answer = await client.send(Buffer.from(sampleOru(n)));
        if (ACCEPTED.test(answer.toString())) {
          options.account.reports.set(n, answer);
          break;
        }
      } catch {
        client?.close();
        client = undefined;
      }
      await delay(20);
    }
  }
  client?.close();
}

/** Sends a report again; its acknowledgement. */
export async function resendReport(client: MllpClient, n: number): Promise<Buffer> {
  const answer = await client.send(Buffer.from(sampleOru(n)));
  if (!ACCEPTED.test(answer.toString())) throw new Error(`report ${n} was not accepted: ${answer.toString()}`);
  return answer;
}

async function sendTransactions({ gateway, token, account }: TrafficOptions, stopping: () => boolean): Promise<void> {
  while (!stopping()) {
    const identifier = `FAULT-T-${account.next()}`;
    account.transactions.set(identifier, undefined);
    try {
      const response = await fetch(`${gateway.http}/fhir`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
        body: JSON.stringify(transactionOf(identifier)),
      });
      const body = (await response.json()) as { entry?: { response: { location: string } }[] };
      const location = body.entry?.[0]?.response.location ?? '';
      const id = /Patient\/([^/]+)/.exec(location)?.[1];
      if (response.ok && id !== undefined) account.transactions.set(identifier, id);
      else await delay(20);
    } catch {
      await delay(20);
    }
  }
}

export const TRANSACTION_OBSERVATIONS = 3;

function transactionOf(identifier: string): object {
  const patient = 'urn:uuid:7b0c1a52-4f5e-4b7e-9d43-2a3b8f6f5a01';
  const observation = (value: number): object => ({
    request: { method: 'POST', url: 'Observation' },
    resource: {
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
      subject: { reference: patient },
      effectiveDateTime: '2025-03-11T10:15:00Z',
      valueQuantity: { value, unit: '/min' },
    },
  });
  return {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      {
        fullUrl: patient,
        request: { method: 'POST', url: 'Patient' },
        resource: { resourceType: 'Patient', identifier: [{ system: 'urn:fault', value: identifier }] },
      },
      ...Array.from({ length: TRANSACTION_OBSERVATIONS }, (_, i) => observation(60 + i)),
    ],
  };
}

const CT = { sopClassUid: CT_IMAGE_STORAGE, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN };
const UID_ROOT = '2.25.320248410721559591824775641704550905';

/** One study an association, a few images each. */
async function sendImages({ gateway, account }: TrafficOptions, stopping: () => boolean): Promise<void> {
  while (!stopping()) {
    const study = account.next();
    const images = Array.from({ length: 3 }, (_, i): SampleCt => ({
      ...SAMPLE_CT,
      studyInstanceUid: `${UID_ROOT}${study}0`,
      seriesInstanceUid: `${UID_ROOT}${study}1`,
      sopInstanceUid: `${UID_ROOT}${study}2${i}`,
      patientId: `FAULT-I-${study}`,
      accessionNumber: `FAULT-A-${study}`,
      instanceNumber: i + 1,
    }));
    for (const image of images) account.images.set(image, false);
    await storeImages(gateway, images, account).catch(() => delay(20));
  }
}

/** Stores images on one association; enters those that were acknowledged. Throws when the gateway goes away. */
export async function storeImages(
  gateway: GatewayProcess,
  images: readonly SampleCt[],
  account: Account,
): Promise<void> {
  const peer = { ...gateway.dicom, calledAe: 'ANAMNESIS', callingAe: 'FAULTS', timeoutMs: 60_000 };
  const association = await openAssociation(peer, [CT]);
  for (const image of images) {
    const { status } = await association.store({
      ...CT,
      sopInstanceUid: image.sopInstanceUid,
      dataSet: [sampleCtDataSet(image)],
    });
    if (status === 0) account.images.set(image, true);
  }
  await association.release();
}
