/** What a model's author says of it: the YAML between the first two `---` lines of README.md. */
import { join } from 'node:path'
import { parse } from 'yaml'
import { FileSource } from '../ml/files/byte-source.js'
import { printable } from '../ml/files/refuse.js'

export interface ModelCard {
  /** An identifier as published (`apache-2.0`, `cc-by-nc-4.0`); undefined where the card says nothing. */
  readonly licence: string | undefined
  readonly languages: readonly string[]
  readonly baseModels: readonly string[]
  /** What it was trained on. */
  readonly datasets: readonly string[]
  /** What it is not good for. */
  readonly limitations: readonly string[]
  /** Figures on named data. */
  readonly results: readonly Quality[]
}

/** A figure that the model's author states. */
export interface Quality {
  readonly dataset: string
  readonly metric: string
  readonly value: string
}

/** Front matter comes first and is short, whatever follows. */
const MAX_BYTES = 256 << 10
const NOTHING: ModelCard = {
  licence: undefined,
  languages: [],
  baseModels: [],
  datasets: [],
  limitations: [],
  results: [],
}
/** MMS cards list over a thousand languages. */
const MAX_ENTRIES = 8192

/** A directory without a card, or with one that cannot be read, has nothing to say. */
export async function readModelCard(directory: string): Promise<ModelCard> {
  const text = await head(join(directory, 'README.md'))
  const matter =
    text === undefined ? undefined : /^\ufeff?---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(text)
  return matter?.[1] === undefined ? NOTHING : parseModelCard(matter[1])
}

export function parseModelCard(yaml: string): ModelCard {
  let fields: unknown
  try {
    // No aliases: a card of a few lines could otherwise unfold to gigabytes.
    fields = parse(yaml, { maxAliasCount: 0, schema: 'failsafe', logLevel: 'silent' })
  } catch {
    return NOTHING
  }
  if (typeof fields !== 'object' || fields === null) return NOTHING
  const {
    license,
    license_name: name,
    language,
    base_model: base,
    datasets,
    limitations,
    'model-index': index,
  } = fields as Record<string, unknown>
  // "other" stands for a licence with a name of its own.
  const [own] = list(name)
  const [listed] = list(license)
  return {
    licence: listed === 'other' && own !== undefined ? own : (listed ?? own),
    languages: list(language),
    baseModels: list(base),
    datasets: list(datasets),
    limitations: list(limitations),
    results: resultsOf(index),
  }
}

/** The figures of Hugging Face's `model-index`: of each result its data set's name, and each metric with its value. */
function resultsOf(index: unknown): readonly Quality[] {
  const results = records(index).flatMap((model) => records(model.results))
  return results
    .flatMap(({ dataset, metrics }) => {
      const [data] = records([dataset])
      const name = textOf(data?.name) ?? textOf(data?.type)
      return records(metrics).flatMap((metric): readonly Quality[] => {
        const measure = textOf(metric.name) ?? textOf(metric.type)
        const value = textOf(metric.value)
        return name === undefined || measure === undefined || value === undefined
          ? []
          : [{ dataset: name, metric: measure, value }]
      })
    })
    .slice(0, MAX_ENTRIES)
}

/** The objects of a list. */
function records(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (!Array.isArray(value)) return []
  return (value as unknown[])
    .slice(0, MAX_ENTRIES)
    .filter(
      (entry): entry is Record<string, unknown> =>
        typeof entry === 'object' && entry !== null && !Array.isArray(entry),
    )
}

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? list(value)[0] : undefined

function list(value: unknown): readonly string[] {
  const values: readonly unknown[] = Array.isArray(value) ? value.slice(0, MAX_ENTRIES) : [value]
  return values
    .filter((entry): entry is string => typeof entry === 'string' && entry !== '')
    .map((entry) => printable(entry))
}

async function head(path: string): Promise<string | undefined> {
  const source = await FileSource.open(path).catch(() => undefined)
  if (source === undefined) return undefined
  try {
    return new TextDecoder().decode(await source.read(0, Math.min(source.size, MAX_BYTES)))
  } finally {
    await source.close()
  }
}
