/** What an upstream's list of models says, and what it leaves to be said. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { TASKS, type Task } from '../catalogue/card.js'
import type { ServedModel } from '../job.js'
import { unitOf } from '../units.js'
import { toWellFormed } from '../well-formed.js'

const MOST_MODELS = 1000
/** The year 10000. */
const MOST_SECONDS = 253_402_300_799
const name = z.string().min(1).max(200).transform(toWellFormed)

/** OpenAI's fields; those of a gateway of ours where they are there. */
const LIST = z.object({
  data: z
    .array(
      z.object({
        id: name,
        created: z.number().nonnegative().max(MOST_SECONDS).catch(0),
        task: z.enum(TASKS).optional().catch(undefined),
        languages: z.array(z.string().max(60).transform(toWellFormed)).max(5000).catch([]),
        licence: name.nullable().catch(null),
        sha256: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .optional()
          .catch(undefined),
        unit: z.enum(['audio-second', '1000-characters', 'token', 'request']).optional().catch(undefined),
      }),
    )
    .max(MOST_MODELS),
})

export interface UpstreamModels {
  readonly url: string
  readonly owner: string
  /** Of models whose list does not say what they are for. */
  readonly tasks: ReadonlyMap<string, Task>
}

/**
 * Those whose task is known; the others cannot be sent a job.
 * @returns undefined for what is no list of models
 */
export function servedModels(
  answer: unknown,
  { url, owner, tasks }: UpstreamModels,
): readonly ServedModel[] | undefined {
  const read = LIST.safeParse(answer)
  if (!read.success) return undefined
  return read.data.data.flatMap(({ id, task: said, sha256, unit, created, languages, licence }) => {
    const task = tasks.get(id) ?? said
    if (task === undefined) return []
    return [
      {
        id,
        sha256: sha256 ?? nameDigest(url, id),
        task,
        languages,
        licence,
        unit: unit ?? unitOf(task, 'text'),
        priceWeiPerUnit: 0n,
        ownedBy: owner,
        addedAtMs: created * 1000,
      },
    ]
  })
}

/** Stands for a model whose files nobody shows: it tells models apart, and proves nothing of what runs. */
const nameDigest = (url: string, id: string): string =>
  createHash('sha256').update(`plumbline upstream model\n${url}\n${id}`).digest('hex')
