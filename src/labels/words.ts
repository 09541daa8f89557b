/**
 * Words by which a display name or a text gives a sensitive record away: the second net, for local codes and for what no
 * code list knows. English and German. It errs on the side of a label: a wrong one withholds only where a patient's
 * Consent speaks of that label. Results are kept for the last texts seen, since a source uses few of them over and over.
 */
import { Lru } from '../core/lru.ts';
import { BIT } from './sensitivity-mask.ts';

const WORDS: readonly (readonly [RegExp, number])[] = [
  [
    /\bhiv\b|\bhiv[- ]?[12]|immunodeficiency vir|immunodefizienz-?vir|\bacquired immun\w* deficiency|\b(?:emtricitabine|tenofovir|lamivudine|zidovudine|abacavir|efavirenz|dolutegravir|raltegravir|bictegravir|darunavir|atazanavir|rilpivirine|nevirapine|lopinavir|cabotegravir)\b/i,
    BIT.HIV,
  ],
  [
    /\balcohol (?:abuse|dependen|use disorder|misuse|intoxication|withdrawal)|alcoholi(?:sm|c)|alkohol(?:abh|missbr|krank)|\b(?:drug|substance|opioid|opiate|cocaine|cannabis|amphetamine|heroin) (?:abuse|dependen|use disorder|misuse|addict|overdose)|\bmisuses drugs|dependent drug abuse|drogenabh|\b(?:methadone|buprenorphine|naltrexone|disulfiram|acamprosate)\b|drugs? of abuse|detoxification/i,
    BIT.SUD,
  ],
  [
    /psychiatr|psychos[ei]s|psychotic|psychother|schizo|bipolar|depressi(?:on|ve)|\bdepressio|suicid|suizid|self[- ]harm|\bptsd\b|posttraumatic stress|post-traumatic stress|anxiety|obsessive[- ]compulsive|anorexia nervosa|bulimia|personality disorder|panic disorder|attention deficit|\badhd\b|autis(?:m|tic)|\bphq-?[29]\b|\bgad-?7\b|electroconvulsive|\b(?:lithium carbonate|clozapine|olanzapine|risperidone|quetiapine|aripiprazole|haloperidol|sertraline|fluoxetine|citalopram|escitalopram|paroxetine|venlafaxine)\b/i,
    BIT.PSY,
  ],
  [
    /syphilis|treponema pallidum|chlamydia trachomatis|gonorrh|neisseria gonorr|sexually transmitted|genital (?:herpes|wart)|\babortion\b|termination of pregnancy|schwangerschaftsabbruch|contracepti|intrauterine device|gender (?:dysphoria|identity)|sexual orientation|erectile dysfunction|infertility|in vitro fertili[sz]ation|mifepristone/i,
    BIT.SEX,
  ],
  [
    /domestic (?:violence|abuse)|intimate partner|sexual (?:assault|abuse)|child abuse|\brape\b|häusliche gewalt|physical abuse|victim of (?:abuse|violence|assault)|human trafficking/i,
    BIT.SDV,
  ],
  [
    /\bbrca ?[12]\b|gene(?:tic)? (?:mutation|variant|analysis|test|counsel)|\bgenotyp|karyotyp|sickle[- ]cell|huntington|cystic fibrosis|hereditary|whole (?:genome|exome)|carrier (?:status|screen)|\btrisomy\b|down syndrome/i,
    BIT.GEN,
  ],
];

/** Texts whose result is kept, and the longest of them in characters: a display or a short value. */
const KEPT = 20_000;
const KEPT_CHARACTERS = 200;
/** Characters of a text that are looked at. */
const MAX_CHARACTERS = 50_000;
const seen = new Lru<string, number>(KEPT);

/** Bits of the labels whose words stand in the text. */
export function maskOfWords(text: string): number {
  if (text.length > KEPT_CHARACTERS) return search(text.slice(0, MAX_CHARACTERS));
  const known = seen.get(text);
  if (known !== undefined) return known;
  const mask = search(text);
  seen.set(text, mask);
  return mask;
}

function search(text: string): number {
  let mask = 0;
  for (const [pattern, bit] of WORDS) if (pattern.test(text)) mask |= bit;
  return mask;
}
