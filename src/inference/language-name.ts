/** Names of languages as people write them (`de`, `deu`, `de-DE`, `de_DE`), against those of a model's card. */

/** The language's shortest code (CLDR: `deu` is `de`); the text itself where it is no language tag. */
function canonical(tag: string): string {
  try {
    const [first] = Intl.getCanonicalLocales(tag.replaceAll('_', '-'))
    return first === undefined ? tag : new Intl.Locale(first).language
  } catch {
    return tag.toLowerCase()
  }
}

/** The card's word for a language; undefined where the model does not know it. */
export function languageOf(
  { languages }: { readonly languages: readonly string[] },
  wanted: string,
): string | undefined {
  if (languages.includes(wanted)) return wanted
  const tag = canonical(wanted)
  return languages.find((each) => canonical(each) === tag)
}
