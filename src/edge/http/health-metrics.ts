/** Metrics of the gateway as a whole: what `/readyz` says, room on the disk, certificates that run out, the version. */
import { X509Certificate } from 'node:crypto';
import { Gauge, type Registry } from 'prom-client';

export interface HealthFacts {
  /** As `/readyz` has them. */
  readonly checks: () => Readonly<Record<string, boolean>>;
  /** Bytes free in the data directory. */
  readonly freeBytes: () => number;
  /** PEM of the certificate of each listener that has one. */
  readonly certificates: Readonly<Record<string, Buffer>>;
  readonly version: string;
}

export function healthMetrics(registry: Registry, { checks, freeBytes, certificates, version }: HealthFacts): void {
  const registers = [registry];
  new Gauge({
    name: 'anamnesis_ready',
    help: '1: the check of /readyz stands; 0: it does not, and work is refused.',
    labelNames: ['check'],
    registers,
    collect() {
      for (const [check, stands] of Object.entries(checks())) this.set({ check }, stands ? 1 : 0);
    },
  });
  new Gauge({
    name: 'anamnesis_disk_free_bytes',
    help: 'Bytes free in the data directory; below FREE_DISK_FLOOR_BYTES intake is refused.',
    registers,
    collect() {
      this.set(freeBytes());
    },
  });
  const expiry = new Gauge({
    name: 'anamnesis_tls_certificate_expiry_timestamp_seconds',
    help: 'When the certificate of a listener runs out, seconds since 1970. It is read at start.',
    labelNames: ['listener'],
    registers,
  });
  for (const [listener, pem] of Object.entries(certificates)) {
    expiry.set({ listener }, Date.parse(new X509Certificate(pem).validTo) / 1000);
  }
  const build = new Gauge({
    name: 'anamnesis_build_info',
    help: 'Always 1; the version is the label.',
    labelNames: ['version'],
    registers,
  });
  build.set({ version }, 1);
}
