/**
 * `GET [base]/[type]/[id]/_history/[vid]/$receipt`, and `GET [base]/[type]/[id]/$receipt` for the current version: the ledger
 * receipt (docs/ledger.md), as a C2SP tlog-proof in plain text. Of MessageHeader and Provenance it is that of the message. Who
 * may read may ask. `Prefer: ledger=witnessed, wait=10` waits for cosignatures first.
 */
import type { Levels } from '../../../services/peer-services.ts';
import { proveVersion, type ProveDeps } from '../../../services/prove-version.ts';
import { levelHeaders, levelPreference } from '../level.ts';
import { refuseParameters, type Handler } from './call.ts';
import { refuseConditions } from './headers.ts';

export interface ReceiptDeps extends ProveDeps {
  readonly levels?: Pick<Levels, 'of' | 'wait'> | undefined;
  /** Milliseconds that a request may take. */
  readonly requestMs: number;
}

export function receipt(deps: ReceiptDeps): Handler {
  return async (call) => {
    refuseParameters(call);
    refuseConditions(call, 'If-Match', 'If-None-Match');
    const preference = levelPreference(call.header('prefer'));
    const version = call.version === '' ? undefined : call.version;
    const { leaf, receipt: prove } = await proveVersion(deps, call, version);
    // Half of the time is left for the proof.
    const level = deps.levels && (await levelHeaders(deps.levels, leaf, preference, deps.requestMs / 2));
    const name = [call.type, call.id, ...(version === undefined ? [] : [version])].join('-');
    return {
      status: 200,
      headers: {
        'Content-Type': 'text/plain; charset=utf-8',
        'Content-Disposition': `attachment; filename="${name}.tlog-proof"`,
        'Anamnesis-Leaf': String(leaf),
        ...level,
      },
      text: await prove(),
    };
  };
}
