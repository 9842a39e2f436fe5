/**
 * The sounds that the recogniser writes: the letters of the International Phonetic Alphabet that espeak-ng uses for
 * the languages of the recipe, one class each. Stress, length and other marks are left out, but for the two that
 * tell languages apart: palatalisation and nasality.
 */

/** Classes of the CTC output: the blank first, then these. */
const PHONES = [...'teansoilkmdɪrpəʲɛujvʌɑɾzbyʃʁɔðfʊ\u0303wɭʒɹhxɡɣβŋʋæœɚɲɐɵøɕᵻcɟʝθɜʑʎ']
export const BLANK = 0
export const PHONE_CLASSES = PHONES.length + 1

const CLASS_OF: ReadonlyMap<string, number> = new Map(PHONES.map((phone, i) => [phone, i + 1]))

/** Class numbers of what espeak-ng prints with `--ipa`. `(en)` and its like mark a change of language. */
export const phoneClasses = (ipa: string): readonly number[] =>
  [...ipa.replace(/\([a-z-]+\)/g, '').normalize('NFD')].flatMap((letter) => CLASS_OF.get(letter) ?? [])

/** For people. */
export const phoneText = (classes: ArrayLike<number>): string =>
  Array.from(classes, (each) => PHONES[each - 1] ?? '').join('')
