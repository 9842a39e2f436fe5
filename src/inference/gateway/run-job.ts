/** Runs the job of a request: with its deadline, cancelled with it, counted, and its price told in headers. */
import { UserError } from '../../errors.js'
import type { Job, JobAnswer, JobOutput } from '../job.js'
import { paymentsTotal } from '../payments-total.js'
import { ApiError } from './api-error.js'
import type { GatewayContext } from './context.js'
import type { Exchange } from './exchange.js'

type Kind = JobOutput['kind']
export type AnswerOf<K extends Kind> = JobAnswer & {
  readonly output: Extract<JobOutput, { readonly kind: K }>
}

export interface JobRun<K extends Kind> {
  readonly job: Job
  /** What the job's task gives. */
  readonly kind: K
  readonly onText?: (text: string) => void
}

/** @throws ApiError; what the source throws */
export async function runJob<K extends Kind>(
  exchange: Exchange,
  context: GatewayContext,
  { job, kind, onText }: JobRun<K>,
): Promise<AnswerOf<K>> {
  const { source, limits, maxPriceWei, metrics } = context
  const deadline = AbortSignal.timeout(limits.jobMs)
  try {
    const answer = await source.run(job, {
      signal: AbortSignal.any([exchange.signal, deadline]),
      ...(maxPriceWei === undefined ? {} : { maxPriceWei }),
      ...(onText === undefined ? {} : { onText }),
    })
    if (answer.output.kind !== kind)
      throw new ApiError(`the model answered with ${answer.output.kind} instead of ${kind}`, {
        status: 502,
        code: 'wrong_answer',
      })
    metrics.job(job.task, 'done', answer.runSeconds)
    for (const { priceWei } of answer.payments ?? []) metrics.paid(priceWei)
    return answer as AnswerOf<K>
  } catch (error) {
    metrics.job(job.task, outcomeOf(error, exchange.signal))
    if (deadline.aborted && !exchange.signal.aborted)
      throw new ApiError(`the job was not done within ${limits.jobMs / 1000} s`, {
        status: 504,
        code: 'timeout',
        cause: error,
      })
    throw error
  }
}

function outcomeOf(error: unknown, gone: AbortSignal): 'cancelled' | 'refused' | 'failed' {
  if (gone.aborted) return 'cancelled'
  return error instanceof UserError && error.code !== 'UNAVAILABLE' ? 'refused' : 'failed'
}

/** Who heard it, what it cost, how long the model took: beside an answer whose form is OpenAI's to say. */
export function answerHeaders(
  answers: readonly JobAnswer[],
  ownedBy: string,
  ignored: readonly string[],
): Readonly<Record<string, string>> {
  const total = paymentsTotal(answers.flatMap(({ payments = [] }) => payments))
  const seconds = answers.reduce((sum, { runSeconds }) => sum + runSeconds, 0)
  return {
    'x-plumbline-provider': total?.provider ?? ownedBy,
    ...(answers.length === 0 ? {} : { 'x-plumbline-run-seconds': seconds.toFixed(3) }),
    ...(total === undefined
      ? {}
      : {
          'x-plumbline-price-wei': String(total.priceWei),
          'x-plumbline-units': String(total.units),
          'x-plumbline-receipt': total.receipts,
        }),
    ...(ignored.length === 0 ? {} : { 'x-plumbline-ignored': ignored.join(', ') }),
  }
}
