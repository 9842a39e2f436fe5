/** phonotactics.json: probabilities as negative natural logarithms, to a hundredth. */
import { z } from 'zod'
import { readJsonObject } from '../../ml/files/read-json.js'
import { refuse } from '../../ml/files/refuse.js'
import { LANGUAGES } from './languages.js'
import { PHONE_COUNT, type Phonotactics } from './phonotactics.js'

export const PHONOTACTICS_FILE = 'phonotactics.json'

/** A probability of e^-30 is none. */
const MOST = 30

const probabilities = (length: number) =>
  z
    .array(z.number().min(0).max(MOST))
    .length(length)
    .transform((values) => Float64Array.from(values, (value) => Math.exp(-value)))

const fileSchema = z.object({
  heard: probabilities(PHONE_COUNT),
  languages: z.record(
    z.enum(LANGUAGES),
    z.object({ anywhere: probabilities(PHONE_COUNT), next: probabilities(PHONE_COUNT * PHONE_COUNT) }),
  ),
})

const format = (values: Float64Array | undefined): string =>
  JSON.stringify(Array.from(values ?? [], (value) => Number(Math.min(MOST, -Math.log(value)).toFixed(2)) + 0))

export function formatPhonotactics({ heard, languages }: Phonotactics): string {
  const entries = LANGUAGES.map((language, i) => {
    const own = languages[i]
    return `    ${JSON.stringify(language)}: {\n      "anywhere": ${format(own?.anywhere)},\n      "next": ${format(own?.next)}\n    }`
  })
  return `{\n  "heard": ${format(heard)},\n  "languages": {\n${entries.join(',\n')}\n  }\n}\n`
}

/** @throws UserError where the file is not there or damaged. */
export async function readPhonotactics(path: string): Promise<Phonotactics> {
  const { data } = fileSchema.safeParse(await readJsonObject(path))
  if (data === undefined)
    throw refuse(path, 'does not hold the phones of the languages', {
      remedy: 'take the file that was published with the weights',
    })
  return { heard: data.heard, languages: LANGUAGES.map((language) => data.languages[language]) }
}
