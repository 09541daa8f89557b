/**
 * Asks `consent/decide` with everything it needs: the Consents of all charts of the patient as they are now, the policy, the time. The only
 * caller of `decide` for requests from outside.
 */
import type { Clock } from '../core/clock.ts';
import type { ResourceKey } from '../core/ids.ts';
import type { Interaction, Principal } from '../core/principal.ts';
import { decide } from '../consent/decide.ts';
import type { ConsentRule } from '../consent/model.ts';
import type { Decision } from '../consent/permit.ts';
import type { Policy } from '../consent/policy.ts';
import { resourceKey } from '../keys/index-secret.ts';
import type { LabelSet } from '../labels/label.ts';
import type { Keyring } from '../write/keyring.ts';
import type { PatientConsents } from './patient-consents.ts';

/** One record's place, as far as it is known before opening. */
export interface AccessQuestion {
  readonly action: Interaction;
  /** Undefined for the directory. */
  readonly patient: ResourceKey | undefined;
  readonly labels: LabelSet;
  /** Undefined where only the opened record tells. */
  readonly type: string | undefined;
}

export interface AccessDecider {
  /** One decision a question, in order. Reads whether a Consent changed since the last time; errors: `unavailable`. */
  decide(principal: Principal, questions: readonly AccessQuestion[]): Promise<readonly Decision[]>;
}

export interface DecideDeps {
  readonly consents: PatientConsents;
  readonly keyring: Pick<Keyring, 'gatewaySecret'>;
  readonly policy: Policy;
  readonly clock: Clock;
}

const NONE: readonly ConsentRule[] = [];

export function accessDecider(deps: DecideDeps): AccessDecider {
  return {
    async decide(principal, questions) {
      const patients = [...new Set(questions.flatMap(({ patient }) => (patient === undefined ? [] : [patient])))];
      const people = await deps.consents.of(patients);
      const self = selfOf(deps, principal);
      const now = deps.clock.now();
      return questions.map(({ action, patient, labels, type }) => {
        const person = patient === undefined ? undefined : people.get(patient);
        const isPrincipal = self !== undefined && person?.charts.includes(self) === true;
        return decide({
          principal,
          purpose: principal.purpose,
          action,
          subject: patient === undefined ? { kind: 'directory' } : { kind: 'patient', patient, isPrincipal },
          ...(type === undefined ? {} : { type }),
          labels,
          consents: person?.rules ?? NONE,
          policy: deps.policy,
          now,
        });
      });
    },
  };
}

/** The patient that the token is bound to. */
function selfOf(deps: DecideDeps, principal: Principal): ResourceKey | undefined {
  return principal.patient === undefined
    ? undefined
    : resourceKey(deps.keyring.gatewaySecret, 'Patient', principal.patient);
}
