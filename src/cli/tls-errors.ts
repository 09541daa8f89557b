/** What is wrong with the certificates and keys of the settings, by the setting to mend: what OpenSSL would say only when a listener opens. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Config, TlsMaterial } from '../config/config.ts';

/** One line for each wrong file. A certificate that has run out is no error here: clients decide, and the metric says it. */
export function tlsErrors(config: Pick<Config, 'http' | 'mllp' | 'dicom'>): readonly string[] {
  return (['http', 'mllp', 'dicom'] as const).flatMap((listener) => {
    const { tls } = config[listener];
    return tls === undefined ? [] : errorsOf(`TLS_${listener.toUpperCase()}`, tls);
  });
}

function errorsOf(prefix: string, { cert, key, ca }: TlsMaterial): readonly string[] {
  const certificate = attempt(() => new X509Certificate(cert));
  const privateKey = attempt(() => createPrivateKey(key));
  const errors: string[] = [];
  if (certificate === undefined) errors.push(`${prefix}_CERT_FILE: holds no certificate in PEM`);
  if (privateKey === undefined)
    errors.push(`${prefix}_KEY_FILE: holds no private key in PEM that opens without a passphrase`);
  if (certificate !== undefined && privateKey !== undefined && !certificate.checkPrivateKey(privateKey)) {
    errors.push(
      `${prefix}_KEY_FILE: is not the key of the certificate; the chain begins with the certificate of the listener`,
    );
  }
  if (ca !== undefined && attempt(() => new X509Certificate(ca)) === undefined)
    errors.push(`${prefix}_CA_FILE: holds no certificate in PEM`);
  return errors;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
