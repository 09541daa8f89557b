/** A TCP link between two gateways that a test can slow down, cut and mend: forwards 127.0.0.1:port to a target. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Link {
  readonly port: number;
  /** Where connections go; while it is undefined they are refused. */
  target: { readonly host: string; readonly port: number } | undefined;
  /** Milliseconds that every piece waits, in each direction. */
  delayMs: number;
  /** Bytes towards the caller after which the link breaks and refuses connections; undefined: it holds. */
  budget: number | undefined;
  /** The same towards the target. */
  sendBudget: number | undefined;
  /** Bytes in a second towards the target on one connection; undefined: as fast as it goes. */
  rate: number | undefined;
  /** Bytes that have gone towards the target. */
  sent: number;
  /** Ends every connection now. */
  cut(): void;
  close(): Promise<void>;
}

export async function openLink(): Promise<Link> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const { target } = link;
    if (target === undefined) {
      near.destroy();
      return;
    }
    const far = connect(target.port, target.host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (piece) => {
        if (from === near) {
          link.sent += piece.length;
          if (link.rate !== undefined) {
            near.pause();
            setTimeout(() => near.resume(), (piece.length / link.rate) * 1000);
          }
          if (link.sendBudget !== undefined && (link.sendBudget -= piece.length) < 0) {
            link.target = undefined;
            cut();
            return;
          }
        }
        if (from === far && link.budget !== undefined && (link.budget -= piece.length) < 0) {
          link.target = undefined;
          cut();
          return;
        }
        later(() => to.writable && to.write(piece));
      });
      from.on('end', () => later(() => to.end()));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        later(() => to.destroy());
      });
    }
  });
  const later = (work: () => void): void => {
    if (link.delayMs === 0) work();
    else setTimeout(work, link.delayMs);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const link: Link = {
    port: (server.address() as AddressInfo).port,
    target: undefined,
    delayMs: 0,
    budget: undefined,
    sendBudget: undefined,
    rate: undefined,
    sent: 0,
    cut,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return link;
}
