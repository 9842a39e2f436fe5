/** The reference's optional tidying of decoded English: spaces before punctuation and contractions go. */

const REPLACEMENTS: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
]

/** `clean_up_tokenization_spaces` of the tokenizer files. */
export function cleanUpSpaces(text: string): string {
  return REPLACEMENTS.reduce((tidied, [from, to]) => tidied.replaceAll(from, to), text)
}
