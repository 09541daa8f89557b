/**
 * Documents about other gateways: statements that suspend a member, and checkpoints of other logs. Nothing in them is sealed:
 * what they hold is signed by others, and is to be shown.
 */
import { GatewayError } from '../core/errors.ts';
import type { DocumentBody } from './document.ts';

/** A statement about a member, or a checkpoint of another log (with `second`: two that contradict each other), as signed. */
export type Notice =
  | { readonly kind: 'suspension'; readonly statement: string }
  | {
      readonly kind: 'checkpoint';
      readonly note: string;
      readonly second?: string;
      /** When the contradiction was found, milliseconds since 1970. */
      readonly foundAt?: number;
    };

/** The document of a notice, to be signed. */
export function noticeBody(notice: Notice): DocumentBody {
  const body = { v: 1, payloads: [], sealed: '' } as const;
  if (notice.kind === 'suspension') return { ...body, typ: 'suspension', statement: notice.statement };
  const { note, second, foundAt } = notice;
  return {
    ...body,
    typ: 'checkpoint',
    notes: second === undefined ? [note] : [note, second],
    ...(foundAt === undefined ? {} : { foundAt }),
  };
}

/** What a document of these kinds says. Throws `integrity` when it is not in their form. */
export function noticeOf({ typ, statement, notes, foundAt }: DocumentBody): Notice {
  if (typ === 'suspension' && typeof statement === 'string') return { kind: 'suspension', statement };
  const [note, second] = notes ?? [];
  if (typ !== 'checkpoint' || typeof note !== 'string') {
    throw new GatewayError('integrity', 'a document about another gateway is not in the form of version 1');
  }
  return {
    kind: 'checkpoint',
    note,
    ...(second === undefined ? {} : { second }),
    ...(foundAt === undefined ? {} : { foundAt }),
  };
}
