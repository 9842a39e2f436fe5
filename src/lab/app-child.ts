/** An app of the laboratory: asks a gateway as any app would, over HTTP, and tells its parent what it got. */
import { readFile } from 'node:fs/promises'

/** What is asked of a gateway. */
export interface AppJob {
  readonly task: 'transcribe' | 'identify'
  readonly model: string
}

export interface AppSpec {
  readonly baseUrl: string
  readonly recording: string
  readonly jobs: readonly AppJob[]
}

/** What came back: the answer, and what the gateway says of its purchase beside it. */
export interface AppAnswer extends AppJob {
  /** The words, or the language's code. */
  readonly answer: string
  /** Peer id. */
  readonly provider: string
  readonly priceWei: string
  /** Whole seconds of sound. */
  readonly units: number
  /** Digest of the signed receipt, hex. */
  readonly receipt: string
  /** From the upload to the answer. */
  readonly wallMs: number
}

export type AppMessage =
  | { readonly kind: 'answers'; readonly answers: readonly AppAnswer[] }
  | { readonly kind: 'error'; readonly message: string }

const ROUTES = { transcribe: 'transcriptions', identify: 'language' } as const
/** A busy machine takes its time. */
const ANSWER_MS = 180_000

async function ask(spec: AppSpec, job: AppJob): Promise<AppAnswer> {
  const form = new FormData()
  form.set('file', new Blob([new Uint8Array(await readFile(spec.recording))]), 'sample.wav')
  form.set('model', job.model)
  const started = performance.now()
  const response = await fetch(`${spec.baseUrl}/audio/${ROUTES[job.task]}`, {
    method: 'POST',
    body: form,
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const body = (await response.json()) as {
    readonly text?: string
    readonly language?: string
    readonly error?: { readonly message: string }
  }
  const answer = job.task === 'transcribe' ? body.text : body.language
  if (!response.ok || answer === undefined)
    throw new Error(`the gateway answered: ${body.error?.message ?? `status ${response.status}`}`)
  const header = (name: string): string => response.headers.get(`x-plumbline-${name}`) ?? ''
  return {
    ...job,
    answer,
    provider: header('provider'),
    priceWei: header('price-wei'),
    units: Number(header('units')),
    receipt: header('receipt'),
    wallMs: Math.round(performance.now() - started),
  }
}

async function main(specPath: string): Promise<void> {
  const spec = JSON.parse(await readFile(specPath, 'utf8')) as AppSpec
  const send = (message: AppMessage): void => {
    process.send?.(message, () => process.disconnect())
  }
  try {
    const answers: AppAnswer[] = []
    for (const job of spec.jobs) answers.push(await ask(spec, job))
    send({ kind: 'answers', answers })
  } catch (error) {
    send({ kind: 'error', message: error instanceof Error ? error.message : String(error) })
  }
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
