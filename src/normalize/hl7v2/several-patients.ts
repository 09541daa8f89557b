/** The refusal of a second PID where the structure has one. */
import { GatewayError } from '../../core/errors.ts';

/** `invalid-content` at `PID[2]`. */
export function severalPatients(): GatewayError {
  return new GatewayError('invalid-content', 'a message of this event has one patient', { expression: 'PID[2]' });
}
