/** The scans of the blind index that a plan asks for: token names become numbers under the gateway's or a patient's secret. */
import { resourceKey, searchToken, type IndexSecret } from '../keys/index-secret.ts';
import type { Branch, Plan } from '../search/plan.ts';
import type { Keyring } from '../write/keyring.ts';
import type { ScanShape } from './candidate-stream.ts';

/** One scan for each branch and patient. A patient that is not known here has none. */
export async function shapesOf(keyring: Keyring, plan: Extract<Plan, { kind: 'scan' }>): Promise<readonly ScanShape[]> {
  const { gatewaySecret } = keyring;
  if (plan.patients === undefined) return plan.branches.map((branch) => shapeOf(branch, gatewaySecret, undefined));
  const keys = plan.patients.map((id) => resourceKey(gatewaySecret, 'Patient', id));
  const secrets = await keyring.patientSecrets(keys);
  return [...secrets.values()].flatMap((secret) =>
    plan.branches.map((branch) => shapeOf(branch, gatewaySecret, secret)),
  );
}

/** Rank of the token sets that are worth a look-up for each row of the first one; the re-check sees to the others. */
const WORTH_JOINING = 4;

function shapeOf(branch: Branch, gateway: IndexSecret, patient: IndexSecret | undefined): ScanShape {
  const [first, ...rest] = branch.all;
  const sets = [first, ...rest.filter((set) => set.rank <= WORTH_JOINING)];
  const lists = sets.flatMap((set) => {
    const secret = set.secret === 'gateway' ? gateway : patient;
    return secret === undefined ? [] : [set.anyOf.map((parts) => searchToken(secret, parts))];
  });
  return {
    lists,
    ...(branch.from === undefined ? {} : { from: branch.from }),
    ...(branch.to === undefined ? {} : { to: branch.to - 1 }),
  };
}
