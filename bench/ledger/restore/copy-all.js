// A whole table as COPY gives it in binary: for baselines that put the same rows in again.
export async function copyAll(pool, table) {
  const client = await pool.connect();
  try {
    return await new Promise((resolve, reject) => {
      const chunks = [];
      let failure;
      client.query({
        submit: (connection) => connection.query(`copy ${table} to stdout (format binary)`),
        handleCopyData: ({ chunk }) => chunks.push(Buffer.from(chunk)),
        handleError(error) {
          failure = error;
          reject(error);
        },
        // Without the trailer, which whoever puts it in again appends.
        handleReadyForQuery: () => failure === undefined && resolve(Buffer.concat(chunks)),
        handleRowDescription() {},
        handleDataRow() {},
        handlePortalSuspended() {},
        handleEmptyQuery() {},
        handleCommandComplete() {},
        handleCopyInResponse() {},
      });
    });
  } finally {
    client.release();
  }
}
