/** The sources of HL7 v2 messages that a process, or a thread of it, knows. */
import type { Config } from '../config/config.ts';
import { makeSourceProfile } from '../normalize/hl7v2/source-profile.ts';
import { onlySource, type Sources } from '../services/sources.ts';

/** Opened in the main thread and in every intake thread for itself. */
export async function openSources(config: Config): Promise<Sources> {
  return onlySource(makeSourceProfile(config.source));
}
