/** Names of languages as people write them (`de`, `deu`, `de-DE`, `de_DE`), against those of a model's card. */

/** A language of two or three letters and what is said of it, as every card writes them. */
const TAG = /^([a-z]{2,3})(?:[-_][a-z0-9]{1,8})*$/i
/** By language; 18,252 at most. */
const shortest = new Map<string, string>()

/**
 * The language's shortest code (CLDR: `deu` is `de`); the text itself where it is no language tag. Strangers offer models
 * with thousands of languages each: what takes long is done once for each that there can be.
 */
function canonical(tag: string): string {
  const language = TAG.exec(tag)?.[1]?.toLowerCase()
  if (language === undefined) return tag.toLowerCase()
  const known = shortest.get(language) ?? shortestOf(language)
  shortest.set(language, known)
  return known
}

function shortestOf(language: string): string {
  try {
    return new Intl.Locale(language).language
  } catch {
    return language
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
