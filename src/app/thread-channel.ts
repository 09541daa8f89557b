/**
 * Calls between two threads over a MessagePort, both ways. What one turn of the event loop says goes as one message, since
 * waking the other side costs more than what is said.
 */
import type { MessagePort, Transferable, Worker } from 'node:worker_threads';
import { GatewayError, type ErrorCode, type InputIssue } from '../core/errors.ts';

/** Answers calls of the other side by name. Arguments and results must survive structured cloning. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

export interface ThreadChannel {
  /** Calls the other side; rejects with its GatewayError. `transfer`: buffers whose memory moves over. */
  call(name: string, argument: unknown, transfer?: readonly Transferable[]): Promise<unknown>;
  /** Calls the other side and wants no answer. */
  tell(name: string, argument: unknown): void;
  /** The other side is gone: every call that waits, and every later one, rejects with this. */
  break(error: GatewayError): void;
}

type Said =
  | { readonly id: number; readonly name: string; readonly argument: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: WireError };

interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly expression: string | undefined;
  readonly issues: readonly InputIssue[];
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: GatewayError) => void;
}

/** Id of what needs no answer. */
const TOLD = 0;

/** A channel over a port, or a worker; takes calls at once. `toError` makes a GatewayError of what a handler throws. */
export function threadChannel(
  port: Pick<MessagePort | Worker, 'postMessage'> & {
    on(event: 'message', listener: (said: readonly Said[]) => void): unknown;
  },
  handlers: Handlers,
  toError: (thrown: unknown) => GatewayError,
): ThreadChannel {
  const waiting = new Map<number, Waiting>();
  let nextId = TOLD;
  let broken: GatewayError | undefined;
  let said: Said[] = [];
  let transfers: Transferable[] = [];

  const say = (one: Said, transfer: readonly Transferable[] = []): void => {
    if (said.length === 0) setImmediate(flush);
    said.push(one);
    transfers.push(...transfer);
  };
  const flush = (): void => {
    const [all, moved] = [said, transfers];
    said = [];
    transfers = [];
    if (broken === undefined) port.postMessage(all, moved);
  };
  const serve = async (id: number, name: string, argument: unknown): Promise<void> => {
    try {
      const result = await handlers[name](argument as never);
      if (id !== TOLD) say({ id, result });
    } catch (thrown) {
      const { code, message, expression, issues } = toError(thrown);
      if (id !== TOLD) say({ id, error: { code, message, expression, issues } });
    }
  };

  port.on('message', (all) => {
    for (const one of all) {
      if ('name' in one) {
        void serve(one.id, one.name, one.argument);
        continue;
      }
      const call = waiting.get(one.id);
      waiting.delete(one.id);
      if ('result' in one) call?.resolve(one.result);
      else call?.reject(errorOf(one.error));
    }
  });

  return {
    call(name, argument, transfer) {
      if (broken !== undefined) return Promise.reject(broken);
      nextId += 1;
      const id = nextId;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        say({ id, name, argument }, transfer);
      });
    },
    tell: (name, argument) => say({ id: TOLD, name, argument }),
    break(error) {
      broken = error;
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
    },
  };
}

function errorOf({ code, message, expression, issues }: WireError): GatewayError {
  return new GatewayError(code, message, { issues, ...(expression !== undefined && { expression }) });
}
