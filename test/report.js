// What became of a run, out of vitest's JSON report: counts, and the names of what failed. A file whose process ended before its
// tests did (it crashed, or hung and was ended) leaves tests that are neither passed nor failed nor skipped: it failed.

/**
 * @param {string} text the JSON report
 * @param {string} root folder that is left out of the names of files
 */
export function summarize(text, root) {
  const failures = [];
  let passed = 0;
  let skipped = 0;
  for (const { name, status, assertionResults } of JSON.parse(text).testResults) {
    const file = name.startsWith(`${root}/`) ? name.slice(root.length + 1) : name;
    const before = failures.length;
    for (const test of assertionResults) if (test.status === 'failed') failures.push(`${file} > ${test.fullName}`);
    const count = (of) => assertionResults.filter((test) => test.status === of).length;
    passed += count('passed');
    skipped += count('skipped') + count('todo');
    if (count('pending') > 0) failures.push(`${file}: its process ended before its tests did`);
    else if (status === 'failed' && failures.length === before) failures.push(`${file}: it did not load`);
  }
  return { passed, failures, skipped };
}
