/**
 * `GET [base]/[type]/[id]/_history/[vid]/$receipt`: the ledger receipt of one version (docs/ledger.md), as a C2SP tlog-proof in
 * plain text. Who may vread may ask.
 */
import { proveVersion, type ProveDeps } from '../../../services/prove-version.ts';
import { refuseParameters, type Handler } from './call.ts';
import { refuseConditions } from './headers.ts';

export function receipt(deps: ProveDeps): Handler {
  return async (call) => {
    refuseParameters(call);
    refuseConditions(call, 'If-Match', 'If-None-Match');
    const text = await proveVersion(deps, call, call.version);
    const name = `${call.type}-${call.id}-${call.version}.tlog-proof`;
    return {
      status: 200,
      headers: {
        'Content-Type': 'text/plain; charset=utf-8',
        'Content-Disposition': `attachment; filename="${name}"`,
      },
      text,
    };
  };
}
