/** The table of commands: what `help` and `--help` say, and where each one is. Files are loaded on use. */
import { codeTable } from '../core/code-table.ts';
import type { Command } from './command.ts';

export interface Entry {
  /** Arguments, as one line. */
  readonly usage: string;
  readonly does: string;
  /** What `--help` says of its arguments, one line each. */
  readonly more?: readonly string[];
  /** True: it changes nothing that its output does not show, and ends when nobody reads that any more. */
  readonly onlyPrints?: true;
  /** Loaded on use: `anamnesis token` does not pay for the whole gateway. */
  readonly load: () => Promise<Command>;
}

/** Every command by its name. */
export const COMMANDS: Readonly<Record<string, Entry>> = codeTable({
  start: {
    usage: 'start',
    does: 'run the gateway',
    load: async () => (await import('./start.ts')).start,
  },
  demo: {
    usage: 'demo',
    does: 'a sample day through a gateway of its own, in a temporary folder; ends by itself',
    load: async () => (await import('./demo.ts')).demo,
  },
  send: {
    usage: 'send [--token TOKEN] [--mllp HOST:PORT] [--dicom HOST:PORT] [--fhir URL] [--cert FILE --key FILE] FILE...',
    does: 'HL7 v2 by MLLP, DICOM by C-STORE, .json by FHIR; of folders what is any of these',
    more: [
      'FILE            a file, or a folder with files: HL7 v2 (messages, batches; .hl7 or any name), DICOM Part 10, .json (a resource, a transaction)',
      '--token TOKEN   for FHIR; without it one of role system is made with the key file',
      '--mllp, --dicom HOST:PORT, --fhir URL   another gateway than the one of the settings',
      '--cert, --key FILE   what listeners with mutual TLS are shown (PEM)',
      'Prints how many were accepted, and each that was not with its reason. Exit code 1 when any was not.',
    ],
    load: async () => (await import('./send.ts')).send,
  },
  convert: {
    onlyPrints: true,
    usage: 'convert [--source NAME] [--profile FILE] [--report] FILE...',
    does: 'print the FHIR Bundle that each HL7 v2 message would become, one line a message; nothing is kept or sent',
    more: [
      'FILE            HL7 v2 files (a named file is one whatever it is called), or folders with them',
      "--source NAME   read it as this kept source does; needs the gateway's database and key file",
      '--profile FILE  read it as this profile says (docs/sources.md); needs nothing',
      '--report        on standard error, one JSON line a message: what was made of it, what was not mapped and why',
      'Exit code 1 when a message would be refused or kept in quarantine.',
    ],
    load: async () => (await import('./convert.ts')).convert,
  },
  sources: {
    usage: 'sources list | show NAME [--version N] | set NAME FILE [--version N] | remove NAME | history NAME',
    does: 'the senders of HL7 v2 messages: how theirs are read, and what they may do (docs/sources.md)',
    more: [
      'list            name, version, senders of each',
      'show NAME       its profile as JSON (--version N: an older one)',
      'set NAME FILE   a new version; with --version N only if N is the one that stands (0: none)',
      'remove NAME     its history stays',
      'history NAME    who made which version when',
    ],
    load: async () => (await import('./sources.ts')).sources,
  },
  token: {
    onlyPrints: true,
    usage:
      'token --role practitioner|patient|system|researcher --sub NAME [--patient ID] [--purpose TREAT] [--scope "..."] [--ttl SECONDS] [--organization REFERENCE] [--user REFERENCE] [--client NAME]',
    does: 'print a bearer token of the built-in issuer (needs the key file)',
    more: [
      '--role          practitioner, patient (needs --patient), system, researcher',
      '--sub NAME      who it is for: what the audit trail says',
      '--patient ID    FHIR id of the Patient that the token is bound to',
      '--purpose CODE  v3-PurposeOfUse; default TREAT for practitioners',
      '--scope "..."   SMART scopes such as "user/*.rs", and admin.read, admin.write; default by role',
      '--ttl SECONDS   default 3600, at most 604800: a token cannot be called back',
      '--organization, --user REFERENCE   what Consents may name besides',
      '--client NAME   the application',
    ],
    load: async () => (await import('./token.ts')).token,
  },
  health: {
    onlyPrints: true,
    usage: 'health [--cert FILE --key FILE]',
    does: 'ask the running gateway of these settings whether it is ready; exit code 0 only then',
    more: [
      'Prints what /readyz says. 0: ready; 1: not; 69: no answer.',
      '--cert, --key FILE   under mutual TLS; default: the certificate of the listener itself',
    ],
    load: async () => (await import('./health.ts')).health,
  },
  messages: {
    onlyPrints: true,
    usage:
      'messages list [--quarantined] [--source NAME] [--reason CODE] [--since DATE] [--limit N] [--json] | show LEAF [--raw] [--json] | reprocess LEAF... | --all | --reason CODE | dismiss LEAF... --because TEXT',
    does: 'the HL7 v2 messages that are kept, those in quarantine, and another try at them (docs/operations.md)',
    more: [
      'list            newest first; --quarantined, --source NAME, --reason CODE, --since DATE, --limit N (50), --json',
      'show LEAF       what is kept of it and what nothing was made of; --raw: the message itself (patient data, audited)',
      'reprocess       LEAF..., or --all, --reason CODE, --source NAME, --since DATE; exit code 1 when any stays',
      'dismiss LEAF... --because TEXT   nothing will be made of it; cannot be taken back',
      'LEAF is the number that `list` shows.',
    ],
    load: async () => (await import('./messages.ts')).messages,
  },
  rebuild: {
    usage: 'rebuild [--from URL] [--into URL]',
    does: 'fill an empty database from documents, payloads and the key file',
    more: [
      'Without options: the embedded database of a stopped gateway; the old one is kept beside the new one.',
      '--from URL      read from there, fill the database of DATABASE_URL',
      '--into URL      read from the database of DATABASE_URL, fill that one (it must be empty)',
    ],
    load: async () => (await import('./rebuild.ts')).rebuild,
  },
  verify: {
    onlyPrints: true,
    usage: 'verify [--hashes | --independent-signatures]',
    does: 'derive the whole ledger again and say what is wrong, and where',
    more: [
      '--hashes        digests, tree, blocks and tiles alone: some hundred thousand documents a second',
      '--independent-signatures   every signature by the second implementation: slower',
      'Works beside a running gateway. Exit code 1 when anything is wrong; docs/ledger.md lists the faults.',
    ],
    load: async () => (await import('./verify.ts')).verify,
  },
  keys: {
    usage:
      'keys show | passphrase --new-file FILE | rotate ROLE | recovery-kit --shares 5 --threshold 3 DIR | recover FILE...',
    does: 'look after the key file: public keys, passphrase, rotation, recovery kit (docs/keys.md)',
    more: [
      'show            public keys, vkeys, fingerprint',
      'passphrase --new-file FILE | --none   encrypt the key file under another passphrase, or leave it in plain',
      'rotate ROLE     sign, witness, mirror, encrypt, issuer or master (--background: gateways renew)',
      'recovery-kit --shares N --threshold K DIR   shares of which any K make the key file again, into a new folder',
      'recover FILE... make the key file from shares; never over one that is there',
    ],
    load: async () => (await import('./key-care.ts')).keys,
  },
  'prepare-database': {
    usage: 'prepare-database',
    does: 'apply migrations and put on what keeps the ledger append-only, by DATABASE_ADMIN_URL; start does it as well',
    load: async () => (await import('./prepare-database.ts')).prepareDatabaseCommand,
  },
  prove: {
    onlyPrints: true,
    usage: 'prove TYPE/ID[/_history/VERSION] | --leaf N | --message CONTROL-ID [--source NAME]  [--out FILE]',
    does: 'print the receipt of a record version, a message or a leaf (needs the key file)',
    more: [
      'TYPE/ID         the newest version of a record; with /_history/VERSION that one',
      '--message ID    the HL7 v2 message with this MSH-10 (--source NAME: of that source)',
      '--leaf N        a document of the log',
      '--out FILE      there instead of standard output',
    ],
    load: async () => (await import('./prove.ts')).prove,
  },
  'verify-receipt': {
    onlyPrints: true,
    usage:
      'verify-receipt FILE [--vkey VKEY] [--sign-key KEY]... [--cosigner VKEY]... [--policy FILE] [--document FILE] [--lockbox-key FILE]',
    does: 'check a receipt offline, with nothing of a gateway but its public keys',
    more: [
      "--vkey VKEY     the log's key (`keys show`, /ledger/vkey), from a way that you trust",
      '--sign-key KEY  the key that signed the document; repeat it for earlier ones',
      '--cosigner VKEY, --policy FILE   whose cosignatures to check; with a policy its quorum is needed',
      '--document FILE, --lockbox-key FILE   check the document itself, open what is sealed in it',
      'Exit code 0 only when everything that is needed was checked and is right; `open` says what is missing.',
    ],
    load: async () => (await import('./verify-receipt.ts')).verifyReceipt,
  },
  restore: {
    usage: 'restore [--furthest]',
    does: 'bring the gateway back out of its mirrors, from key file, settings and policy file alone',
    more: [
      'Needs an empty database. Stopped anywhere, the same command goes on.',
      '--furthest      take what the furthest mirror has, though peers have cosigned more (before begin-log)',
    ],
    load: async () => (await import('./restore.ts')).restore,
  },
  'begin-log': {
    usage: 'begin-log ORIGIN [--into URL]',
    does: 'give up a log that no mirror can bring back, and begin another with what is left (docs/replication.md)',
    load: async () => (await import('./begin-log.ts')).beginLog,
  },
  export: {
    usage: 'export [--no-blobs] FILE',
    does: 'write the log with all its ciphertext into one file',
    more: [
      'FILE            takes the place of what is there when it is whole; mode 0600, ciphertext only',
      '--no-blobs      without images and large documents',
    ],
    load: async () => (await import('./archive.ts')).exportLog,
  },
  import: {
    usage: 'import FILE',
    does: 'bring the gateway back from such a file, verified while it streams',
    more: [
      'FILE            made by export. Needs the key file and an empty database; stopped anywhere, the same command goes on.',
    ],
    load: async () => (await import('./archive.ts')).importLog,
  },
  witness: {
    usage: 'witness evidence | witness lift ORIGIN',
    does: 'show logs that signed two trees; cosign a frozen one again',
    load: async () => (await import('./witness.ts')).witness,
  },
  suspend: {
    usage: 'suspend ORIGIN',
    does: 'take nothing more from a member, and tell the peers',
    more: ['ORIGIN          the name of its log, as in the policy file'],
    load: async () => (await import('./suspend.ts')).suspend,
  },
  unsuspend: {
    usage: 'unsuspend ORIGIN',
    does: 'take that back',
    load: async () => (await import('./suspend.ts')).unsuspend,
  },
});
