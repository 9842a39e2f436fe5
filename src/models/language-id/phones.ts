/**
 * The sounds that the recogniser writes: what espeak-ng prints in the International Phonetic Alphabet for the languages
 * of the recipe, one class each. Its letters follow each language's custom: one and the same open vowel is `a` in
 * Italian, `ʌ` in Russian, `ɑ` in English. Such letters share a class here, so that a class is heard, and does not name a
 * language that had to be guessed first. Stress, length and other marks are left out, palatalisation too, which is no
 * sound of its own; nasality is kept.
 */

/** Classes of the CTC output: the blank first, then these. */
const PHONES = [...'teansoilkmdrpəujvzbyɨʃʁðf\u0303wʒɹhxɡŋæœɚɲøθʎ']
export const BLANK = 0
export const PHONE_CLASSES = PHONES.length + 1

/** The class of each, then the letters that are heard as it. */
const ALIKE = [
  'aʌɑɐ',
  'eɛ',
  'iɪᵻ',
  'oɔɵ',
  'uʊ',
  'əɜ',
  'rɾ',
  'lɭ',
  'ʃɕ',
  'ʒʑ',
  'bβ',
  'ɡɣɟ',
  'kc',
  'xç',
  'jʝ',
  'vʋ',
]

const CLASS_OF: ReadonlyMap<string, number> = new Map([
  ...PHONES.map((phone, i) => [phone, i + 1] as const),
  ...ALIKE.flatMap((letters) =>
    [...letters].map((letter) => [letter, PHONES.indexOf(letters.charAt(0)) + 1] as const),
  ),
])

/** espeak-ng spells Russian's central vowel as French's front one. */
const CENTRAL: Readonly<Record<string, string>> = { ru: 'ɨ' }

/**
 * Class numbers of what espeak-ng prints with `--ipa`. `(en)` and its like mark a change of language.
 * @param rules the voice that pronounced it.
 */
export function phoneClasses(ipa: string, rules: string): readonly number[] {
  const central = CENTRAL[rules]
  // A vowel and its nasality come apart; the cedilla is no mark, but makes another letter.
  const letters = [...ipa.replace(/\([a-z-]+\)/g, '').replace(/[^ç]+/g, (some) => some.normalize('NFD'))]
  return letters.flatMap(
    (letter) => CLASS_OF.get(letter === 'y' && central !== undefined ? central : letter) ?? [],
  )
}

/** For people. */
export const phoneText = (classes: ArrayLike<number>): string =>
  Array.from(classes, (each) => PHONES[each - 1] ?? '').join('')
