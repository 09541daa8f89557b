/** What others have signed of the own log, and what is known of members (ports: replication/own-log, member). */
import type { MemberStore } from '../../replication/member.ts';
import type { KeptCosignature, KeptReceipt, Published, SignatureStore } from '../../replication/own-log.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const COSIGNATURES = statement('load-cosignatures');
const RECEIPTS = statement('load-receipts');
const PUBLISHED = statement('load-published');
const KEEP_COSIGNATURE = statement('keep-cosignature');
const KEEP_RECEIPT = statement('keep-receipt');
const PUBLISH = statement('publish');
const MEMBER = statement('newest-member');
const KEEP_MEMBER = statement('keep-member');

export function signatureStore(pool: Pool): SignatureStore {
  const rows = async <R extends object>(text: string): Promise<R[]> =>
    (await pool.query<R>(text).catch(storeError)).rows;
  return {
    async load() {
      const [cosignatures, receipts, published] = await Promise.all([
        rows<KeptCosignature>(COSIGNATURES),
        rows<KeptReceipt>(RECEIPTS),
        rows<Published>(PUBLISHED),
      ]);
      return { cosignatures, receipts, published: published[0] };
    },
    async keepCosignature({ cosigner, size, root, line, at }) {
      await pool.query(KEEP_COSIGNATURE, [cosigner, size, root, line, at]).catch(storeError);
    },
    async keepReceipt({ mirror, size, blobs, receipt }) {
      await pool.query(KEEP_RECEIPT, [mirror, size, blobs, receipt]).catch(storeError);
    },
    async publish({ size, root, checkpoint }) {
      await pool.query(PUBLISH, [size, root, checkpoint]).catch(storeError);
    },
  };
}

export function memberStore(pool: Pool): MemberStore {
  return {
    async newest(origin) {
      const { rows } = await pool.query<{ issued: number; note: string }>(MEMBER, [origin]).catch(storeError);
      return rows[0];
    },
    async keep(origin, issued, note) {
      await pool.query(KEEP_MEMBER, [origin, issued, note]).catch(storeError);
    },
  };
}
