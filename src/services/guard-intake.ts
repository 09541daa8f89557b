/**
 * The free-disk floor (DESIGN section 11): below it intake is refused with a clear error, while there is still room to
 * anchor what is under way and to record reads. A log died once because its database ran out of disk.
 */
import { GatewayError } from '../core/errors.ts';
import type { Submission, Writer } from '../write/submission.ts';

/** The writer behind a check that `hasRoom()` answers from memory. Refuses with `storage-full`; nothing is written then. */
export function guardIntake<W extends Writer>(writer: W, hasRoom: () => boolean): W {
  return {
    ...writer,
    submit: (submission: Submission) => {
      if (hasRoom()) return writer.submit(submission);
      return Promise.reject(
        new GatewayError(
          'storage-full',
          'the disk is below its free-space floor; nothing is taken until there is room',
        ),
      );
    },
  };
}
