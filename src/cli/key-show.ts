/** `anamnesis keys show`: the public side of the key set, in the forms in which others want it. Nothing secret is printed. */
import { thumbprint } from '../identity/own-issuer.ts';
import { cosignerKey } from '../ledger/cosignature.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../ledger/note.ts';
import { documentKeyId } from '../record/document.ts';
import { EXIT, UsageError, type CliContext } from './command.ts';
import { keyProvider } from './keys.ts';
import { readSettings } from './settings.ts';

export async function show(args: readonly string[], context: CliContext): Promise<number> {
  if (args.length > 0) throw new UsageError('keys show takes no arguments');
  const config = readSettings(context);
  const { keySet, protected: encrypted } = await keyProvider(config).load({ create: false });
  const cosigner = (role: 'witness' | 'mirror'): string =>
    formatVkey(cosignerKey({ name: `${config.origin}/${role}`, rawPublicKey: keySet[role].rawPublicKey }));
  const { history, pending } = keySet;
  const retired = [
    ...history.sign.map((raw) => ['sign, earlier', `${raw.toString('base64url')}  (key id ${documentKeyId(raw)})`]),
    ...history.issuer.map(({ publicKey, until }) => [
      'issuer, earlier',
      `${thumbprint(publicKey)}, accepted until ${new Date(until).toISOString()}`,
    ]),
    ...history.encrypt.map(({ rawPublicKey }) => ['encrypt, earlier', rawPublicKey.toString('base64url')]),
    ...history.master.map(() => ['master, earlier', 'kept until all wraps are renewed: `keys rotate master` goes on']),
  ];
  const rows = [
    ['origin', config.origin],
    ['key file', `${config.keyFile} (${encrypted ? 'encrypted under a passphrase' : 'in plain: mode 0600 alone'})`],
    ['fingerprint', keySet.fingerprint],
    ['log vkey', formatVkey(verifierKey(config.origin, KEY_ED25519, keySet.log.rawPublicKey))],
    ['witness vkey', cosigner('witness')],
    ['mirror vkey', cosigner('mirror')],
    ['sign', `${keySet.sign.rawPublicKey.toString('base64url')}  (key id ${documentKeyId(keySet.sign.rawPublicKey)})`],
    ['encrypt', keySet.encrypt.rawPublicKey.toString('base64url')],
    ['issuer', `${thumbprint(keySet.issuer.publicKey)}  (key id in /auth/jwks)`],
    ...retired,
    ...(pending === undefined
      ? []
      : [['pending', `rotation of ${pending.role}, begun ${new Date(pending.begunAt).toISOString()}`]]),
  ];
  for (const [name, value] of rows) context.out(`${name.padEnd(16)} ${value}`);
  return EXIT.ok;
}
